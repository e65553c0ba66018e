/* label.h - labels of jobs, and selectors of tokens. */
#ifndef JOBGATE_LABEL_H
#define JOBGATE_LABEL_H

#include "jobgate/slice.h"

/*
 * The Kubernetes rules: a name is [prefix/]part where part has 1 to 63
 * characters [A-Za-z0-9._-], alphanumeric at both ends, and prefix is a DNS
 * name (lower case, labels of 1 to 63) of at most 253 characters. A value has
 * 0 to 63 characters under the same rule as part.
 */
#define LABEL_NAME_MAX (253 + 1 + 63)
#define LABEL_VALUE_MAX 63
#define SELECTOR_LABELS_MAX 16 /* labels in one selector */
#define JOB_LABELS_MAX 64      /* labels on one job */

/* What is wrong with a label or selector, for messages to people. */
enum label_error {
	LABEL_OK,
	LABEL_NO_EQUALS, /* no '=' in the text */
	LABEL_BAD_NAME,
	LABEL_BAD_VALUE,
	LABEL_DUPLICATE, /* the same name twice, whatever the values */
	LABEL_TOO_MANY,
};

/* A name=value pair; both slices point into the text it was parsed from. */
struct label {
	struct slice name, value;
};

/* Labels of a job, or those that a selector requires; no name occurs twice. Owns nothing. */
struct label_set {
	size_t count;
	const struct label *items;
};

/*
 * Parse "name=value". On error *bad is the byte offset of the first wrong character (text.len if
 * something is missing at the end). Allocates nothing; the slices of *out point into text.
 */
enum label_error jg_label_parse(struct slice text, struct label *out, size_t *bad);

/* Check a name or a value alone; *bad as above. LABEL_OK or LABEL_BAD_NAME / LABEL_BAD_VALUE. */
enum label_error jg_label_name_check(struct slice name, size_t *bad);
enum label_error jg_label_value_check(struct slice value, size_t *bad);

/*
 * Parse a selector: labels separated by commas, all of which must match; an
 * empty text is the selector of an unscoped token. Writes at most
 * SELECTOR_LABELS_MAX labels into out and their number into *count; *bad as in
 * jg_label_parse. No white space is allowed anywhere.
 */
enum label_error jg_selector_parse(
    struct slice text, struct label out[SELECTOR_LABELS_MAX], size_t *count, size_t *bad);

/*
 * Write the labels as "a=b,c=d" and a NUL into out, at most cap bytes in all.
 * Returns the length without the NUL, or cap when it does not fit (out is then
 * an empty string). cap is at least 1.
 */
size_t jg_selector_format(const struct label_set *selector, char *out, size_t cap);

/*
 * True when the set has each label of the selector, with the same value; an empty selector matches
 * every set. With the labels of another selector as the set, it is true when that selector is at
 * least as narrow; this tells whether a token is within an operator's scope.
 */
bool jg_selector_match(const struct label_set *selector, const struct label_set *labels);

/* A sentence for people, without a full stop: "a label needs name=value". Static. */
const char *jg_label_error_text(enum label_error error);

#endif
