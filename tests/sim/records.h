/*
 * records.h - tokens and jobs of a run: their state now and at earlier times, and how they change.
 */
#ifndef SIM_RECORDS_H
#define SIM_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "jobgate/token.h"
#include "redis.h"

#define RECORDS_TOKENS_MAX 8
#define RECORDS_JOBS_MAX 6
#define RECORDS_VALUES_MAX 64 /* of one token */
#define RECORDS_STRAYS_MAX 32
#define RECORDS_LABELS 3 /* values of the label "team" */
#define NO_LABEL (-1)
#define NO_BACKEND (-1)
#define NO_VALUE (-1)
#define NO_RANGES (-1)
#define NO_MAKER (-1)

/*
 * When a state of a record held: from a change to the next one. One that was lost in a failover
 * held only for those who asked the old primary; the state before it held meanwhile, too.
 */
struct span {
	uint64_t from_ns, to_ns; /* to_ns: UINT64_MAX: it still holds */
	uint64_t offset;	 /* of the change, at the primary */
	bool lost;
};

/* What the store said of a token for some time. */
struct token_state {
	struct span span;
	bool confirmed; /* replicas have it, and so it is not lost in a failover */
	bool exists;
	bool broken;	/* it breaks the rules, and so counts as absent */
	unsigned value; /* which of its values is valid */
	int label;	/* its selector: team=<label>, or NO_LABEL */
	/* Moments of the wall clock, in milliseconds; 0: none. */
	uint64_t expires_ms, previous_until_ms;
	int previous; /* the value that is valid, too, until previous_until_ms; or NO_VALUE */
	int leftover; /* the value in fields of a grace that a renewal has ended; or NO_VALUE */
	int ranges;   /* the addresses that it is limited to (records_from.c); or NO_RANGES */
};

struct job_state {
	struct span span;
	bool confirmed;
	bool exists;
	int label;
	int backend; /* or NO_BACKEND: it has no URL */
	int port;    /* the backend of its port; or NO_BACKEND: it has none */
	/* Further backends that it has URLs of, a bit for each; and whether they are checked, and
	 * browsers stay at one of them. */
	unsigned others;
	bool checked, sticky;
	/* Its record says that it is public, and the set of public jobs has it. */
	bool open, listed;
};

#define RECORDS_PORT "8888"	 /* the one that jobs may have */
#define RECORDS_NO_PORT 9999u	 /* none has this one */
#define RECORDS_HEALTH "/health" /* the path of a check */
#define RECORDS_UNREAD "unread"	 /* so begin names that only requests without a token have */

struct token_history {
	char id[TOKEN_ID_LEN + 1];
	int maker; /* the token that has created it; or NO_MAKER */
	/* "": it has not been told yet; hashes: of these, as records have it. */
	char values[RECORDS_VALUES_MAX][TOKEN_VALUE_LEN + 1], hashes[RECORDS_VALUES_MAX][65];
	unsigned value_count, version, versions[RECORDS_VALUES_MAX]; /* of each value, too */
	struct token_state *states;
	size_t state_count, state_room;
	/* What a server had that was no longer the primary when it was changed (records_seen.c). */
	struct token_state strays[RECORDS_STRAYS_MAX];
	size_t stray_count;
};

struct job_history {
	char id[32];
	struct job_state *states;
	size_t state_count, state_room;
	struct job_state strays[RECORDS_STRAYS_MAX];
	size_t stray_count;
};

struct records {
	struct redis *redis;
	struct random random, from_random, ends_random, port_random, public_random, replica_random;
	unsigned tokens, jobs, backends;
	unsigned staff;	  /* the last tokens are those of so many operators; no client has them */
	unsigned strange; /* URLs beyond those of backends: nothing can be sent to these */
	struct token_history token[RECORDS_TOKENS_MAX];
	struct job_history job[RECORDS_JOBS_MAX];
	const char *(*url_of)(void *ctx, int backend);
	void *ctx;
	bool expires;  /* records get times to live, too */
	bool timed;    /* tokens expire, and renewals have a grace */
	bool limited;  /* some tokens are limited to addresses */
	bool scripted; /* tokens have creators, and scripts delete them (records_ends.c) */
	bool ports;    /* jobs have ports */
	bool collides; /* the second job has the host of the first one's port */
	bool publics;  /* some jobs are public */
	bool replicas; /* jobs have several URLs */
	bool minted;   /* values are minted, and those that are not are refused */
	unsigned char mint_key[32];
	uint64_t changes;	 /* so far */
	unsigned confirmed_lost; /* changes that replicas had confirmed */
	bool settled;		 /* no more changes that refuse anything */
};

/* Make the records, and write them into the store. */
void records_init(struct records *records, struct redis *redis, uint64_t seed);

/* One change of one record, as the seed wants it; nothing while the store does not run. */
void records_change_token(struct records *records, unsigned token);
void records_change_job(struct records *records, unsigned job);

/* It is deleted, if it is there. The next change of it puts it back. */
void records_end_token(struct records *records, unsigned token);
void records_end_job(struct records *records, unsigned job);

/* All records are valid from now on: what was deleted or broken is put back. */
void records_settle(struct records *records);

/* The store is about to lose everything. records_settle puts it back. */
void records_lost(struct records *records);

/* An emptied store gets the key that values are minted with back, before any token is created. */
void records_put_mint(struct records *records);

/*
 * Another server takes changes from now on. What it never received never happened: its records are
 * those of the history from now on.
 */
void records_adopt(struct records *records, struct redis *redis);

/*
 * A script has changed a record at this server. At the one that takes changes this is the record's
 * next state. At another one it never happened, but workers that ask it still may go by it.
 */
void records_token_seen(struct records *records, unsigned token, struct redis *redis);
void records_job_seen(struct records *records, unsigned job, struct redis *redis);

/* The value with this hash is known to clients from now on. False: no record has had it. */
bool records_learn_value(struct records *records, unsigned token, const char *value);

/*
 * Replicas have the last change since then of each of these records. False: no server that counts
 * has made one.
 */
bool records_confirm(struct records *records, uint32_t tokens, uint32_t jobs, uint64_t since_ns);

/* This value, or the last one before it that clients have been told. */
unsigned records_shown_value(const struct token_history *token, unsigned value);

/* The client's address (host byte order; 0: it is not known) is one of those of the token. */
bool records_admits(const struct token_state *state, uint32_t address);

/* The job has the id of a port's host. */
bool records_namesake_owner(const struct records *records, int job);

/* One of its URLs is that of this backend. */
bool records_leads_to(const struct job_state *state, int backend);

/* The job with the same host as the port of this one; NULL: there is none. */
const struct job_history *records_namesake(const struct records *records, int job);

/* The state at a moment is the last one that began before or at it. */
const struct token_state *records_token_at(const struct token_history *token, uint64_t at_ns);

#endif
