/* reply_scan.h - finds where a reply of Redis ends and how large it is, without storing it. */
#ifndef JOBGATE_REDIS_REPLY_SCAN_H
#define JOBGATE_REDIS_REPLY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The depth of arrays within arrays that hiredis 0.14 accepts. */
#define REPLY_DEPTH_MAX 8

enum reply_scan_state {
	REPLY_UNFINISHED, /* more bytes of it are to come */
	REPLY_FINISHED,
	REPLY_MALFORMED, /* it is not RESP2 */
};

/* When zeroed, it stands at the beginning of a reply. */
struct reply_scan {
	/*
	 * What has come of the reply and what it has announced: a length counts before its bytes
	 * come.
	 */
	uint64_t bytes, elements;
	enum reply_scan_part {
		REPLY_TYPE,   /* waits for the first byte of a reply or an element */
		REPLY_LINE,   /* for the end of a line whose content does not matter */
		REPLY_NUMBER, /* for the end of a length */
		REPLY_STRING, /* for `due` bytes of a string, and its line end */
	} part;
	char type;
	bool carriage_return; /* the last byte was \r */
	bool negative;
	unsigned digits;
	uint64_t number, due;
	unsigned depth;
	uint64_t left[REPLY_DEPTH_MAX]; /* elements still to come of each open array */
};

/*
 * Scan the next bytes of a reply, up to its end at most. Returns how many bytes it took: all,
 * unless *state says that the reply ended before, or is malformed.
 */
size_t reply_scan(
    struct reply_scan *scan, const char *bytes, size_t len, enum reply_scan_state *state);

#endif
