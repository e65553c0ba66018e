/* judge.h - checks the rules against what clients and backends have seen. */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H

#include "jobgate/slice.h"
#include "node.h"
#include "stream.h"

struct world;
struct sim_exchange;

/* Where faults are at work. Each refusal has causes in some of these places only. */
#define TROUBLES 4
#define TROUBLED_WORKER 1u
#define TROUBLED_STORE 2u
#define TROUBLED_BACKEND 4u
#define TROUBLED_CLIENT 8u
#define TROUBLED 15u

struct judge {
	unsigned violations;
	uint64_t trouble_ns[TROUBLES]; /* a fault was at work there until then */
	uint64_t memory_ns;	       /* allocations failed until then */
	uint64_t healthy_ns; /* from then on all must be answered; UINT64_MAX: not yet known */
};

/* Something that must not be. The run goes on. */
void judge_violation(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A fault is at work there until then. */
void judge_trouble(struct world *world, unsigned troubles, uint64_t until_ns);

/* All faults end now. */
void judge_troubles_end(struct world *world);

/* One was at work there at that time, or so shortly before that its effects may have lasted. */
bool judge_is_troubled(const struct world *world, unsigned troubles, uint64_t at_ns);

/* Who a request is from, as the gateway tells it; empty: it does not say. */
struct told {
	struct slice token_id, token_name, role;
};

/* A backend has got the head of a request at its end, whose first byte was sent at the stamp. */
void judge_forward(struct world *world, uint32_t mark, int backend, const struct end *end,
    const struct stamp *stamp, const struct told *told);

/* The record with this key is read; some must not be (RECORDS_UNREAD). */
void judge_read(struct world *world, const char *key);

/* A check of a backend's health has come to its end. */
void judge_check(
    struct world *world, int backend, const struct end *end, const struct stamp *stamp);

/* A backend begins to process a request. */
void judge_processed(struct world *world, uint32_t mark);

/* A client was told that it may: another proxy, or a browser that signs in. open: without a token.
 */
void judge_grant(struct world *world, uint32_t mark, const struct end *end,
    const struct stamp *stamp, bool open);

/* Content of an exchange has moved, sent by this worker at the stamp. */
void judge_moved(struct world *world, uint32_t mark, const struct node *node,
    const struct stamp *stamp, const char *where);

/*
 * A piece of the content of an answer. Up to `buffered` bytes may have waited in the client's end
 * of the gateway since the backend's answer was over.
 */
struct content_place {
	uint64_t offset, len, buffered;
};

/* It has come to its client. */
void judge_came(struct world *world, uint32_t mark, const struct end *end,
    const struct stamp *stamp, const struct content_place *place);

/* A client has got an answer of the gateway's own. */
void judge_refusal(struct world *world, uint32_t mark, const struct stamp *stamp);

/* exchange->status, with its title, has a cause. */
bool judge_refusal_is_right(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns);

/* A gRPC call may have had nothing to say for longer than timeouts.tunnel by then. */
bool judge_call_was_silent(
    const struct world *world, const struct sim_exchange *exchange, uint64_t to_ns);

/* The gateway has ended a gRPC call with exchange->call_status; begun: in the middle of its answer.
 */
void judge_call_end(struct world *world, uint32_t mark, bool begun, const struct stamp *stamp);

/* An exchange is over for its client. */
void judge_result(struct world *world, uint32_t mark);

#endif
