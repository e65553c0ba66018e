/* store.h - changes and lists the store's records, for the control API, never for the data path. */
#ifndef JOBGATE_REDIS_STORE_H
#define JOBGATE_REDIS_STORE_H

#include <event2/event.h>

#include "jobgate/directory.h"
#include "jobgate/dump.h"
#include "jobgate/log.h"
#include "jobgate/mint.h"
#include "jobgate/record_use.h"
#include "jobgate/resolver.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

/*
 * A store has one asynchronous connection to Redis. Each change, index included, is one server-side
 * script: it happens as a whole or not at all, whatever fails. An operation calls back exactly
 * once, with its answer. Without an answer, a read ends with STORE_UNAVAILABLE and a change with
 * STORE_UNKNOWN: when the connection breaks, or after 2 s (plus twice wait.timeout_ms where
 * replicas must confirm). While the store is down, each operation ends at once, from within the
 * call, with STORE_UNAVAILABLE. The store reconnects by itself.
 */
struct store;

struct store_options {
	struct event_base *base;
	struct resolver *resolver; /* outlives the store; NULL where the URL has no name */
	const char *url;	   /* as url.h takes it */
	const char *prefix;	   /* of keys, "jobgate:" */
	const char *ca_file;	   /* for rediss://; NULL: the system's */
	const char *password_file; /* in place of the URL's password; NULL: none */
	/*
	 * How many replicas confirm each change (WAIT), and how long that may take. Where some are
	 * required, a deletion that finds nothing waits for them, too: it may repeat a deletion
	 * that was not confirmed.
	 */
	struct replica_wait wait;
	const struct store_tuning *tuning; /* NULL: that of jg_tuning */
	/*
	 * The server must say that it is a primary (ROLE), after connecting and before each read. A
	 * demoted server still answers from its old records, so a token that was revoked at the new
	 * primary would stay valid here.
	 */
	bool of_primary;
	bool for_lists; /* shown in its CLIENT name and in the log */
	struct log log;
};

/*
 * Start to connect; all text but password_file, which outlives the store, is copied. NULL, with the
 * reason in the log, when the URL is not valid or memory is short.
 */
struct store *store_new(const struct store_options *options);

/* First, all operations under way end with STORE_UNAVAILABLE or STORE_UNKNOWN. */
void store_free(struct store *store);

/*
 * Write its connection, its election, how many operations are under way, and the oldest of them.
 */
void store_dump(const struct store *store, struct dump *dump);

enum store_result {
	STORE_OK,
	STORE_ABSENT,	       /* no such record */
	STORE_BROKEN,	       /* the record breaks the rules (README.md of this folder) */
	STORE_TOO_LARGE,       /* the record breaks the rule about its size */
	STORE_CONFLICT,	       /* create: the record exists; renew: another caller was faster */
	STORE_TOO_MANY,	       /* the job would have more than JOB_LABELS_MAX labels */
	STORE_TOO_MANY_PORTS,  /* the same for JOB_PORTS_MAX ports */
	STORE_TOO_MANY_PUBLIC, /* the store would have more than JOBS_PUBLIC_MAX public jobs */
	STORE_COLLIDES,	       /* a port of one job would have the host of another job */
	STORE_OUT_OF_SCOPE,    /* the job would leave the scope */
	STORE_IS_PUBLIC,       /* the job is public (not_of_public) */
	STORE_REVOKED,	       /* the caller's token is gone, or was renewed */
	STORE_OVER_QUOTA,      /* the maker's scope has as many records as it may */
	STORE_OTHER_MINT,      /* the value was minted with another key than the store's, which
				  store_mint() has now; nothing was changed */
	STORE_CIRCLE,	       /* the token would be among those that created its own creator */
	STORE_UNAVAILABLE,     /* Redis is out of reach, or refused; nothing was changed */
	STORE_UNKNOWN,	       /* no answer to a change, or its script failed after it had begun */
};

