/* input.h - what clients send, checked: bodies and queries. Pure functions. */
#ifndef JOBGATE_CONTROL_INPUT_H
#define JOBGATE_CONTROL_INPUT_H

#include <jansson.h>

#include "jobgate/job.h"
#include "jobgate/token.h"

/* The first thing found wrong, for a 400. */
struct mistake {
	char field[64]; /* "" where no single field is at fault */
	char detail[256];
};

/*
 * Parse a body that must be one JSON object with no other members than `known`
 * (NULL at its end; itself NULL: whatever), none of them twice. NULL with *mistake set. An empty
 * body is a mistake.
 */
json_t *input_object(
    const char *text, size_t len, const char *const *known, struct mistake *mistake);

/* Has the object none but these fields? What input_object asks unless its `known` is NULL. */
bool input_fields(json_t *object, const char *const *known, struct mistake *mistake);

/*
 * What each kind of body says. The slices point into the JSON value, which must
 * outlive them. The functions return false with *mistake set.
 */
struct token_input {
	struct slice name;
	enum token_role role;
	struct label selector[SELECTOR_LABELS_MAX];
	size_t selector_count;
};
extern const char *const token_input_fields[];
bool input_token(const json_t *object, struct token_input *out, struct mistake *mistake);

/* Of POST and PATCH alike; what is not there is false, empty or zero. */
struct job_input {
	struct slice id;	   /* POST; empty: make one */
	bool url_set, url_removed; /* removed: null */
	struct slice url;
	unsigned lease;	     /* seconds */
	bool lease_removed;  /* null */
	bool labels_cleared; /* null */
	struct label labels[JOB_LABELS_MAX];
	size_t label_count;
	struct slice removed[JOB_LABELS_MAX]; /* PATCH: names of labels that are null */
	size_t removed_count;
};
extern const char *const job_create_fields[], *const job_patch_fields[];
bool input_job(const json_t *object, bool patch, struct job_input *out, struct mistake *mistake);

struct authorize_input {
	struct slice token, job;
};
extern const char *const authorize_input_fields[];
bool input_authorize(const json_t *object, struct authorize_input *out, struct mistake *mistake);

#endif
