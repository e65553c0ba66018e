/* record.h - what all types of records have; the table is jobgate/records.def. */
#ifndef JOBGATE_AUTH_RECORD_H
#define JOBGATE_AUTH_RECORD_H

#include "jobgate/directory.h"

struct record_type {
	const char *noun, *nouns; /* "token", "tokens" */
	struct slice prefix;	  /* of its keys, behind the one of all keys: "token:" */
	bool lapses;		  /* its records may have a lease */
	bool (*id_valid)(struct slice id);
};

extern const struct record_type record_types[RECORD_KINDS];

/* Room for the longest prefix, in bytes. */
union record_prefix_room {
#define RECORD(KIND, type, labels, lapses) char type[sizeof(#type ":") - 1];
#include "jobgate/records.def"
};
#define RECORD_PREFIX_MAX sizeof(union record_prefix_room)

/* The type that a noun ("token") names; false when it names none. */
bool record_kind_of(struct slice noun, enum record_kind *out);

/*
 * Take a key apart, without the prefix of all keys: "token:<id>". *id points into it and is not
 * checked. False when it is not the key of a record.
 */
bool record_key_parse(struct slice key, enum record_kind *kind, struct slice *id);

/* What records of all types have. Slices and labels are the record's. */
struct slice record_id(const struct record *record);
struct slice record_created_at(const struct record *record);
const struct label_set *record_labels(const struct record *record);

/* Seconds after which it goes by itself; 0: it stays. */
uint64_t record_lease(const struct record *record);

#endif
