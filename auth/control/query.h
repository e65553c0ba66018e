/* query.h - the query of a list: limit, cursor, filters. Pure functions. */
#ifndef JOBGATE_CONTROL_QUERY_H
#define JOBGATE_CONTROL_QUERY_H

#include "auth/control/cursor.h"
#include "auth/control/input.h"
#include "auth/redis/store.h"

#define QUERY_LIMIT_DEFAULT 100
#define QUERY_LIMIT_MAX 1000
#define QUERY_MAX 8192 /* bytes; libevhtp accepts no longer line */

/* The query of a list. Slices point into `text`. */
struct list_query {
	size_t limit;
	struct store_cursor after;
	struct slice name;	    /* tokens: exactly this name; at NULL: any */
	struct slice created_by;    /* tokens: created by this one; at NULL: by any */
	uint64_t unused_since_ms;   /* tokens: made before this time, and not used since; 0: any */
	uint64_t expires_before_ms; /* tokens: that expire before this time; 0: any */
	uint64_t idle_since_ms;	    /* jobs: made before this time, no request since; 0: any */
	bool role_set;
	enum token_role role;
	struct label labels[SELECTOR_LABELS_MAX]; /* jobs: all of these */
	size_t label_count;
	char text[QUERY_MAX]; /* the values, decoded */
};

/*
 * Take the next parameter off a query, percent-decoded into *to, which moves forward and has room
 * for the whole query. False when none is left (name->at is NULL then) or it is not well-formed.
 */
bool query_next(struct slice *query, char **to, struct slice *name, struct slice *value);

/* A limit of 1 to QUERY_LIMIT_MAX; false for anything else. */
bool query_limit(struct slice text, size_t *limit);

/*
 * Parse a query: "limit", "cursor", for tokens "name", "role", "created_by", "unused_since"
 * and "expires_before", for jobs "label" (name=value,
 * repeatable) and "idle_since". False with *error for anything else. key opens sealed cursors
 * (cursor_key); NULL: they are not valid.
 */
bool query_parse(struct slice query, enum record_kind kind, const unsigned char *key,
    struct list_query *out, struct input_error *error);

/* True when the record passes the filters. */
bool query_match(const struct list_query *query, const struct record *record);

#endif
