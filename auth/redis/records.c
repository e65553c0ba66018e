/* records.c - what the hash of a token, job or sign-in must hold. */
#include "auth/redis/records.h"

#include <stdlib.h>

#include "auth/ascii.h"
#include "auth/moment.h"
#include "auth/record_fields.h"
#include "auth/redis/connection.h"

static const char too_large[] = "it is larger than 1 MiB or 1024 fields; delete it, or the fields "
				"that do not belong there (HDEL)";

_Static_assert(RECORD_BYTES_MAX == 1 << 20 && RECORD_FIELDS_MAX == 1024, "as too_large says");

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

/* 1 to max, without leading zeros. */
static bool
parse_number(struct slice text, uint64_t max, uint64_t *out)
{
	return text.len > 0 && text.at[0] != '0' && slice_to_number(text, max, out);
}

/* Check a job's labels and put them into `labels`. Returns what is wrong, or NULL. */
static const char *
decode_labels(const struct hash *hash, struct slice prefix, struct label labels[JOB_LABELS_MAX],
    size_t *count)
{
	size_t bad;

	*count = 0;
	for (size_t i = 0; i + 1 < hash->count; i += 2) {
		struct slice name = redis_text(hash->elements[i]),
			     value = redis_text(hash->elements[i + 1]);

		if (!slice_starts_with(name, prefix))
			continue;
		name = slice_after(name, prefix.len);
		if (jg_label_name_check(name, &bad) != LABEL_OK)
			return "the name of one of its labels is not valid";
		if (jg_label_value_check(value, &bad) != LABEL_OK)
			return "the value of one of its labels is not valid";
		if (*count == JOB_LABELS_MAX)
			return "it has too many labels";
		labels[(*count)++] = (struct label){name, value};
	}
	return NULL;
}

/* A missing selector must not count as "every job". Returns what is wrong, or NULL. */
static const char *
decode_selector(const struct record_field *field, struct slice text, struct label *labels,
    struct label_set *out)
{
	size_t bad;

	if (text.at == NULL)
		return "it has no selector field (empty for every job)";
	out->items = labels;
	return jg_selector_parse(text, labels, &out->count, &bad) == LABEL_OK ? NULL
									      : field->broken;
}

/* What the fields of a record that is being read point to. */
struct room {
	struct job_url urls[JOB_URLS_MAX];
	struct job_port ports[JOB_PORTS_MAX];
	struct label labels[JOB_LABELS_MAX];
	struct ip_range ranges[TOKEN_FROM_MAX];
};

/* As decode_labels, for a job's ports. */
static const char *
decode_ports(const struct hash *hash, struct slice prefix, struct job_port ports[JOB_PORTS_MAX],
    size_t *count)
{
	size_t bad;

	*count = 0;
	for (size_t i = 0; i + 1 < hash->count; i += 2) {
		struct slice name = redis_text(hash->elements[i]);
		struct job_port port = {.url_text = redis_text(hash->elements[i + 1])};

		if (!slice_starts_with(name, prefix))
			continue;
		if (!jg_job_port_parse(slice_after(name, prefix.len), &port.number))
			return "the number of one of its ports is not 1 to 65535";
		if (port.url_text.len == 0 || !jg_job_url_parse(port.url_text, &port.url, &bad))
			return "the URL of one of its ports is not valid";
		if (*count == JOB_PORTS_MAX)
			return "it has too many ports";
		jg_job_port_insert(ports, (*count)++, &port);
	}
	return NULL;
}

static bool
decode_ranges(struct slice text, struct room *room, struct ip_ranges *out)
{
	out->items = room->ranges;
	return text.at == NULL ||
	       jg_ip_ranges_parse(text, room->ranges, TOKEN_FROM_MAX, &out->count);
}

/*
 * Read a field from the hash. Returns what is wrong with it, or NULL. Fields without a `broken`
 * text, such as times, count as not given when they are not valid: no decision rests on them, and
 * other programs may write them in another form.
 */
static const char *
decode_field(const struct record_field *field, const struct hash *hash, struct record *record,
    struct room *room)
{
	struct slice text = hash_get(hash, slice_of(field->stored));
	void *member = field_of(field, record);
	struct label_set *set = member;
	bool good = true;
	size_t count, bad;

