/* record.h - what all types of records have in common; the table of types is jobgate/records.def.
 */
#ifndef JOBGATE_AUTH_RECORD_H
#define JOBGATE_AUTH_RECORD_H

#include "jobgate/directory.h"

struct record_type {
	const char *noun, *nouns; /* "token", "tokens" */
	struct slice prefix;	  /* of its keys, after the prefix of all keys: "token:" */
	bool lapses;		  /* its records may have a lease */
	bool (*id_valid)(struct slice id);
};

extern const struct record_type record_types[RECORD_CACHED_KINDS];

/* Room for the longest prefix, in bytes. */
union record_prefix_room {
#define RECORD(KIND, type, labels, lapses) char type[sizeof(#type ":") - 1];
#include "jobgate/records.def"
	char sign_in[sizeof("signin:") - 1];
};
#define RECORD_PREFIX_MAX sizeof(union record_prefix_room)

/* Find the type with this noun ("token"); false when there is none. */
bool record_kind_of(struct slice noun, enum record_kind *out);

/*
 * Split a key (without the prefix of all keys), such as "token:<id>". *id points into it and is not
 * checked. False when it is not the key of a record.
 */
bool record_key_parse(struct slice key, enum record_kind *kind, struct slice *id);

/* Values that records of all types have. Slices and labels belong to the record. */
struct slice record_id(const struct record *record);
struct slice record_created_at(const struct record *record);
const struct label_set *record_labels(const struct record *record);

/* Seconds after which the record expires; 0: it stays until it is deleted. */
uint64_t record_lease(const struct record *record);

/*
 * True for a time as records have it: RFC 3339 in UTC, with or without a fraction of the second,
 * such as 2026-01-31T12:00:00Z. At most 40 bytes.
 */
bool record_time_valid(struct slice text);

/* Who created a token: the id of an operator's token, or TOKEN_MADE_LOCALLY. */
bool record_maker_valid(struct slice text);

#endif
