/* input.h - checks the bodies that clients send. Pure functions. */
#ifndef JOBGATE_CONTROL_INPUT_H
#define JOBGATE_CONTROL_INPUT_H

#include <jansson.h>

#include "auth/record_fields.h"

/* The first error that was found, for a 400 (handler_refuse_input). */
struct input_error {
	char field[64]; /* "" when no single field is wrong */
	char detail[256];
	bool memory_short; /* the body may be right: a 500 */
};

/*
 * Parse a body that must be one JSON object with no other members than `known`
 * (NULL at its end; itself NULL: any), none of them twice. NULL with *error set. An empty
 * body is an error. jansson must use the memory of auth/parse_memory.h.
 */
json_t *input_object(
    const char *text, size_t len, const char *const *known, struct input_error *error);

/* True when the object has only these fields. input_object checks this unless its `known` is NULL.
 */
bool input_fields(json_t *object, const char *const *known, struct input_error *error);

enum input_purpose {
	INPUT_CREATE, /* POST: a new record */
	INPUT_PATCH,  /* PATCH: a merge patch (RFC 7396) */
	INPUT_IMPORT, /* a line of an export: all that the store has of a record */
};

/* What a line of an export has besides the record's fields. */
#define INPUT_KIND "kind"
#define INPUT_CREATED_MS "created_ms"

/*
 * A record that was read from JSON. Text points into the JSON value, which must outlive it. record
 * points to `labels` and `ports`, so it must not be copied.
 */
struct record_input {
	struct record record;	 /* members that were not given are empty or zero */
	uint32_t given, removed; /* sets of fields (enum token_field, job_field); removed: null */
	struct label labels[JOB_LABELS_MAX]; /* of a job, or of a token's selector */
	size_t label_count;
	struct ip_range ranges[TOKEN_FROM_MAX];
	struct slice removed_labels[JOB_LABELS_MAX]; /* PATCH: names of labels that are null */
	size_t removed_label_count;
	struct job_port ports[JOB_PORTS_MAX];
	size_t port_count;
	uint16_t removed_ports[JOB_PORTS_MAX]; /* PATCH: ports that are null */
	size_t removed_port_count;
};

/*
 * Read a record, by the table of fields: each member must be one that the purpose takes, and have
 * its form. False with *error set.
 */
bool input_record(json_t *object, enum record_kind kind, enum input_purpose purpose,
    struct record_input *out, struct input_error *error);

/* The body of a renewal, or of a change of a token's limits, which has no grace. */
struct renewal_input {
	uint64_t grace_s;    /* for how long the value before stays valid, too; 0: not at all */
	uint32_t changed;    /* a set of FIELD_BIT(TOKEN_FIELD_...) with USE_BINDS */
	uint64_t expires_ms; /* 0: it does not expire any more */
	size_t from_count;   /* 0: it may be used from everywhere */
	struct ip_range from[TOKEN_FROM_MAX];
	struct token_limits limits;
};
extern const char *const renewal_input_fields[], *const token_patch_fields[];
bool input_renewal(const json_t *object, struct renewal_input *out, struct input_error *error);

/* Change these limits of the token. Its `from` then points into *renewal. */
void input_renewal_apply(struct renewal_input *renewal, struct token *token);

/*
 * False with *error set when a new token, or one that is renewed, would have expired already; 0: it
 * does not expire.
 */
bool input_expiry_check(uint64_t expires_ms, uint64_t now_ms, struct input_error *error);

/* The body of a revocation by value; *value points into the JSON value. */
extern const char *const revocation_input_fields[];
bool input_revocation(const json_t *object, struct slice *value, struct input_error *error);

/* The slices point into the JSON value, which must outlive them. False with *error set. */
struct authorize_input {
	struct slice token, job;
	uint16_t port; /* of the job; 0: none is meant */
};
extern const char *const authorize_input_fields[];
bool input_authorize(const json_t *object, struct authorize_input *out, struct input_error *error);

#endif