/*
 * With STORE_OK record is the record that was read or changed, as it is now, valid during the call;
 * otherwise NULL.
 */
typedef void store_record_done(void *ctx, enum store_result result, const struct record *record);

/*
 * During the call of a change's done: how many replicas have confirmed the change; -1 when none
 * must. With fewer than wait.count, the change could be lost with the primary.
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
 * Create a record exactly as given, with a token's `minted`. created_ms, Unix milliseconds, is its
 * place in the index. maker is NULL when no token creates it. record is NULL in done.
 */
void store_create(struct store *store, const struct record *record, uint64_t created_ms,
    const struct store_maker *maker, store_record_done *done, void *ctx);

/*
 * The key that values are minted with. Read it unless it was read within the last second or is
 * being read now: invented values, which are checked with it, cost the store one read per second.
 * done gets STORE_OK or STORE_UNAVAILABLE, perhaps from within the call; record is NULL.
 */
void store_mint_know(struct store *store, store_record_done *done, void *ctx);

/* The key as last read, always at the same address; MINT_UNKNOWN before the first answer. */
const struct mint *store_mint(const struct store *store);

enum store_mint_change {
	STORE_MINT_START,   /* key becomes the store's, if it has none */
	STORE_MINT_ADOPT,   /* the same, and enforce it if the store has no token yet */
	STORE_MINT_ENFORCE, /* enforce the store's key, whatever key is, if none of the newest
			       10,000 tokens of the index would be refused, or has a grace */
	STORE_MINT_FORCE,   /* the same, even if tokens are refused then */
};

/*
 * Change the key in one atomic step. STORE_CONFLICT: the store has another key, or a token would be
 * refused. STORE_ABSENT: the store has no key to enforce. Afterwards store_mint() is what the store
 * has. record is NULL.
 */
void store_mint_change(struct store *store, enum store_mint_change change,
    const unsigned char key[MINT_KEY_LEN], store_record_done *done, void *ctx);

/*
 * Create a token whose value was minted with this key; NULL when it was not minted. If the store
 * has no key, the first token's key becomes the store's and is enforced; values of later tokens
 * count as not minted. STORE_OTHER_MINT: the store has another key, or has a key and the value was
 * not minted. Otherwise as store_create.
 */
void store_token_create(struct store *store, const struct record *record, uint64_t created_ms,
    const struct store_maker *maker, const unsigned char *key, store_record_done *done, void *ctx);

/*
 * For whom a record is changed, and within which scope: labels that a job, or a token's selector,
 * must have (scope.h of the control API; no label: any record).
 */
struct store_caller {
	const struct label_set *scope;
	struct slice id;	   /* of the operator's token; empty: it has none */
	const unsigned char *hash; /* of its record, TOKEN_HASH_LEN bytes; NULL: it has none */
};

/*
 * The following functions check both in the atomic step that changes the record. For a record
 * outside the scope the result is STORE_ABSENT; if the caller's token is gone or was renewed since
 * it was read, STORE_REVOKED. Then nothing is changed.
 */

/* STORE_OK or STORE_ABSENT; record is NULL. */
void store_job_delete(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx);
void store_token_delete(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx);

/*
 * Delete the token, unless it is gone, then up to 100 of its descendants within the scope: the
 * tokens that it has created, those that they have created, and so on. A creator is deleted before
 * the tokens that it has created, so none can be added meanwhile. To be repeated while `more` is
 * set, and after a failure. STORE_ABSENT: the token is outside the scope. STORE_BROKEN: a key that
 * should be a set of tokens is not a set; ids has what was deleted.
 */
void store_token_cascade(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx);

/* A token that is gone, but has created tokens: what a cascade needs to know of it. */
struct store_gone {
	struct slice id;
	struct slice created_by; /* an id, or "local"; empty: not known */
	struct slice selector;	 /* as in a record; "?": not known, so it is in no scope */
};

