/*
 * exchanges.h - each request of a run: what it asks for, how its backend should answer, and what
 * has been seen of it. Its number is its mark; each byte of content says to which request it
 * belongs.
 */
#ifndef SIM_EXCHANGES_H
#define SIM_EXCHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

enum framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKS, FRAMING_CLOSE };

/* What a backend does that it should not. */
enum misdeed {
	MISDEED_NONE,
	MISDEED_SILENT,	     /* it never answers */
	MISDEED_CLOSE,	     /* it closes instead of answering */
	MISDEED_RESET,	     /* it resets instead */
	MISDEED_GARBAGE,     /* it answers with what is not HTTP */
	MISDEED_CUT,	     /* it closes in the middle of the content */
	MISDEED_CUT_RESET,   /* it resets there */
	MISDEED_MORE,	     /* it sends more than its head says, and an answer unasked */
	MISDEED_EARLY_CLOSE, /* a good answer, and the connection closes without a word of it */
	MISDEED_STALL,	     /* it stops in the middle of the content */
};
#define MISDEEDS (MISDEED_STALL + 1)

/* What the client does to it. */
enum desertion {
	STAYS,
	STALLS_IN_HEAD,
	STALLS_IN_CONTENT,
	LOST_ITS_CONNECTION, /* not by itself */
	LEAVES_EARLY,
	LEAVES_IN_ANSWER,
	RESETS_IN_ANSWER
};

enum credential_kind {
	CREDENTIAL_VALID,
	CREDENTIAL_OLD,	    /* an earlier value of the token, perhaps */
	CREDENTIAL_WRONG,   /* its checksum is wrong */
	CREDENTIAL_UNKNOWN, /* of a token that does not exist */
	CREDENTIAL_GARBLED, /* no credential at all */
	CREDENTIAL_NOTHING,
	CREDENTIAL_OTHERS /* one that is not the gateway's */
};

/* The marks of gRPC calls have this bit: their content is in messages of gRPC. */
#define MARK_OF_CALL 0x80000000u

/* Whether the request is for the job's port. */
enum port_form {
	NO_PORT,
	PORT_IN_PATH,
	PORT_IN_HOST, /* which may be another job's host */
};

struct node;

struct exchange_plan {
	bool signs_in;	  /* at a job's host, where a token that reaches all jobs is refused */
	bool by_session;  /* it shows the cookie of a session that this value has opened */
	unsigned sign_in; /* 1 + the sign-in whose cookie it shows (sign_ins.h); 0: it shows none */
	unsigned token, value; /* which value of which token it shows */
	enum credential_kind credential_kind;
	int job;	 /* -1: no job's path */
	unsigned unread; /* the form of a name that no request without a token may cause to be read;
			    0: it has another name */
	unsigned waits_s; /* Prefer: wait; 0: it does not say */
	enum port_form port;
	bool by_host;	   /* a job's own host, not its path */
	unsigned stays_at; /* 1 + the backend that its cookie for the job names; 0: it has none */
	uint64_t stays_since_ns; /* it was given the cookie then */
	char cookie[96];
	uint32_t address; /* of its client, in host byte order; 0: that is not known */
	bool tunnel, head_only, call;
	unsigned deadline_ms; /* of a call; 0: it has none */
	enum framing request_framing, answer_framing;
	size_t request_len, answer_len;
	bool fills;	    /* the answer fills whole buffers of the gateway's, to the byte */
	bool interim;	    /* 103 comes before the answer */
	bool answer_closes; /* Connection: close */
	uint64_t think_ns;  /* before the backend answers */
	size_t piece;	    /* the answer's content comes in pieces of this length, */
	uint64_t pause_ns;  /* with such pauses between them */
	enum misdeed misdeed;
	enum desertion desertion;
};

/* What an exchange came to for its client. */
enum result {
	RESULT_NONE,	 /* still running, or the client has left */
	RESULT_ANSWERED, /* by its backend, whole */
	RESULT_CUT,	 /* by its backend, not whole */
	RESULT_REFUSED,	 /* by the gateway; see status */
	RESULT_LOST,	 /* the connection ended without an answer */
};

struct sim_exchange {
	struct exchange_plan plan;
	uint64_t session_ends_ns;  /* with a session: no later than this */
	uint64_t sent_ns;	   /* when its first byte left the client */
	uint64_t seen;		   /* by backends, times */
	unsigned processed;	   /* begun by a backend, times */
	unsigned unprocessed;	   /* a backend has said that it will not be, times */
	unsigned refused;	   /* of these by REFUSED_STREAM */
	uint64_t forward_ns;	   /* J of the last time */
	const struct node *sender; /* the worker that sent it then */
	uint64_t cut_ns;	   /* an operator has ended it; 0: none has */
	uint64_t answered_ns;	   /* when its backend had sent all that it sends; 0: it has not */
	uint64_t answered;	   /* content that it had sent by then */
	bool unsent;		   /* it closed before all of this had left */
	uint64_t late_from;	   /* 1 + the offset of the first content that came late; 0: none */
	int backend;		   /* that saw it last */
	bool open;		   /* it was forwarded without an identity: its job is public */
	enum result result;
	unsigned status;
	char title[32];
	unsigned call_status; /* of gRPC */
	uint64_t ended_ns;
	uint64_t received; /* content of the answer that has come to the client */
	bool request_seen_whole;
};

struct sim_exchanges {
	struct sim_exchange *all;
	size_t count, room;
	uint64_t results[RESULT_LOST + 1], refused_5xx, tunnels;
};

/* A new one; its mark in *mark. The address is good until the next one. */
struct sim_exchange *exchanges_add(struct sim_exchanges *exchanges, uint32_t *mark);

/* NULL: there is none of this mark. */
struct sim_exchange *exchanges_get(struct sim_exchanges *exchanges, uint32_t mark);

/* A number in a field, which has no end of its own. */
uint32_t exchange_number(const char *text, size_t len, int base);

/* How much content its client sends: a tunnel's ends send as much as each other. */
static inline size_t
exchange_upload(const struct exchange_plan *plan)
{
	return plan->tunnel ? plan->answer_len : plan->request_len;
}

/* Of its request. */
const char *exchange_method(const struct exchange_plan *plan, uint32_t mark);

/* The byte at this offset of the content of a request (to the backend) or of an answer. */
char content_byte(uint32_t mark, bool to_backend, uint64_t offset);
void content_fill(char *out, size_t len, uint32_t mark, bool to_backend, uint64_t offset);

/* Where the bytes are not that content; len: nowhere. */
size_t content_compare(
    const char *bytes, size_t len, uint32_t mark, bool to_backend, uint64_t offset);

/* Content that was taken back after its frame had left in part comes as bytes 0xff. */
bool content_is_blank(const char *content, size_t len);

/* As content_compare. Bytes 0xff right before that place do not count as content, although content
 * may have some: they may be content that was taken back. */
size_t content_before_blank(
    const char *bytes, size_t len, uint32_t mark, bool to_backend, uint64_t offset);

#endif
