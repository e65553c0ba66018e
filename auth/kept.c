/*
 * kept.c - what a directory keeps of a record. Of most tokens this is less than the record, and
 * lies in the entry, but for a long name; what no worker reads (times, who created it) goes.
 */
#include <stdlib.h>

#include "auth/entry.h"

#define RATE_FITS (1u << 20)
#define CONCURRENCY_FITS (1u << 13)

_Static_assert(TOKEN_RATE_MAX < RATE_FITS && TOKEN_BURST_MAX < RATE_FITS &&
		   TOKEN_CONCURRENCY_MAX < CONCURRENCY_FITS && TOKEN_NAME_MAX <= UINT8_MAX,
    "they fit into the members of struct kept_token");

/* A new member of a token is lost for workers unless it is kept, or is_plain looks at it. */
_Static_assert(sizeof(struct token) == 264, "is the new member kept?");

/* True for a token without an end of its record, a grace or limits on addresses. */
static bool
is_plain(const struct directory_entry *entry, const struct record *record)
{
	const struct token *token = &record->token;

	return record->kind == RECORD_TOKEN && record->ends_ms == 0 &&
	       token->previous_until_ms == 0 && token->from.count == 0 &&
	       entry->id_len <= TOKEN_ID_LEN && token->name.len <= UINT8_MAX &&
	       token->limits.rate < RATE_FITS && token->limits.burst < RATE_FITS &&
	       token->limits.concurrency < CONCURRENCY_FITS;
}

/* True when the entry has no room for it. */
static bool
is_long_name(size_t len)
{
	return len > ENTRY_NAME;
}

static char *
copy_of(struct slice text)
{
	char *copy = malloc(text.len);

	if (copy != NULL)
		memcpy(copy, text.at, text.len);
	return copy;
}

/*
 * What will be kept of a record. When memory is short for the smaller form, the record itself is
 * kept.
 */
static struct entry_content
content_of(struct directory_entry *entry, struct record *record)
{
	struct entry_content content = {.record = record};
	struct label_sets *sets = &entry_directory(entry)->sets;
	bool is_long;

	if (record != NULL && record->kind == RECORD_JOB)
		content.labels = label_sets_take(sets, &record->job.labels);
	if (record == NULL || !is_plain(entry, record))
		return content;
	content.labels = label_sets_take(sets, &record->token.selector);
	is_long = is_long_name(record->token.name.len);
	if (content.labels != NULL && is_long)
		content.name = copy_of(record->token.name);
	if (content.labels != NULL && (!is_long || content.name != NULL)) {
		content.record = NULL;
		return content;
	}
	label_sets_give(sets, content.labels);
	return (struct entry_content){.record = record};
}

/* Write what is kept of a plain token into its entry. */
static void
keep_token(struct directory_entry *entry, const struct token *token, char *long_name)
{
	entry->token = (struct kept_token){.version = token->version,
	    .rate = token->limits.rate & (RATE_FITS - 1),
	    .burst = token->limits.burst & (RATE_FITS - 1),
	    .concurrency = token->limits.concurrency & (CONCURRENCY_FITS - 1),
	    .role = token->role & 7u,
	    .name_len = token->name.len & UINT8_MAX};
	if (long_name != NULL)
		entry->long_name = long_name;
	else if (token->name.len > 0)
		memcpy(entry->name, token->name.at, token->name.len);
	memcpy(entry->token_hash, token->hash, TOKEN_HASH_LEN);
	if (entry->timed)
		entry->times->expires_ms = token->expires_ms;
}

/* Make room for the moments of a record that has some. False when memory is short. */
static bool
make_times(struct directory_entry *entry, const struct record *record)
{
	bool has = record != NULL &&
		   (record->ends_ms != 0 ||
		       (record->kind == RECORD_TOKEN && jg_token_is_timed(&record->token)));

	if (!has || entry->times != NULL)
		return true;
	entry->times = calloc(1, sizeof(*entry->times));
	if (entry->times == NULL)
		return false;
	entry->times->entry = entry;
	return true;
}

bool
entry_keep(struct directory_entry *entry, struct record *record, struct entry_content *old)
{
	struct entry_content content;

	if (!make_times(entry, record))
		return false;
	content = content_of(entry, record);
	*old = entry_content(entry);
	entry->labels = content.labels;
	entry->plain = record != NULL && content.record == NULL;
	entry->ends = record != NULL && record->ends_ms != 0;
	entry->timed =
	    record != NULL && record->kind == RECORD_TOKEN && jg_token_is_timed(&record->token);
	entry->has_url =
	    record != NULL && record->kind == RECORD_JOB && record->job.url.scheme != JOB_URL_NONE;
	entry->card = entry->plain && !entry->timed && entry->id_len == TOKEN_ID_LEN;
	if (!entry->plain) {
		entry->record = record;
		return true;
	}
	keep_token(entry, &record->token, content.name);
	free(record);
	return true;
}

struct entry_content
entry_content(const struct directory_entry *entry)
{
	if (!entry->plain)
		return (struct entry_content){.labels = entry->labels, .record = entry->record};
	return (struct entry_content){.labels = entry->labels,
	    .name = is_long_name(entry->token.name_len) ? entry->long_name : NULL};
}

void
content_free(struct directory *directory, const struct entry_content *content)
{
	label_sets_give(&directory->sets, content->labels);
	free(content->record);
	free(content->name);
}

uint64_t
entry_ends_ms(const struct directory_entry *entry)
{
	return entry->ends ? entry->record->ends_ms : 0;
}

const struct token *
jg_directory_token(const struct directory_entry *entry, struct token *room)
{
	const struct kept_token *kept = &entry->token;

	if (!entry->plain) {
		CHECK(entry->record != NULL && entry->kind == RECORD_TOKEN, entry_dump, entry);
		return &entry->record->token;
	}
	/* Member by member: an initializer would first write zeros over all of it. */
	room->id = (struct slice){entry->token_id, entry->id_len};
	room->name = (struct slice){
	    is_long_name(kept->name_len) ? entry->long_name : entry->name, kept->name_len};
	room->role = (enum token_role)kept->role;
	room->selector = *entry->labels;
	memcpy(room->hash, entry->token_hash, TOKEN_HASH_LEN);
	room->version = kept->version;
	room->minted = 0;
	room->created_at = room->updated_at = room->created_by = (struct slice){0};
	room->last_used_ms = 0;
	room->use_unknown = false;
	room->expires_ms = entry->timed ? entry->times->expires_ms : 0;
	room->from = (struct ip_ranges){0};
	room->limits = (struct token_limits){kept->rate, kept->burst, kept->concurrency};
	room->previous_until_ms = room->previous_version = 0;
	memset(room->previous_hash, 0, TOKEN_HASH_LEN);
	return room;
}

const struct job *
jg_directory_job(const struct directory_entry *entry)
{
	CHECK(entry->record != NULL && entry->kind == RECORD_JOB, entry_dump, entry);
	return &entry->record->job;
}

const struct sign_in *
jg_directory_sign_in(const struct directory_entry *entry)
{
	CHECK(entry->record != NULL && entry->kind == RECORD_SIGN_IN, entry_dump, entry);
	return &entry->record->sign_in;
}
