/*
 * kept.c - what a directory keeps of a record. Of most tokens this is less than the record: the
 * hash and the selector lie in the entry, and what no worker reads (times, who created it) goes.
 */
#include <stdlib.h>

#include "auth/entry.h"

/* A token without an end of its record, a grace or limits on addresses. */
struct kept_token {
	uint64_t version, expires_ms;
	uint64_t rate : 20, burst : 20, concurrency : 13, role : 3, name_len : 8;
	char name[];
};

#define RATE_FITS (1u << 20)
#define CONCURRENCY_FITS (1u << 13)

_Static_assert(TOKEN_RATE_MAX < RATE_FITS && TOKEN_BURST_MAX < RATE_FITS &&
		   TOKEN_CONCURRENCY_MAX < CONCURRENCY_FITS && TOKEN_NAME_MAX <= UINT8_MAX,
    "they fit into the members of struct kept_token");

/* A new member of a token is lost for workers unless it is kept, or is_plain looks at it. */
_Static_assert(sizeof(struct token) == 264, "is the new member kept?");

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

static struct kept_token *
kept_new(const struct token *token)
{
	struct kept_token *kept = malloc(sizeof(*kept) + token->name.len);

	if (kept == NULL)
		return NULL;
	*kept = (struct kept_token){.version = token->version,
	    .expires_ms = token->expires_ms,
	    .rate = token->limits.rate & (RATE_FITS - 1),
	    .burst = token->limits.burst & (RATE_FITS - 1),
	    .concurrency = token->limits.concurrency & (CONCURRENCY_FITS - 1),
	    .role = token->role & 7u,
	    .name_len = token->name.len & UINT8_MAX};
	if (token->name.len > 0)
		memcpy(kept->name, token->name.at, token->name.len);
	return kept;
}

/*
 * What will be kept of a record. When memory is short for the smaller form, the record itself is
 * kept.
 */
static struct entry_content
content_of(struct directory_entry *entry, struct record *record)
{
	struct entry_content content = {.record = record};
	struct label_sets *sets = &entry->directory->sets;

	if (record != NULL && record->kind == RECORD_JOB)
		content.labels = label_sets_take(sets, &record->job.labels);
	if (record == NULL || !is_plain(entry, record))
		return content;
	content.labels = label_sets_take(sets, &record->token.selector);
	content.token = content.labels != NULL ? kept_new(&record->token) : NULL;
	if (content.token != NULL) {
		content.record = NULL;
		return content;
	}
	label_sets_give(sets, content.labels);
	return (struct entry_content){.record = record};
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
	*old = (struct entry_content){entry->labels, entry->record, entry->token};
	entry->labels = content.labels;
	entry->record = content.record;
	entry->token = content.token;
	entry->ends = record != NULL && record->ends_ms != 0;
	entry->timed =
	    record != NULL && record->kind == RECORD_TOKEN && jg_token_is_timed(&record->token);
	entry->has_url =
	    record != NULL && record->kind == RECORD_JOB && record->job.url.scheme != JOB_URL_NONE;
	entry->card = content.token != NULL && !entry->timed && entry->id_len == TOKEN_ID_LEN;
	if (content.token != NULL) {
		memcpy(entry->token_hash, record->token.hash, TOKEN_HASH_LEN);
		free(record);
	}
	return true;
}

void
content_free(struct directory *directory, const struct entry_content *content)
{
	label_sets_give(&directory->sets, content->labels);
	free(content->record);
	free(content->token);
}

uint64_t
entry_ends_ms(const struct directory_entry *entry)
{
	return entry->ends ? entry->record->ends_ms : 0;
}

const struct token *
jg_directory_token(const struct directory_entry *entry, struct token *room)
{
	const struct kept_token *kept = entry->token;

	if (kept == NULL) {
		CHECK(entry->record != NULL && entry->kind == RECORD_TOKEN, entry_dump, entry);
		return &entry->record->token;
	}
	/* Member by member: an initializer would first write zeros over all of it. */
	room->id = (struct slice){entry->token_id, entry->id_len};
	room->name = (struct slice){kept->name, kept->name_len};
	room->role = (enum token_role)kept->role;
	room->selector = *entry->labels;
	memcpy(room->hash, entry->token_hash, TOKEN_HASH_LEN);
	room->version = kept->version;
	room->minted = 0;
	room->created_at = room->updated_at = room->created_by = (struct slice){0};
	room->last_used_ms = 0;
	room->use_unknown = false;
	room->expires_ms = kept->expires_ms;
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