/*
 * Restore this, as an export has it. STORE_CONFLICT: the store has it, or the token, already.
 * STORE_CIRCLE: the token would have created its own creator, or the creator of that one, and so
 * on; nothing is changed.
 */
void store_token_gone(
    struct store *store, const struct store_gone *gone, store_record_done *done, void *ctx);

/*
 * Note when tokens were used, unless a later use is known; tokens that are gone are left out. done
 * gets STORE_OK, or why it was not done; record is NULL. STORE_BROKEN: the set has another type, or
 * may not be written, so it is of no use to try again.
 */
#define STORE_USES_MAX 64
void store_record_uses(struct store *store, const struct record_use *uses, size_t count,
    store_record_done *done, void *ctx);

/* A browser's sign-in that is to be created, and the code that takes the browser to its job. */
struct store_sign_in {
	struct slice id; /* jg_sign_in_id_valid */
	struct sign_in record;
	uint64_t seconds;      /* how long it lasts */
	struct slice code;     /* jg_sign_in_code_valid */
	struct slice replaces; /* the id of a sign-in that ends in the same step; or empty */
};

/* STORE_TOO_MANY: the token has SIGN_INS_OF_TOKEN_MAX. STORE_CONFLICT: the id or the code exists.
 */
void store_sign_in_create(
    struct store *store, const struct store_sign_in *sign_in, store_record_done *done, void *ctx);

/* Sign out. STORE_OK or STORE_ABSENT. */
void store_sign_in_delete(struct store *store, struct slice id, store_record_done *done, void *ctx);

/*
 * Add a code for a sign-in. STORE_ABSENT: there is no such sign-in. STORE_CONFLICT: the code
 * exists. STORE_TOO_MANY: the sign-in has had SIGN_IN_CODES_MAX within SIGN_IN_CODE_SECONDS.
 */
void store_code_add(
    struct store *store, struct slice id, struct slice code, store_record_done *done, void *ctx);

/*
 * Use up a code. STORE_ABSENT: it does not exist, was used or has ended, or its sign-in has.
 * STORE_CONFLICT: it was not for this sign-in. It is used up in any case.
 */
void store_code_take(
    struct store *store, struct slice id, struct slice code, store_record_done *done, void *ctx);

#define STORE_CASCADE_MAX 101 /* tokens of one batch */

struct store_deletion {
	/* Of store_token_delete: descendants that remain within the scope; with `more` at least. */
	unsigned remaining;
	bool more; /* of store_token_cascade: there are more to delete */
	/* Of store_token_cascade: the tokens that were deleted. */
	size_t count;
	char ids[STORE_CASCADE_MAX][TOKEN_ID_LEN];
};

/* Valid while done of one of these two is called. */
const struct store_deletion *store_deletion(const struct store *store);

/*
 * Delete a token whatever its scope, if its record has this hash; STORE_ABSENT: it has not, or is
 * not there.
 */
void store_token_revoke(struct store *store, struct slice id,
    const unsigned char hash[TOKEN_HASH_LEN], store_record_done *done, void *ctx);

/* A renewal of a token. */
struct store_renewal {
	/*
	 * The token as it is to be, with the hash of its new value; only its hash, version,
	 * updated_at, previous_hash, previous_until_ms, previous_version and the fields of
	 * `changed` are written. The store's version must still be the one before.
	 */
	const struct record *record;
	uint32_t changed; /* limits that it changes: a set of enum token_field with USE_BINDS */
	const unsigned char *mint_key; /* that the value was minted with; NULL: it was not minted */
};

/*
 * Give a token a new value. STORE_CONFLICT: it has another version by now. If the store has no
 * key, the value counts as not minted.
 */
void store_token_renew(struct store *store, const struct store_caller *caller,
    const struct store_renewal *renewal, store_record_done *done, void *ctx);

