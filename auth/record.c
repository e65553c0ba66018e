/* record.c - the types of records, made from their table. */
#include "auth/record.h"

#include "auth/ascii.h"

const struct record_type record_types[RECORD_CACHED_KINDS] = {
#define RECORD(KIND, type, labels, lapses) \
	[RECORD_##KIND] = {#type, #type "s", SLICE(#type ":"), lapses, jg_##type##_id_valid},
#include "jobgate/records.def"
    [RECORD_SIGN_IN] = {"signin", "signins", SLICE("signin:"), false, jg_sign_in_id_valid},
};

bool
record_kind_of(struct slice noun, enum record_kind *out)
{
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		if (slice_equal(noun, slice_of(record_types[kind].noun))) {
			*out = (enum record_kind)kind;
			return true;
		}
	return false;
}

bool
record_key_parse(struct slice key, enum record_kind *kind, struct slice *id)
{
	for (unsigned at = 0; at < RECORD_CACHED_KINDS; at++)
		if (slice_starts_with(key, record_types[at].prefix)) {
			*kind = (enum record_kind)at;
			*id = slice_after(key, record_types[at].prefix.len);
			return true;
		}
	return false;
}

struct slice
record_id(const struct record *record)
{
	switch (record->kind) {
#define RECORD(KIND, type, labels, lapses) \
	case RECORD_##KIND:                \
		return record->type.id;
#include "jobgate/records.def"
	case RECORD_KINDS:
		break;
	}
	return (struct slice){0};
}

struct slice
record_created_at(const struct record *record)
{
	switch (record->kind) {
#define RECORD(KIND, type, labels, lapses) \
	case RECORD_##KIND:                \
		return record->type.created_at;
#include "jobgate/records.def"
	case RECORD_KINDS:
		break;
	}
	return (struct slice){0};
}

const struct label_set *
record_labels(const struct record *record)
{
	switch (record->kind) {
#define RECORD(KIND, type, labels, lapses) \
	case RECORD_##KIND:                \
		return &record->type.labels;
#include "jobgate/records.def"
	case RECORD_KINDS:
		break;
	}
	return NULL;
}

uint64_t
record_lease(const struct record *record)
{
	switch (record->kind) {
	case RECORD_JOB:
		return record->job.lease;
	case RECORD_TOKEN:
	case RECORD_KINDS:
		break;
	}
	return 0;
}

bool
record_maker_valid(struct slice text)
{
	return jg_token_id_valid(text) || slice_equal(text, SLICE(TOKEN_MADE_LOCALLY));
}

bool
record_time_valid(struct slice text)
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
