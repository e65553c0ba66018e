/* record_fields.h - the fields of records, as a table; its rows are jobgate/record_fields.def. */
#ifndef JOBGATE_AUTH_RECORD_FIELDS_H
#define JOBGATE_AUTH_RECORD_FIELDS_H

#include "jobgate/directory.h"

/*
 * The form of a field, which also says the type of its member. All code that handles fields
 * switches over these, so a new form does not compile until each switch handles it.
 */
enum field_form {
	AS_ID,	   /* struct slice; in the key of the record, not in its hash */
	AS_TEXT,   /* struct slice, checked by `valid` */
	AS_TIME,   /* struct slice, checked by `valid`; a wrong one in the store is ignored */
	AS_MAKER,  /* the same, and not written when it is empty */
	AS_MOMENT, /* uint64_t, milliseconds since 1970, written as RFC 3339 (moment.h); 0: none */
	AS_USED,   /* uint64_t, as AS_MOMENT; not in the record: the store's set `used` has it */
	AS_COUNT,  /* uint64_t, one more than a number that is not in the store; 0: not known */
	AS_NUMBER, /* uint64_t, 1 to `max`; 0: none */
	AS_ROLE,   /* enum token_role */
	AS_SELECTOR, /* struct label_set, written as "a=b,c=d" */
	AS_LABELS,  /* struct label_set, each label a field of the hash; `stored` is their prefix */
	AS_URL,	    /* struct slice; job.url is parsed from it */
	AS_PORTS,   /* struct job_ports, each port a field of the hash; `stored` is their prefix */
	AS_RANGES,  /* struct ip_ranges, at most TOKEN_FROM_MAX, with commas between them */
	AS_HASH,    /* unsigned char[TOKEN_HASH_LEN], written in hex */
	AS_JOB_URL, /* not in the store: made of the id and the configuration's public URL */
	AS_PORT_URLS, /* the same for each port */
	AS_VALUE,     /* not in the store: added to the answer that issues it */
};

enum field_use {
	USE_CREATE = 1 << 0,   /* the API takes it for a new record */
	USE_REQUIRED = 1 << 1, /* and requires it */
	USE_PATCH = 1 << 2,    /* the API changes it */
	USE_SHOW = 1 << 3,     /* the API, exports and the command line show it */
	USE_LIST = 1 << 4,     /* it is a column of the command line's lists, too */
	USE_EXPORT = 1 << 5,   /* only exports show it */
	USE_ISSUE = 1 << 6,    /* only the answer that makes a token's value shows it */
	USE_NEEDED = 1 << 7,   /* an import must give it */
	USE_BINDS = 1 << 8,    /* it limits what a token may do: if a record has it, a reader that
				  does not know the field must refuse the record */
};

struct record_field {
	const char *name;   /* in JSON */
	const char *stored; /* its name in the record's hash; NULL: it is not stored there */
	enum field_form form;
	size_t offset; /* of its member in struct record */
	unsigned uses; /* bits of enum field_use */
	uint64_t max;
	bool (*valid)(struct slice text);
	bool is_nullable;   /* in JSON an empty value is null; otherwise it is left out */
	const char *broken; /* why a record whose field is not valid is broken; NULL: the field then
			       counts as not given */
	const char *rule;   /* the message for a value in JSON that is not valid */
	const char *title;  /* in descriptions, and in capitals over lists */
	const char *none;   /* shown in descriptions when it is empty; NULL: "-"; "": its line is
			       left out */
	const char *option; /* placeholder of its option on the command line; NULL: no option, or
			       commands have it in their own tables */
	const char *help, *change_help; /* help for `create` and for `set`; NULL: that command has
					   no such option */
};

/* The indexes of the fields; FIELD_BIT makes sets of them. */
enum token_field {
#define TOKEN_FIELD(ID, ...) TOKEN_FIELD_##ID,
#include "jobgate/record_fields.def"
	TOKEN_FIELDS,
};
enum job_field {
#define JOB_FIELD(ID, ...) JOB_FIELD_##ID,
#include "jobgate/record_fields.def"
	JOB_FIELDS,
};

#define RECORD_FIELDS_MOST 32 /* of one type, so that a uint32_t holds a set of them */
#define FIELD_BIT(index) ((uint32_t)1 << (index))

struct record_fields {
	size_t count;
	const struct record_field *rows;
};
extern const struct record_fields record_fields[RECORD_KINDS];

/* A pointer to the field's member of a record. */
void *field_of(const struct record_field *field, struct record *record);
const void *field_of_const(const struct record_field *field, const struct record *record);

/* True when the record lacks the field: its text is empty or its number 0. */
bool field_is_none(const struct record_field *field, const struct record *record);

/*
 * The role as the store has it. For a token with a field that limits it (USE_BINDS) the names of
 * these fields follow: "read needs expires_at". So a gateway that is older than the field does not
 * understand the role, and refuses the token instead of ignoring the limit. The result is
 * NUL-terminated.
 */
#define ROLE_TEXT_MAX 256
void role_format(const struct record *record, char out[ROLE_TEXT_MAX]);

/* Only what follows the role itself: " needs expires_at", or nothing. */
void role_needs_format(const struct record *record, char out[ROLE_TEXT_MAX]);

/*
 * Read it, with or without these names. False for another role, and for a name of a field that is
 * not known here.
 */
bool role_parse_stored(struct slice text, enum token_role *out);

/*
 * True when the record has all fields that this text, which role_parse_stored has read, names. If
 * one is missing, it has been lost (HDEL, HEXPIRE, a copy of some fields), and the token would be
 * without its limit.
 */
bool role_needs_are_met(struct slice text, const struct record *record);

/* The field's text in the record; NULL if its form has none. */
const struct slice *field_text(const struct record_field *field, const struct record *record);

/*
 * Copy a record into one allocation, which shares nothing with the original. The caller frees it
 * with free(). NULL when memory is short.
 */
struct record *record_copy(const struct record *from);

#endif
