/* records.c - what a token's or job's hash must hold. */
#include "auth/redis/records.h"

#include <stdlib.h>

#include "auth/ascii.h"
#include "auth/redis/connection.h"

#define LABEL_PREFIX SLICE("label:")

static const char too_large[] = "it is larger than 1 MiB or 1024 fields; delete it, or the fields "
				"that do not belong there (HDEL)";

_Static_assert(RECORD_BYTES_MAX == 1 << 20 && RECORD_FIELDS_MAX == 1024, "as the text says");

/* The names and values of a hash. */
struct hash {
	size_t count; /* of names and values */
	redisReply *const *elements;
};

static bool
hash_is_text(const struct hash *hash)
{
	for (size_t i = 0; i < hash->count; i++)
		if (hash->elements[i]->type != REDIS_REPLY_STRING)
			return false;
	return hash->count % 2 == 0;
}

static bool
hash_is_too_large(const struct hash *hash)
{
	size_t bytes = 0;

	for (size_t i = 0; i < hash->count; i++)
		bytes += (size_t)hash->elements[i]->len;
	return hash->count > 2 * RECORD_FIELDS_MAX || bytes > RECORD_BYTES_MAX;
}

/* The value of a field; at is NULL when there is none. */
static struct slice
hash_get(const struct hash *hash, struct slice name)
{
	for (size_t i = 0; i + 1 < hash->count; i += 2)
		if (slice_equal(redis_text(hash->elements[i]), name))
			return redis_text(hash->elements[i + 1]);
	return (struct slice){0};
}

/*
 * A record with room for labels and text behind it. What is copied into the
 * text lives as long as the record does.
 */
struct builder {
	struct record *record;
	struct label *labels;
	char *text;
};

static bool
builder_init(struct builder *builder, enum record_kind kind, size_t labels, size_t text)
{
	size_t at = (sizeof(struct record) + _Alignof(struct label) - 1) / _Alignof(struct label) *
		    _Alignof(struct label);

	builder->record = calloc(1, at + labels * sizeof(struct label) + text);
	if (builder->record == NULL)
		return false;
	builder->record->kind = kind;
	builder->labels = (struct label *)((char *)builder->record + at);
	builder->text = (char *)(builder->labels + labels);
	return true;
}

static struct slice
keep(struct builder *builder, struct slice text)
{
	struct slice kept = {builder->text, text.len};

	if (text.len > 0)
		memcpy(builder->text, text.at, text.len);
	builder->text += text.len;
	return kept;
}

/* 1 to TOKEN_VERSION_MAX, without leading zeros. */
static bool
parse_number(struct slice text, uint64_t *out)
{
	return text.len > 0 && text.at[0] != '0' && slice_to_number(text, TOKEN_VERSION_MAX, out);
}

/* dddd-dd-ddTdd:dd:dd, a fraction or none, and UTC. */
static bool
is_date(struct slice text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	size_t at = sizeof(form) - 1;

	if (text.len <= at || text.len > 40)
		return false;
	for (size_t i = 0; i < at; i++)
		if (form[i] == 'd' ? !is_digit(text.at[i]) : text.at[i] != form[i])
			return false;
	if (text.at[at] == '.' && at + 1 < text.len && is_digit(text.at[at + 1]))
		for (at++; at < text.len && is_digit(text.at[at]); at++)
			;
	text = slice_after(text, at);
	return slice_equal(text, SLICE("Z")) || slice_equal(text, SLICE("+00:00"));
}

/*
 * When a record was made or changed. No decision rests on it: one that is no
 * RFC 3339 UTC, from a script that thought otherwise, counts as not given.
 */
static struct slice
hash_get_date(const struct hash *hash, struct slice name)
{
	struct slice text = hash_get(hash, name);

	return is_date(text) ? text : (struct slice){0};
}

/* Like a date: a version that is none counts as not given. */
static uint64_t
hash_get_minted(const struct hash *hash)
{
	uint64_t version = 0;

	return parse_number(hash_get(hash, SLICE("minted")), &version) ? version : 0;
}

/* Like a date: a lease that is none counts as not given. */
static unsigned
hash_get_lease(const struct hash *hash)
{
	uint64_t seconds;

	if (!parse_number(hash_get(hash, SLICE("lease")), &seconds) || seconds > JOB_LEASE_MAX)
		return 0;
	return (unsigned)seconds;
}

