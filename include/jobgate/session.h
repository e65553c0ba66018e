/* session.h - what the control process asks workers about sessions, and what they answer. */
#ifndef JOBGATE_SESSION_H
#define JOBGATE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "jobgate/ip.h"
#include "jobgate/job.h"
#include "jobgate/message.h"
#include "jobgate/token.h"

/*
 * To operators, a session is a running exchange or tunnel that may pass to a job, with a token or
 * because the job is public. Each worker keeps a connection to the control process's socket for
 * workers (control.socket with ".workers" appended; SOCK_SEQPACKET). Each message is one of the
 * structs below, sent as it lies in memory: both ends are on one machine, but one may be of the
 * binary before an upgrade.
 * A worker first says hello; then it gets one order at a time, and answers with any number of
 * sessions and one end, or, if the order is to count, with the end alone. An order that comes
 * during the answer to another replaces it. An order to watch is no such order: it is confirmed at
 * once, and from then on the worker tells of sessions that begin and end. Either end checks what it
 * reads: a bool could have bytes that are neither true nor false, so flags are uint8_t, where any
 * value but 0 is true.
 */
#define SESSION_PROTOCOL 4 /* another layout or meaning of any message has another number */

enum session_state {
	SESSION_WAITING,    /* its job is not up */
	SESSION_CONNECTING, /* to the backend */
	SESSION_AWAITING,   /* the head of the answer */
	SESSION_RELAYING,   /* the content of the answer */
	SESSION_TUNNEL,
};
#define SESSION_STATE_COUNT (SESSION_TUNNEL + 1)

/* "waiting", "connecting" ...; static. */
const char *jg_session_state_name(enum session_state state);

/* Bytes of the longest text of a label selector, with its NUL. */
#define SESSION_SCOPE_MAX (SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2) + 1)

/* The sessions that an order is for: those that pass each filter. All texts end with NUL. */
struct session_filter {
	uint64_t serial;     /* exactly this one; 0: all */
	uint64_t before;     /* only those with a smaller serial, which began earlier; 0: all */
	uint32_t states;     /* a bit for each enum session_state; 0: all */
	uint8_t has_address; /* flag: only clients of these addresses: */
	struct ip_range address;
	char token[TOKEN_ID_LEN + 1]; /* only of this token; "": all */
	char job[JOB_ID_MAX + 1];     /* only at this job; "": all */
	/*
	 * The caller's label selector: only sessions at jobs that have all of its labels. Their
	 * tokens are named, and found by `token`, only if their own selectors have these labels,
	 * too. Empty with `scoped` set: no session at all.
	 */
	uint8_t scoped; /* flag */
	char scope[SESSION_SCOPE_MAX];
};

/*
 * Each slot is one audience for sessions that begin and end: slot 0 sees all, each other one sees
 * what its label selector allows.
 */
#define SESSION_SLOTS 9

enum session_watch {
	SESSION_WATCH_NOT,   /* the order is to list or to end sessions */
	SESSION_WATCH_BEGIN, /* tell the slot of what the filter's scope has */
	SESSION_WATCH_END,
};

/* A message to a worker. */
struct session_order {
	uint32_t number; /* of the order; its answer has the same */
	uint8_t cuts;	 /* flag: end these sessions; else list them, the youngest first */
	uint8_t counts;	 /* flag: count sessions by job (struct session_count_order) */
	uint8_t watch;	 /* enum session_watch */
	uint8_t slot;
	/* With cuts: CLOCK_MONOTONIC; a worker that was stopped ends nothing later than this. */
	uint64_t until_ms;
	uint64_t most; /* listed at most; 0: any number */
	struct session_filter filter;
};

#define SESSION_JOBS_MAX 128

/* The jobs whose sessions an order is to count; texts end with NUL. */
struct session_jobs {
	uint32_t count;
	char ids[SESSION_JOBS_MAX][JOB_ID_MAX + 1];
};

/* A message to a worker, in place of struct session_order: count the sessions at each job. */
struct session_count_order {
	struct session_order order; /* its number, and `counts` */
	struct session_jobs jobs;
};

#define SESSION_METHOD_MAX 16
#define SESSION_PATH_MAX 160
#define SESSION_CLIENT_MAX 64

/* One session; texts end with NUL, and are cut at their lengths. */
struct session {
	uint64_t serial;    /* of this worker; never 0, and larger than those of earlier ones */
	int64_t started_us; /* since 1970 */
	uint64_t age_us;
	uint64_t bytes_in, bytes_out;	     /* of content, from and to the client */
	uint8_t state, version;		     /* enum session_state, enum http_version */
	char token_id[TOKEN_ID_LEN + 1];     /* "": none counts, or out of the caller's scope */
	char token_name[TOKEN_NAME_MAX + 1]; /* likewise, or not known now */
	char job[JOB_ID_MAX + 1];
	char client[SESSION_CLIENT_MAX]; /* an address, or "unix" */
	char method[SESSION_METHOD_MAX + 1];
	char path[SESSION_PATH_MAX + 1]; /* without a query; secrets of tokens are blotted out */
};

enum session_message_kind {
	SESSION_HELLO,
	SESSION_ONE,
	SESSION_END,
	SESSION_WATCHING, /* confirms the order to watch with this number */
	SESSION_EVENT,
};

enum session_change {
	SESSION_BEGUN,
	SESSION_ENDED,
	SESSION_LOST, /* no session: there were more than could be told */
};

/* A worker tells of at most so many sessions that begin or end in a second; of those for which no
 * token counts, only until half as many are told. */
#define SESSION_EVENTS_MAX 512
#define SESSION_OUTCOME_MAX 24

struct session_event {
	uint32_t sees;	 /* a bit for each slot that may learn of it */
	uint32_t names;	 /* and for each that may learn which token it has */
	uint8_t change;	 /* enum session_change */
	uint16_t status; /* when it has ended: as in the access log; 0: none */
	char outcome[SESSION_OUTCOME_MAX];
	struct session session;
};

/* A message of a worker. */
struct session_message {
	uint32_t kind;	 /* enum session_message_kind */
	uint32_t number; /* of the order that it answers; 0 in a hello */
	union {
		struct {
			uint32_t protocol; /* SESSION_PROTOCOL: the rest has this layout */
			uint32_t index;	   /* of the worker, as in its name */
			uint64_t worker;   /* random; a part of the ids of its sessions */
		} hello;
		struct session session;
		struct session_event event;
		struct {
			uint64_t count; /* of sessions that were listed, or cut */
			uint8_t more;	/* flag: there are more than were to be listed */
			uint32_t counts[SESSION_JOBS_MAX]; /* of sessions at each job */
		} end;
	};
};

#endif
