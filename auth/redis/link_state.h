/* link_state.h - a link as its own files see it: link.c, link_state.c, link_arm.c, link_proof.c,
 * link_mint.c and link_reads.c. */
#ifndef JOBGATE_REDIS_LINK_STATE_H
#define JOBGATE_REDIS_LINK_STATE_H

#include "auth/redis/connection.h"
#include "auth/redis/link.h"
#include "auth/redis/sentinel.h"

/* Keys of broken records remembered, so that each is logged once and not at every read. */
#define COMPLAINTS 32

/* Keys that are read with care: as many as may be under way when a link breaks, more or less. */

#define RUN_ID_LEN 40

enum link_state {
	LINK_WAITING,	  /* for the moment to connect */
	LINK_FINDING,	  /* for the sentinels to name the primary */
	LINK_CONNECTING,  /* for all connections */
	LINK_IDENTIFYING, /* to know that both lead to the same server */
	LINK_ARMING,	  /* for the confirmations of the subscription and of CLIENT TRACKING */
	LINK_PROVING,	  /* for the first proof */
	LINK_UP,
};

/* What a proof consists of; all of it was asked after began_ms. */
enum {
	PROOF_SENTINELS = 1, /* most sentinels name the primary that we know */
	PROOF_ROLE = 2,	     /* what we read calls itself the primary */
	PROOF_REPLICA = 4,   /* or has all that the primary had */
	PROOF_DATA = 8, /* Redis still has the data connection, and with it what that tracks; and
			 it answers for a key of ours, which a node of a cluster that is cut off
			 would not */
	PROOF_PUSH =
	    16, /* all invalidations up to its PONG have arrived, which travels behind them */
	PROOF_MINT = 32, /* the key that values are minted with is known; with the first one */
};

struct proof {
	uint64_t began_ms; /* 0: none is under way */
	unsigned missing;
	bool failed;		     /* it cannot be had this time; the link goes on */
	bool behind;		     /* PROOF_REPLICA: to be asked again */
	char replid[RUN_ID_LEN + 1]; /* of the primary's history */
	unsigned long long offset;   /* how far in it the primary was */
};

struct redis_link {
	enum link_state state;
	struct event_base *base;
	struct redis_url url;		   /* what is read, as configured */
	struct redis_url primary_url;	   /* with `replica`: what is written to */
	bool replica;			   /* what is read may be a replica of that */
	struct redis_sentinels *sentinels; /* who know the primary; NULL: the URL does */
	struct redis_place place;	   /* that they named when we connected */
	char *prefix, *ca_file;
	size_t prefix_len;
	struct redis_link_options options;
	struct log log;
	struct directory *directory;
	struct redis_connection *data, *push, *primary;		       /* primary: with `replica` */
	char data_run_id[RUN_ID_LEN + 1], push_run_id[RUN_ID_LEN + 1]; /* empty: not told */
	unsigned unidentified; /* IDENTIFYING: run ids that have not been told yet */
	char push_name[64];    /* of the push connection, where a run id is not told */
	struct event *tick;
	uint64_t retry_ms;    /* WAITING: until then */
	uint64_t armed_by_ms; /* IDENTIFYING, ARMING: until then */
	uint64_t backoff_ms;
	bool subscribed, tracking;	 /* ARMING: confirmed */
	bool mint_asked, mint_overtaken; /* link_mint.c: being read; it changed since */
	unsigned mint_existing;		 /* how many of its two keys exist */
	enum mint_state mint_told; /* in the log, and whether as broken; MINT_UNKNOWN: nothing */
	bool mint_broken;
	struct proof proof;
	uint64_t next_proof_ms;
	char complaint[160]; /* why it is out of reach or in doubt, as logged; empty: it is not */
	uint64_t next_failure_ms; /* when a failed read may be logged again */
	struct redis_link_stats stats;
	uint64_t complaints[COMPLAINTS]; /* link_reads.c: hashes of keys */
	size_t next_complaint;
	uint64_t careful[CAREFUL_MAX]; /* likewise; the first careful_count */
	size_t careful_count;
};

/* ---- link_state.c ---- */

/* The only place that assigns a state. */
void link_set_state(struct redis_link *link, enum link_state to);

/* ---- link.c ---- */

uint64_t link_clock_ms(const struct redis_link *link);

/* Send words; text without NULs. */
bool link_send(struct redis_connection *connection, redis_reply_fn *done, struct redis_link *link,
    int argc, const char *const *argv);

/* Give up all connections and come back later. */
void link_break(struct redis_link *link, const char *which, const char *reason);

/* The state PROVING has ended well: at good_ms all was right. */
void link_proved(struct redis_link *link, uint64_t good_ms);

/* ---- link_arm.c ---- */

/*
 * All connections are up: see that two of them lead to the same server, and have the one told of
 * what the other reads. It ends with the first proof, or with link_break.
 */
void link_identify(struct redis_link *link);

/* ---- link_proof.c ---- */

/* Begin a proof; it ends with link_proved or jg_directory_good, or with link_break. */
void proof_begin(struct redis_link *link, uint64_t now_ms);

/* Look at the clock: give up what is late, ask again, begin the next one. In PROVING and UP. */
void proof_tick(struct redis_link *link, uint64_t now_ms);

/* One of its parts has come. */
void proof_part(struct redis_link *link, unsigned part);

/* ---- link_mint.c ---- */

/* Read the store's key, for the first proof or because it changed, and tell the directory. */
void link_ask_mint(struct redis_link *link);

/* ---- link_reads.c ---- */

bool link_read(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry);

/* A message on the push connection. */
void link_pushed(void *ctx, const redisReply *reply);

#endif