static enum record_status
decode_token(struct slice id, const struct hash *hash, struct record **out, const char **why)
{
	struct slice name = hash_get(hash, SLICE("name"));
	struct slice selector = hash_get(hash, SLICE("selector"));
	struct slice created = hash_get_date(hash, SLICE("created_at"));
	struct slice updated = hash_get_date(hash, SLICE("updated_at"));
	struct label labels[SELECTOR_LABELS_MAX];
	struct token token = {0};
	struct builder builder;
	size_t count, bad;

	*why = NULL;
	if (!jg_token_name_valid(name))
		*why = "its name is missing or not valid";
	else if (!jg_role_parse(hash_get(hash, SLICE("role")), &token.role))
		*why = "its role is neither read nor operator";
	else if (selector.at == NULL) /* a missing one must not read as "every job" */
		*why = "it has no selector field (empty for every job)";
	else if (jg_selector_parse(selector, labels, &count, &bad) != LABEL_OK)
		*why = "its selector is not valid";
	else if (!jg_token_hash_parse(hash_get(hash, SLICE("hash")), token.hash))
		*why = "its hash is not 64 hex digits";
	else if (!parse_number(hash_get(hash, SLICE("version")), &token.version))
		*why = "its version is not a number from 1";
	if (*why != NULL)
		return RECORD_BROKEN;
	if (!builder_init(&builder, RECORD_TOKEN, count,
		id.len + name.len + selector.len + created.len + updated.len)) {
		*why = "out of memory";
		return RECORD_FAILED;
	}
	token.id = keep(&builder, id);
	token.name = keep(&builder, name);
	selector = keep(&builder, selector);
	token.minted = hash_get_minted(hash);
	token.created_at = keep(&builder, created);
	token.updated_at = keep(&builder, updated);
	jg_selector_parse(selector, labels, &count, &bad);
	if (count > 0)
		memcpy(builder.labels, labels, count * sizeof(*labels));
	token.selector = (struct label_set){count, builder.labels};
	builder.record->token = token;
	*out = builder.record;
	return RECORD_GOOD;
}

/* Count and check the labels of a job, and the bytes they take. */
static const char *
check_labels(const struct hash *hash, size_t *count, size_t *bytes)
{
	size_t bad;

	*count = *bytes = 0;
	for (size_t i = 0; i + 1 < hash->count; i += 2) {
		struct slice name = redis_text(hash->elements[i]),
			     value = redis_text(hash->elements[i + 1]);

		if (!slice_starts_with(name, LABEL_PREFIX))
			continue;
		name = slice_after(name, LABEL_PREFIX.len);
		if (jg_label_name_check(name, &bad) != LABEL_OK)
			return "the name of one of its labels is not valid";
		if (jg_label_value_check(value, &bad) != LABEL_OK)
			return "the value of one of its labels is not valid";
		if (++*count > JOB_LABELS_MAX)
			return "it has too many labels";
		*bytes += name.len + value.len;
	}
	return NULL;
}

static enum record_status
decode_job(struct slice id, const struct hash *hash, struct record **out, const char **why)
{
	struct slice url = hash_get(hash, SLICE("url"));
	struct slice created = hash_get_date(hash, SLICE("created_at"));
	struct slice updated = hash_get_date(hash, SLICE("updated_at"));
	struct job job = {0};
	struct builder builder;
	size_t count, bytes, bad, n = 0;

	*why = check_labels(hash, &count, &bytes);
	if (*why == NULL && !jg_job_url_parse(url, &job.url, &bad))
		*why = "its url is not valid";
	if (*why != NULL)
		return RECORD_BROKEN;
	if (!builder_init(&builder, RECORD_JOB, count,
		id.len + url.len + created.len + updated.len + bytes)) {
		*why = "out of memory";
		return RECORD_FAILED;
	}
	job.id = keep(&builder, id);
	job.url_text = keep(&builder, url);
	job.created_at = keep(&builder, created);
	job.updated_at = keep(&builder, updated);
	job.lease = hash_get_lease(hash);
	for (size_t i = 0; i + 1 < hash->count; i += 2) {
		struct slice name = redis_text(hash->elements[i]);

		if (!slice_starts_with(name, LABEL_PREFIX))
			continue;
		builder.labels[n].name = keep(&builder, slice_after(name, LABEL_PREFIX.len));
		builder.labels[n++].value = keep(&builder, redis_text(hash->elements[i + 1]));
	}
	job.labels = (struct label_set){count, builder.labels};
	jg_job_url_parse(job.url_text, &job.url, &bad);
	builder.record->job = job;
	*out = builder.record;
	return RECORD_GOOD;
}

static enum record_status
decode_error(const redisReply *reply, const char **why)
{
	*why = reply->str;
	if (redis_error_is(reply, REDIS_TOO_LONG)) {
		*why = too_large;
		return RECORD_TOO_LARGE;
	}
	return redis_error_is(reply, "WRONGTYPE") ? RECORD_BROKEN : RECORD_FAILED;
}

enum record_status
record_decode(enum record_kind kind, struct slice id, const redisReply *reply, struct record **out,
    const char **why)
{
	struct hash hash = {reply->elements, reply->element};

	*out = NULL;
	*why = NULL;
	if (reply->type == REDIS_REPLY_ERROR)
		return decode_error(reply, why);
	if (reply->type != REDIS_REPLY_ARRAY || !hash_is_text(&hash)) {
		*why = "Redis answered with something else than a hash";
		return RECORD_FAILED;
	}
	if (hash.count == 0)
		return RECORD_MISSING;
	if (hash_is_too_large(&hash)) {
		*why = too_large;
		return RECORD_TOO_LARGE;
	}
	switch (kind) {
#define RECORD(KIND, type, labels, lapses) \
	case RECORD_##KIND:                \
		return decode_##type(id, &hash, out, why);
#include "jobgate/records.def"
	case RECORD_KINDS:
		break;
	}
	return RECORD_FAILED;
}
