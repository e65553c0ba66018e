/* overhead.h - what a peer may send that carries nothing. */
#ifndef JOBGATE_HTTP2_OVERHEAD_H
#define JOBGATE_HTTP2_OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>

/* In each minute, a peer may send this many times the bytes of payload, with an allowance added to
 * these. */
#define OVERHEAD_SHARE 8
#define OVERHEAD_ALLOWANCE (UINT64_C(1024) * 1024) /* bytes */
#define OVERHEAD_PERIOD_MS 60000

/* Payload is content in both directions, and fields. */
struct overhead {
	uint64_t began_ms;
	uint64_t read;	  /* bytes of the peer since then */
	uint64_t payload; /* bytes in both directions since then */
};

static inline void
overhead_payload(struct overhead *overhead, uint64_t bytes)
{
	overhead->payload += bytes;
}

/* This many bytes were read at this time. False: too little of what comes is payload. */
static inline bool
overhead_read(struct overhead *overhead, uint64_t bytes, uint64_t now_ms)
{
	if (now_ms - overhead->began_ms >= OVERHEAD_PERIOD_MS)
		*overhead = (struct overhead){.began_ms = now_ms};
	overhead->read += bytes;
	return overhead->read / OVERHEAD_SHARE <= overhead->payload + OVERHEAD_ALLOWANCE;
}

#endif
