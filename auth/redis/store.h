/* store.h - changing and listing what the store keeps: for the control API, never for the data
 * path. */
#ifndef JOBGATE_REDIS_STORE_H
#define JOBGATE_REDIS_STORE_H

#include <event2/event.h>

#include "jobgate/directory.h"
#include "jobgate/dump.h"
#include "jobgate/log.h"
#include "jobgate/mint.h"
#include "jobgate/resolver.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

/*
 * One asynchronous connection to Redis. Every change is one server-side script,
 * index included: it happened whole or not at all, whatever fails. An operation
 * calls back exactly once: with the answer, with STORE_UNAVAILABLE (a read) or
 * STORE_UNKNOWN (a change) after 2 s (and twice wait.timeout_ms, where replicas are waited for) or
 * when the connection breaks, or with STORE_UNAVAILABLE at once (from within the call)
 * while it is down. The store reconnects by itself.
 */
struct store;

struct store_options {
	struct event_base *base;
	struct resolver *resolver; /* outlives the store; NULL where the URL has no name */
	const char *url;	   /* as url.h takes it */
	const char *prefix;	   /* of keys, "jobgate:" */
	const char *ca_file;	   /* for rediss://; NULL: the system's */
	/*
	 * Changes within its time-out are confirmed together (WAIT). If some are required, a
	 * deletion that finds nothing waits as well: it may repeat one that was not confirmed.
	 */
	struct replica_wait wait;
	const struct store_tuning *tuning; /* NULL: that of jg_tuning */
	/*
	 * The server must say that it is a primary (ROLE), when it is connected and before each
	 * read. A demoted server goes on answering from its old records, so a token that was
	 * revoked at the new primary would stay valid here.
	 */
	bool of_primary;
	bool for_lists; /* shown in its CLIENT name and in the log */
	struct log log;
};

/* Start connecting; all text is copied. NULL after logging why: a bad URL, or memory is short. */
struct store *store_new(const struct store_options *options);

/* All operations under way end with STORE_UNAVAILABLE or STORE_UNKNOWN first. */
void store_free(struct store *store);

/* Its connection, its sentinels, and how many operations are under way, with the oldest of them. */
void store_dump(const struct store *store, struct dump *dump);

enum store_result {
	STORE_OK,
	STORE_ABSENT,	    /* no such record */
	STORE_BROKEN,	    /* a record that breaks the rules (README.md of this folder) */
	STORE_TOO_LARGE,    /* one that breaks the rule about its size */
	STORE_CONFLICT,	    /* created: it exists; renewed: another caller was faster */
	STORE_TOO_MANY,	    /* the job would have more than JOB_LABELS_MAX labels */
	STORE_OUT_OF_SCOPE, /* the job would leave the scope */
	STORE_REVOKED,	    /* the maker's token has gone, or was renewed */
	STORE_OVER_QUOTA,   /* the maker's scope has as many records as it may */
	STORE_OTHER_MINT,  /* the store has another key than the value was minted with: store_mint()
			      has that now; nothing was changed */
	STORE_UNAVAILABLE, /* Redis is out of reach, or refused: nothing was changed */
	STORE_UNKNOWN, /* a change was sent and no answer came: it happened whole or not at all */
};

/* record: the one asked for or changed, as it is now, with STORE_OK; valid during the call, else
 * NULL. */
typedef void store_record_done(void *ctx, enum store_result result, const struct record *record);

/*
 * How many replicas have confirmed the change whose done is being called; -1 when
 * they are not waited for. Fewer than wait.count: it could be lost with the primary.
 */
int store_confirmed(const struct store *store);

void store_get(struct store *store, enum record_kind kind, struct slice id, store_record_done *done,
    void *ctx);

/*
 * The operator's token that creates a record. The script that creates the record also checks that
 * the token still exists unchanged, and that its scope has fewer than `most` such records. The
 * scope is the token's label selector, or that of the scoped operator that created the token.
 */
struct store_maker {
	struct slice id;
	const unsigned char *hash; /* TOKEN_HASH_LEN bytes */
	unsigned most;
};

/*
 * Make a record as it is, `minted` of a token included. created_ms, Unix milliseconds, is where it
 * stands in the index. maker may be NULL: no token made it. record is NULL in done.
 */
void store_create(struct store *store, const struct record *record, uint64_t created_ms,
    const struct store_maker *maker, store_record_done *done, void *ctx);