/*
 * Change what limits a token, as the record has it; `changed` is a set as in struct store_renewal.
 * updated_at is written, too. STORE_CONFLICT: it has another version than the record by now.
 */
void store_token_limit(struct store *store, const struct store_caller *caller,
    const struct record *record, uint32_t changed, store_record_done *done, void *ctx);

/* Restart the lease of a job; STORE_CONFLICT when the job has none. */
void store_job_renew(struct store *store, struct slice id, const struct store_caller *caller,
    store_record_done *done, void *ctx);

#define STORE_MARK_LEN 16 /* characters a-z and 0-9 */

/*
 * Create a job with a lease, or start its lease again if it has the URL, labels, lease and ports of
 * the record, or if this mark has renewed it last. The mark is that of the gateway; the store keeps
 * it in the field registered_by, which no record in memory has. done gets STORE_OK with the record
 * as it is in the store; STORE_CONFLICT with another record, or with NULL for one without a lease;
 * STORE_COLLIDES, STORE_BROKEN or STORE_TOO_LARGE. created_ms is as for store_create.
 */
void store_job_register(struct store *store, const struct record *record, uint64_t created_ms,
    const char mark[STORE_MARK_LEN + 1], store_record_done *done, void *ctx);

/*
 * Delete the job, unless a gateway with another mark has made one of its last three renewals: then
 * it stays, with its lease, for that gateway (STORE_CONFLICT). STORE_ABSENT: there is none. record
 * is NULL in done.
 */
void store_job_unregister(struct store *store, struct slice id, const char mark[STORE_MARK_LEN + 1],
    store_record_done *done, void *ctx);

/* A merge patch (RFC 7396) of a job. */
struct store_job_patch {
	const struct record *record; /* holds the fields of `given` */
	uint32_t given,
	    removed; /* sets of enum job_field; labels and ports are removed before others are set
		      */
	const struct slice *labels_removed; /* names */
	size_t labels_removed_count;
	const uint16_t *ports_removed;
	size_t ports_removed_count;
	bool leaves_scope;  /* the patch would take a label of the scope from the job: refuse it */
	bool not_of_public; /* refuse it if the job is public */
	struct slice updated_at;
};
void store_job_patch(struct store *store, struct slice id, const struct store_caller *caller,
    const struct store_job_patch *patch, store_record_done *done, void *ctx);

/*
 * While done of store_job_patch, or of a deletion for the control API (store_job_delete,
 * store_token_delete, store_token_revoke, store_token_cascade), is called with STORE_OK: the record
 * before the change. NULL if it broke the rules or memory is short, or if a cascade found the token
 * gone.
 */
const struct record *store_before(const struct store *store);

/*
 * A place in the index, right after the record `id` that was created at `score`. It stays valid
 * when that record is deleted.
 */
#define STORE_SCORE_MAX 32
struct store_cursor {
	char score[STORE_SCORE_MAX]; /* as Redis writes it; "-inf": before all */
	char id[JOB_ID_MAX + 1];
};
#define STORE_CURSOR_START ((struct store_cursor){"-inf", ""})

#define STORE_PAGE_MAX \
	100 /* index entries in one step, so that other clients of Redis wait only briefly */

struct store_page {
	size_t count;
	struct record *const *records;	   /* valid during the call */
	const struct store_cursor *places; /* the place of each record */
	bool more;			   /* there may be more after `next` */
	struct store_cursor next;
};

/* With STORE_OK page is set, else NULL. */
typedef void store_page_done(void *ctx, enum store_result result, const struct store_page *page);

/*
 * Read the records of the next STORE_PAGE_MAX entries of the index, oldest first; fewer where
 * records are large. Entries whose record is gone or broken are left out: a page may have few
 * records, even none, while `more` is true.
 */
void store_page(struct store *store, enum record_kind kind, const struct store_cursor *after,
    store_page_done *done, void *ctx);

#endif
