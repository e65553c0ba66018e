/* record_fields.c - the table of fields, and copies of records by it. */
#include "auth/record_fields.h"

#include <stdlib.h>

#include "auth/record.h"

/* The type of a member, by the form of its field. */
typedef struct slice type_ID, type_TEXT, type_TIME, type_MAKER, type_URL, type_JOB_URL, type_VALUE;
typedef uint64_t type_NUMBER, type_MOMENT, type_USED, type_COUNT;
typedef enum token_role type_ROLE;
typedef struct label_set type_SELECTOR, type_LABELS;
typedef struct ip_ranges type_RANGES;
typedef struct job_ports type_PORTS, type_PORT_URLS;
typedef unsigned char type_HASH[TOKEN_HASH_LEN];

/* The offset of a member. Does not compile if the member has another type than the form says. */
#define PLACE(member, FORM)                \
	(offsetof(struct record, member) + \
	    _Generic(&((struct record *)NULL)->member, type_##FORM * : 0))

#define ROW(member, FORM, name_, uses_, ...)                                       \
	{                                                                          \
		.name = (name_), .form = AS_##FORM, .offset = PLACE(member, FORM), \
		.uses = (uses_), __VA_ARGS__                                       \
	}

static const struct record_field token_fields[] = {
#define TOKEN_FIELD(ID, member, ...) [TOKEN_FIELD_##ID] = ROW(token.member, __VA_ARGS__),
#include "jobgate/record_fields.def"
};

static const struct record_field job_fields[] = {
#define JOB_FIELD(ID, member, ...) [JOB_FIELD_##ID] = ROW(job.member, __VA_ARGS__),
#include "jobgate/record_fields.def"
};

_Static_assert(
    TOKEN_FIELDS <= RECORD_FIELDS_MOST && JOB_FIELDS <= RECORD_FIELDS_MOST, "they fit as bits");

const struct record_fields record_fields[RECORD_KINDS] = {
#define RECORD(KIND, type, labels, lapses) [RECORD_##KIND] = {KIND##_FIELDS, type##_fields},
#include "jobgate/records.def"
};

void *
field_of(const struct record_field *field, struct record *record)
{
	return (char *)record + field->offset;
}

const void *
field_of_const(const struct record_field *field, const struct record *record)
{
	return (const char *)record + field->offset;
}

const struct slice *
field_text(const struct record_field *field, const struct record *record)
{
	switch (field->form) {
	case AS_ID:
	case AS_TEXT:
	case AS_TIME:
	case AS_MAKER:
	case AS_URL:
		return field_of_const(field, record);
	case AS_MOMENT:
	case AS_USED:
	case AS_COUNT:
	case AS_NUMBER:
	case AS_ROLE:
	case AS_SELECTOR:
	case AS_LABELS:
	case AS_RANGES:
	case AS_PORTS:
	case AS_HASH:
	case AS_JOB_URL:
	case AS_PORT_URLS:
	case AS_VALUE:
		break;
	}
	return NULL;
}

/* The field's labels in the record; NULL if its form has none. */
static const struct label_set *
field_labels(const struct record_field *field, const struct record *record)
{
	return field->form == AS_LABELS || field->form == AS_SELECTOR
		   ? field_of_const(field, record)
		   : NULL;
}

/* The field's ranges in the record; its form must be AS_RANGES. */
static const struct ip_ranges *
ranges_of(const struct record_field *field, const struct record *record)
{
	return field_of_const(field, record);
}

bool
field_is_none(const struct record_field *field, const struct record *record)
{
	static const unsigned char no_hash[TOKEN_HASH_LEN];
	const struct slice *slice = field_text(field, record);
	const void *member = field_of_const(field, record);

	if (field->form == AS_NUMBER || field->form == AS_MOMENT || field->form == AS_USED ||
	    field->form == AS_COUNT)
		return *(const uint64_t *)member == 0;
	if (field->form == AS_RANGES)
		return ranges_of(field, record)->count == 0;
	if (field->form == AS_HASH)
		return memcmp(member, no_hash, TOKEN_HASH_LEN) == 0;
	return slice != NULL && slice->len == 0;
}

/* Where the next text, labels, ports, URLs and ranges of a copy go, after the record. */
struct room {
	char *text;
	struct label *labels;
	struct job_port *ports;
	struct job_url *urls;
	struct ip_range *ranges;
};

_Static_assert(_Alignof(struct job_port) <= _Alignof(struct label), "ports may follow labels");
_Static_assert(_Alignof(struct job_url) <= _Alignof(struct job_port), "URLs may follow ports");
_Static_assert(_Alignof(struct ip_range) <= _Alignof(struct job_url), "ranges may follow URLs");

static struct slice
copy_text(struct room *room, struct slice text)
{
	struct slice kept = {room->text, text.len};

	if (text.len > 0)
		memcpy(room->text, text.at, text.len);
	room->text += text.len;
	return kept;
}

static struct label_set
copy_labels(struct room *room, const struct label_set *labels)
{
	struct label_set kept = {labels->count, room->labels};

	for (size_t i = 0; i < labels->count; i++) {
		room->labels->name = copy_text(room, labels->items[i].name);
		room->labels->value = copy_text(room, labels->items[i].value);
		room->labels++;
	}
	return kept;
}

static struct job_ports
copy_ports(struct room *room, const struct job_ports *ports)
{
	struct job_ports kept = {ports->count, room->ports};
	size_t bad;

	for (size_t i = 0; i < ports->count; i++) {
		struct job_port *port = room->ports++;

		port->number = ports->items[i].number;
		port->url_text = copy_text(room, ports->items[i].url_text);
		jg_job_url_parse(port->url_text, &port->url, &bad); /* the original was valid */
	}
	return kept;
}

/* How many URLs a copy keeps of this valid text: all of several; a single one is in the job. */
static size_t
kept_urls(struct slice text)
{
	size_t blanks = 0;

	for (size_t i = 0; i < text.len; i++)
		blanks += text.at[i] == ' ';
	return blanks > 0 ? blanks + 1 : 0;
}

/* The job gets the URLs in its text. */
static void
copy_urls(struct room *room, struct job *job)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	jg_job_urls_parse(job->url_text, urls, &count, &bad); /* the original was valid */
	jg_job_set_urls(job, urls, count);
	job->replicas.items = room->urls;
	for (size_t i = 0; i < job->replicas.count; i++)
		*room->urls++ = urls[i];
}

static struct ip_ranges
copy_ranges(struct room *room, const struct ip_ranges *ranges)
{
	struct ip_ranges kept = {ranges->count, room->ranges};

	for (size_t i = 0; i < ranges->count; i++)
		*room->ranges++ = ranges->items[i];
	return kept;
}

#define CACHE_LINE 64

/*
 * The copy of a job begins with a cache line, and its URL's text comes first after the record. So
 * one line has what leads to the job's backend: scheme, port, host, and the host's text.
 */
_Static_assert(
    offsetof(struct record, job.url.scheme) / CACHE_LINE == sizeof(struct record) / CACHE_LINE &&
	offsetof(struct record, job.url.host) + sizeof(struct slice) == sizeof(struct record),
    "they are in the line in which the text begins");

static struct record *
copy_alloc(enum record_kind kind, size_t size)
{
	if (kind != RECORD_JOB)
		return malloc(size);
	return aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
}

/* Allocate a record, with room after it for all that its fields point to. */
static struct record *
copy_new(const struct record *from, struct room *room)
{
	const struct record_fields *fields = &record_fields[from->kind];
	size_t labels = 0, ports = 0, urls = 0, ranges = 0, text = 0, at;
	struct record *copy;

	for (size_t i = 0; i < fields->count; i++) {
		const struct slice *slice = field_text(&fields->rows[i], from);
		const struct label_set *set = field_labels(&fields->rows[i], from);

		if (slice != NULL) {
			text += slice->len;
			urls += fields->rows[i].form == AS_URL ? kept_urls(*slice) : 0;
		}
		if (fields->rows[i].form == AS_RANGES)
			ranges += ranges_of(&fields->rows[i], from)->count;
		if (fields->rows[i].form == AS_PORTS)
			for (; ports < from->job.ports.count; ports++)
				text += from->job.ports.items[ports].url_text.len;
		for (size_t n = 0; set != NULL && n < set->count; n++, labels++)
			text += set->items[n].name.len + set->items[n].value.len;
	}
	at = (sizeof(struct record) + text + _Alignof(struct label) - 1) / _Alignof(struct label) *
	     _Alignof(struct label);
	copy = copy_alloc(
	    from->kind, at + labels * sizeof(struct label) + ports * sizeof(struct job_port) +
			    urls * sizeof(struct job_url) + ranges * sizeof(struct ip_range));
	if (copy == NULL)
		return NULL;
	room->labels = (struct label *)((char *)copy + at);
	room->ports = (struct job_port *)(room->labels + labels);
	room->urls = (struct job_url *)(room->ports + ports);
	room->ranges = (struct ip_range *)(room->urls + urls);
	room->text = (char *)(copy + 1);
	return copy;
}

struct record *
record_copy(const struct record *from)
{
	const struct record_fields *fields = &record_fields[from->kind];
	struct room room;
	struct record *copy = copy_new(from, &room);

	if (copy == NULL)
		return NULL;
	*copy = *from;
	if (from->kind == RECORD_JOB) {
		copy->job.url_text = copy_text(&room, from->job.url_text);
		copy_urls(&room, &copy->job);
	}
	for (size_t i = 0; i < fields->count; i++) {
		const struct record_field *field = &fields->rows[i];
		const struct slice *text = field_text(field, from);
		const struct label_set *labels = field_labels(field, from);

		if (field->form == AS_URL)
			continue;
		if (text != NULL)
			*(struct slice *)field_of(field, copy) = copy_text(&room, *text);
		else if (labels != NULL)
			*(struct label_set *)field_of(field, copy) = copy_labels(&room, labels);
		else if (field->form == AS_PORTS)
			copy->job.ports = copy_ports(&room, &from->job.ports);
		else if (field->form == AS_RANGES)
			*(struct ip_ranges *)field_of(field, copy) =
			    copy_ranges(&room, ranges_of(field, from));
	}
	return copy;
}