/*
 * The key that values are minted with. Read it unless it was read within the last second or is
 * being read now: invented values, which are checked with it, cost the store one read per second.
 * STORE_OK or STORE_UNAVAILABLE, maybe from within the call; record is NULL.
 */
void store_mint_know(struct store *store, store_record_done *done, void *ctx);

/* What is known of it: always at the same address; MINT_UNKNOWN before the first answer. */
const struct mint *store_mint(const struct store *store);

enum store_mint_change {
	STORE_MINT_START,   /* make key the store's, if it has none */
	STORE_MINT_ADOPT,   /* the same, and enforce it if the store has no token yet */
	STORE_MINT_ENFORCE, /* enforce the store's own, whatever key is, if none of the newest
			       10,000 tokens of the index would be refused */
	STORE_MINT_FORCE,   /* the same, even if some are refused then */
};

/*
 * Change it, in one atomic step. STORE_OK; STORE_CONFLICT: the store has another key, or a token
 * would be refused; STORE_ABSENT: it has none to enforce. store_mint() then is what the
 * store has. record is NULL.
 */
void store_mint_change(struct store *store, enum store_mint_change change,
    const unsigned char key[MINT_KEY_LEN], store_record_done *done, void *ctx);

/*
 * Make a token whose value was minted with this key. Where the store has no key: if the token is
 * the first, the key becomes the store's, enforced; else the value counts as not minted. key NULL:
 * the value is not minted. STORE_OTHER_MINT: the store has another key, or one for a value that is
 * not minted. Otherwise as store_create.
 */
void store_token_create(struct store *store, const struct record *record, uint64_t created_ms,
    const struct store_maker *maker, const unsigned char *key, store_record_done *done, void *ctx);

/*
 * The following change a record only where it lies within a scope (scope.h of the
 * control API: labels that a job, or a token's selector, must have; none: any record),
 * which is looked at in the same step. For a record out of the scope the result is STORE_ABSENT,
 * and nothing is changed.
 */

/* STORE_OK or STORE_ABSENT; record is NULL. */
void store_delete(struct store *store, enum record_kind kind, struct slice id,
    const struct label_set *scope, store_record_done *done, void *ctx);

/*
 * Give a token the hash of a new value, if its version still is `version`; that goes up by one.
 * mint_key is what the value was minted with; NULL: it was not. Where the store has no key it
 * counts as not minted.
 */
void store_token_renew(struct store *store, struct slice id, const struct label_set *scope,
    uint64_t version, const unsigned char hash[TOKEN_HASH_LEN], struct slice updated_at,
    const unsigned char *mint_key, store_record_done *done, void *ctx);

/* Restart the lease of a job; STORE_CONFLICT when the job has none. */
void store_job_renew(struct store *store, struct slice id, const struct label_set *scope,
    store_record_done *done, void *ctx);

/* A merge patch (RFC 7396) of a job. */
struct store_job_patch {
	const struct record *record; /* has the fields of `given` */
	uint32_t given,
	    removed; /* sets of enum job_field; labels are removed before others are set */
	const struct slice *labels_removed; /* names */
	size_t labels_removed_count;
	bool leaves_scope; /* a job that has the labels of the scope would lose one: refuse it */
	struct slice updated_at;
};
void store_job_patch(struct store *store, struct slice id, const struct label_set *scope,
    const struct store_job_patch *patch, store_record_done *done, void *ctx);

/*
 * A place in the index, between two records: after the record `id` created at
 * `score`. It stays right when that record goes.
 */
#define STORE_SCORE_MAX 32
struct store_cursor {
	char score[STORE_SCORE_MAX]; /* as Redis writes it; "-inf": before all */
	char id[JOB_ID_MAX + 1];
};
#define STORE_CURSOR_START ((struct store_cursor){"-inf", ""})

#define STORE_PAGE_MAX 100 /* index entries looked at in one step, so that Redis is not held up */

struct store_page {
	size_t count;
	struct record *const *records;	   /* valid during the call */
	const struct store_cursor *places; /* of each record */
	bool more;			   /* there may be more after `next` */
	struct store_cursor next;
};

/* With STORE_OK page is set, else NULL. */
typedef void store_page_done(void *ctx, enum store_result result, const struct store_page *page);

/*
 * Look at the next STORE_PAGE_MAX entries of the index, oldest first, or fewer where their
 * records are large. Ids whose record has gone or is broken are left out, so that a page may have
 * fewer records, even none, and more still be true.
 */
void store_page(struct store *store, enum record_kind kind, const struct store_cursor *after,
    store_page_done *done, void *ctx);

#endif
