/* redis_keys.h - keys, their values and when they expire. */
#ifndef SIM_REDIS_KEYS_H
#define SIM_REDIS_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "jobgate/slice.h"

enum redis_type { REDIS_TYPE_STRING, REDIS_TYPE_HASH, REDIS_TYPE_SET, REDIS_TYPE_ZSET };

struct redis_field {
	TAILQ_ENTRY(redis_field) link;
	char *name, *value;
};

struct redis_key {
	LIST_ENTRY(redis_key) link;
	LIST_ENTRY(redis_key) same; /* others whose names have the same hash */
	char *name;
	enum redis_type type;
	char *text; /* of a string */
	TAILQ_HEAD(, redis_field)
	fields; /* of a hash, in the order in which they were set; of
		   others the names are members */
	size_t field_count;
	uint64_t ends_ms; /* on the wall clock; 0: it has no time to live */
};

/* Who is to be told of the next change of a key. */
struct redis_tracked {
	LIST_ENTRY(redis_tracked) link;
	LIST_ENTRY(redis_tracked) same; /* others whose keys have the same hash */
	char *key;
	int64_t client;
};

#define REDIS_KEY_LINES 16384

struct redis_keys {
	LIST_HEAD(redis_key_list, redis_key) all;
	LIST_HEAD(redis_trackers, redis_tracked) tracked;
	/* The same by hash of their names; NULL: there were none yet. */
	struct redis_key_list *lines;
	struct redis_trackers *tracker_lines;
};

/* Those in `tracked` with keys of the same hash. */
struct redis_trackers *redis_keys_trackers(struct redis_keys *keys, const char *name);

/* NULL: there is none. */
struct redis_key *redis_keys_find(struct redis_keys *keys, const char *name);
struct redis_key *redis_keys_add(struct redis_keys *keys, const char *name, enum redis_type type);
void redis_keys_remove(struct redis_key *key);

struct redis_field *redis_field_find(struct redis_key *key, const char *name);
bool redis_field_set(struct redis_key *key, const char *name, const char *value); /* true: new */
bool redis_field_remove(struct redis_key *key, const char *name);
void redis_key_set_text(struct redis_key *key, const char *text);

#endif
