/* stream_state.h - what stream.c, wire.c and connect.c share; only they include it. */
#ifndef SIM_STREAM_STATE_H
#define SIM_STREAM_STATE_H

#include "stream.h"

enum segment_kind { SEGMENT_DATA, SEGMENT_FIN, SEGMENT_RESET };

struct segment {
	STAILQ_ENTRY(segment) link;
	enum segment_kind kind;
	uint64_t at_ns;
	size_t from, len;
	char bytes[];
};

/* ---- stream.c ---- */

struct end *end_new(struct host *host);

/* Its owner is told of events. */
void end_tell(struct end *end, uint32_t events);

/* It is of no use any more. */
void end_fail(struct end *end, int error);

/* Free both ends once both are closed and nothing is under way. */
void end_free_if_done(struct end *end);

/* ---- wire.c: the way from an end to its peer ---- */

void wire_put(struct end *end, const char *bytes, size_t len);
void wire_put_fin(struct end *end);
void wire_put_reset(struct end *end);

/* Forget what is on the way. */
void wire_drop(struct end *end);

/* The next segment of the end arrives at its peer. */
void wire_arrive(struct alarm *alarm);

/* The end has read: what its peer has sent may arrive. */
void wire_has_room(struct end *end);

/* Bytes of this end wait for its peer to read. */
bool wire_is_held(const struct end *end);

#endif