	switch (field->form) {
	case AS_TEXT:
		*(struct slice *)member = text;
		good = field->valid(text);
		break;
	case AS_TIME:
	case AS_MAKER:
		if (field->valid(text))
			*(struct slice *)member = text;
		break;
	case AS_MOMENT:
		good = text.at == NULL || moment_parse(text, member);
		break;
	case AS_NUMBER:
		good = text.at == NULL ? (field->uses & USE_NEEDED) == 0
				       : parse_number(text, field->max, member);
		break;
	case AS_ROLE:
		good = role_parse_stored(text, member);
		break;
	case AS_SELECTOR:
		return decode_selector(field, text, room->labels, set);
	case AS_LABELS:
		set->items = room->labels;
		return decode_labels(hash, slice_of(field->stored), room->labels, &set->count);
	case AS_PORTS:
		record->job.ports.items = room->ports;
		return decode_ports(
		    hash, slice_of(field->stored), room->ports, &record->job.ports.count);
	case AS_RANGES:
		good = decode_ranges(text, room, member);
		break;
	case AS_URL:
		*(struct slice *)member = text;
		good = jg_job_urls_parse(text, room->urls, &count, &bad);
		if (good)
			jg_job_set_urls(&record->job, room->urls, count);
		break;
	case AS_HASH:
		good = jg_token_hash_parse(text, member);
		if (!good)
			memset(member, 0, TOKEN_HASH_LEN);
		break;
	case AS_ID:
	case AS_USED:
	case AS_COUNT:
	case AS_JOB_URL:
	case AS_PORT_URLS:
	case AS_VALUE:
		break;
	}
	return good ? NULL : field->broken;
}

/*
 * A grace counts only with the version before. A renewal by a gateway that does not know these
 * fields, or by hand, changes the version and leaves them, and must end the grace.
 */
static void
drop_other_grace(struct token *token)
{
	if (token->previous_version != 0 && token->previous_version + 1 == token->version)
		return;
	token->previous_until_ms = 0;
	token->previous_version = 0;
	memset(token->previous_hash, 0, TOKEN_HASH_LEN);
}

/* What is wrong with a token whose fields are good, each for itself; or NULL. */
static const char *
finish_token(const struct hash *hash, struct record *record)
{
	const struct record_field *role = &record_fields[RECORD_TOKEN].rows[TOKEN_FIELD_ROLE];

	drop_other_grace(&record->token);
	return role_needs_are_met(hash_get(hash, slice_of(role->stored)), record)
		   ? NULL
		   : "its role needs a field that it lacks: set the field, or take its name out of "
		     "the role";
}

static enum record_status
decode_hash(enum record_kind kind, struct slice id, const struct hash *hash, struct record **out,
    const char **why)
{
	const struct record_fields *fields = &record_fields[kind];
	struct record record = {.kind = kind};
	struct room room;

	for (size_t i = 0; i < fields->count && *why == NULL; i++) {
		const struct record_field *field = &fields->rows[i];

		if (field->form == AS_ID)
			*(struct slice *)field_of(field, &record) = id;
		else if (field->stored != NULL)
			*why = decode_field(field, hash, &record, &room);
	}
	if (*why == NULL && kind == RECORD_TOKEN)
		*why = finish_token(hash, &record);
	if (*why != NULL)
		return RECORD_BROKEN;
	*out = record_copy(&record);
	if (*out != NULL)
		return RECORD_GOOD;
	*why = "out of memory";
	return RECORD_FAILED;
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

static enum record_status
decode_sign_in(const struct hash *hash, struct record **out, const char **why)
{
	struct record record = {.kind = RECORD_SIGN_IN};

	*why = "its token, version or mark is not valid";
	if (!jg_sign_in_parse(hash_get(hash, SLICE("token")), hash_get(hash, SLICE("version")),
		hash_get(hash, SLICE("mark")), &record.sign_in))
		return RECORD_BROKEN;
	*why = "out of memory";
	*out = malloc(sizeof(record));
	if (*out == NULL)
		return RECORD_FAILED;
	**out = record;
	*why = NULL;
	return RECORD_GOOD;
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
		*why = "Redis answered with something other than a hash";
		return RECORD_FAILED;
	}
	if (hash.count == 0)
		return RECORD_MISSING;
	if (hash_is_too_large(&hash)) {
		*why = too_large;
		return RECORD_TOO_LARGE;
	}
	if (kind == RECORD_SIGN_IN)
		return decode_sign_in(&hash, out, why);
	return decode_hash(kind, id, &hash, out, why);
}
