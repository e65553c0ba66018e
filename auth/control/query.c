/* query.c - parses queries of lists, and filters records by them. */
#include "auth/control/query.h"

#include "auth/control/input_error.h"
#include "auth/moment.h"
#include "auth/record.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Percent-decode to *to, which moves forward. False on a bad escape or NUL. */
static bool
decode(struct slice text, char **to, struct slice *out)
{
	out->at = *to;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c == '%') {
			int high = text.len - i > 2 ? hex(text.at[i + 1]) : -1;
			int low = text.len - i > 2 ? hex(text.at[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0')
			return false;
		*(*to)++ = c;
	}
	out->len = (size_t)(*to - out->at);
	return true;
}

bool
query_limit(struct slice text, size_t *limit)
{
	uint64_t number;

	if (text.len > 4 || !slice_to_number(text, QUERY_LIMIT_MAX, &number) || number == 0)
		return false;
	*limit = (size_t)number;
	return true;
}

static bool
add_label(struct slice text, struct list_query *out)
{
	size_t bad;

	return out->label_count < SELECTOR_LABELS_MAX &&
	       jg_label_parse(text, &out->labels[out->label_count++], &bad) == LABEL_OK;
}

static bool
set_time(const char *name, struct slice value, uint64_t *ms, struct input_error *error)
{
	if (*ms != 0)
		return input_wrong(error, name, "given twice");
	return moment_parse(value, ms) ||
	       input_wrong(error, name, "a time has the form 2026-01-31T12:00:00Z");
}

/* Read a filter of tokens. False with *error, also when no filter has this name. */
static bool
set_filter(struct slice name, struct slice value, struct list_query *out, struct input_error *error)
{
	if (slice_equal(name, SLICE("name"))) {
		out->name = value;
		return jg_token_name_valid(value) ||
		       input_wrong(error, "name", "no token can have this name");
	}
	if (slice_equal(name, SLICE("role"))) {
		out->role_set = true;
		return jg_role_parse(value, &out->role) ||
		       input_wrong(error, "role", "a role is read or operator");
	}
	if (slice_equal(name, SLICE("created_by"))) {
		out->created_by = value;
		return record_maker_valid(value) ||
		       input_wrong(error, "created_by", "the id of an operator's token, or local");
	}
	if (slice_equal(name, SLICE("unused_since")))
		return set_time("unused_since", value, &out->unused_since_ms, error);
	if (slice_equal(name, SLICE("expires_before")))
		return set_time("expires_before", value, &out->expires_before_ms, error);
	return input_wrong(error, "", "the query has an unknown parameter");
}

static bool
set(struct slice name, struct slice value, enum record_kind kind, const unsigned char *key,
    struct list_query *out, struct input_error *error)
{
	if (slice_equal(name, SLICE("limit")))
		return query_limit(value, &out->limit) ||
		       input_wrong(error, "limit", "a limit is a number from 1 to 1000");
	if (slice_equal(name, SLICE("cursor")))
		return cursor_parse(key, kind, value, &out->after) ||
		       input_wrong(error, "cursor",
			   "not a cursor of this list, or one that is no longer valid: list again "
			   "without it");
	if (kind == RECORD_JOB && slice_equal(name, SLICE("label")))
		return add_label(value, out) ||
		       input_wrong(error, "label", "a label is name=value; at most 16 of them");
	if (kind == RECORD_JOB && slice_equal(name, SLICE("idle_since")))
		return set_time("idle_since", value, &out->idle_since_ms, error);
	if (kind == RECORD_TOKEN)
		return set_filter(name, value, out, error);
	return input_wrong(error, "", "the query has an unknown parameter");
}

bool
query_next(struct slice *query, char **to, struct slice *name, struct slice *value)
{
	name->at = NULL;
	while (query->len > 0) {
		const char *and = memchr(query->at, '&', query->len);
		struct slice pair = {query->at, and != NULL ? (size_t)(and-query->at) : query->len};
		const char *equals = memchr(pair.at, '=', pair.len);

		*query = slice_after(*query, pair.len + (and != NULL));
		if (pair.len == 0)
			continue;
		*name =
		    (struct slice){pair.at, equals != NULL ? (size_t)(equals - pair.at) : pair.len};
		*value = slice_after(pair, equals != NULL ? name->len + 1 : pair.len);
		return decode(*name, to, name) && decode(*value, to, value);
	}
	return false;
}

bool
query_parse(struct slice query, enum record_kind kind, const unsigned char *key,
    struct list_query *out, struct input_error *error)
{
	char *to = out->text;
	struct slice name, value;

	out->limit = QUERY_LIMIT_DEFAULT;
	out->after = STORE_CURSOR_START;
	out->name = (struct slice){0};
	out->created_by = (struct slice){0};
	out->unused_since_ms = out->expires_before_ms = out->idle_since_ms = 0;
	out->role_set = false;
	out->label_count = 0;
	if (query.len > sizeof(out->text))
		return input_wrong(error, "", "the query is too long");
	while (query_next(&query, &to, &name, &value))
		if (!set(name, value, kind, key, out, error))
			return false;
	return name.at == NULL || input_wrong(error, "", "the query is not well-formed");
}

/*
 * A token or a job that was made after that time cannot have been unused since. One whose last use
 * cannot be read does not count as unused: such lists are for deletions. Of the last use only the
 * minute is known, and it may have been at the end of it.
 */
static bool
is_unused_since(bool unknown, uint64_t last_ms, struct slice created_at, uint64_t since_ms)
{
	uint64_t created_ms;

	return !unknown && (last_ms == 0 || last_ms + RECORD_USE_MS <= since_ms) &&
	       (!moment_parse(created_at, &created_ms) || created_ms < since_ms);
}

static bool
job_matches(const struct list_query *query, const struct job *job)
{
	const struct label_set labels = {query->label_count, query->labels};

	return jg_selector_match(&labels, &job->labels) &&
	       (query->idle_since_ms == 0 || is_unused_since(job->use_unknown, job->last_request_ms,
						 job->created_at, query->idle_since_ms));
}

static bool
token_matches(const struct list_query *query, const struct token *token)
{
	if (query->name.at != NULL && !slice_equal(query->name, token->name))
		return false;
	if (query->created_by.at != NULL && !slice_equal(query->created_by, token->created_by))
		return false;
	if (query->unused_since_ms != 0 && !is_unused_since(token->use_unknown, token->last_used_ms,
					       token->created_at, query->unused_since_ms))
		return false;
	if (query->expires_before_ms != 0 &&
	    (token->expires_ms == 0 || token->expires_ms >= query->expires_before_ms))
		return false;
	return !query->role_set || query->role == token->role;
}

bool
query_match(const struct list_query *query, const struct record *record)
{
	switch (record->kind) {
	case RECORD_TOKEN:
		return token_matches(query, &record->token);
	case RECORD_JOB:
		return job_matches(query, &record->job);
	case RECORD_KINDS:
		break;
	}
	return false;
}
