/* list.c - lists: steps through the index until a page is full or the walk must end. */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/caller.h"
#include "auth/control/cursor.h"
#include "auth/control/handlers.h"
#include "auth/control/job_sessions.h"
#include "auth/control/page.h"
#include "auth/control/query.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"
#include "auth/record.h"
#include "auth/record_fields.h"
#include "jobgate/check.h"

struct listing {
	struct walk walk;
	struct list_query query;
	enum record_kind kind;
	struct record *job; /* tokens: only those that reach it; NULL: all */
	struct page page;
	size_t count;			   /* items of the page */
	struct page_item *items;	   /* of jobs: where each is in the page */
	struct job_count *jobs;		   /* of jobs: what runs at each */
	struct job_sessions sessions;	   /* counts that once the page is complete */
	struct store_cursor last;	   /* the place of the last item */
	char cursor[CURSOR_TEXT_MAX];	   /* of the next page; "": there is none */
	unsigned char key[CURSOR_KEY_LEN]; /* for cursors, with a scope */
};

static void
listing_free(void *state)
{
	struct listing *listing = state;

	walk_end(&listing->walk);
	OPENSSL_cleanse(listing->key, sizeof(listing->key));
	free(listing->page.text);
	free(listing->items);
	free(listing->jobs);
	free(listing->job);
	free(listing);
}

static void
list_send(struct call *call)
{
	struct listing *listing = call->state;
	char *text = listing->page.text;

	listing->page.text = NULL;
	call_answer_text(call, 200, "application/json", text);
}

static void
list_end(struct call *call)
{
	struct listing *listing = call->state;

	if (page_end(&listing->page, listing->cursor[0] != '\0' ? listing->cursor : NULL))
		caller_confirm(call, list_send);
	else
		call_refuse_memory(call);
}

/* Write what runs at each job into the page, and leave out those that are in use if only idle ones
 * are asked for. */
static void
list_counted(struct call *call, enum job_sessions_result result)
{
	struct listing *listing = call->state;
	bool only_idle = listing->query.idle_since_ms != 0;

	for (size_t i = 0; i < listing->count && result == JOB_SESSIONS_COUNTED; i++) {
		listing->items[i].has_number = true;
		listing->items[i].number = listing->jobs[i].sessions;
		listing->items[i].is_left_out = only_idle && listing->jobs[i].sessions > 0;
	}
	if (result == JOB_SESSIONS_COUNTED &&
	    !page_replace(&listing->page, listing->items, listing->count))
		call_refuse_memory(call);
	else if (result == JOB_SESSIONS_COUNTED || !only_idle)
		list_end(call);
	else if (result == JOB_SESSIONS_BUSY)
		call_refuse(call, 429, NULL,
		    "too many calls count sessions now, so it is not known which jobs are idle: "
		    "try again in a second");
	else
		call_refuse(call, 503, NULL,
		    "not all workers answered, so it is not known which jobs are idle: repeat the "
		    "request");
}

/* End the page. The next page begins at cursor; NULL: there is none. */
static void
list_answer(struct call *call, const char *cursor)
{
	struct listing *listing = call->state;

	snprintf(listing->cursor, sizeof(listing->cursor), "%s", cursor != NULL ? cursor : "");
	walk_end(&listing->walk); /* others can list while the sessions are counted */
	if (listing->count == 0 || listing->kind != RECORD_JOB)
		list_end(call);
	else
		job_sessions_count(
		    &listing->sessions, call, listing->jobs, listing->count, list_counted);
}

/* The page is full; the next one begins after its last item. */
static void
list_full(struct call *call)
{
	const struct listing *listing = call->state;
	char cursor[CURSOR_TEXT_MAX];

	cursor_format(&listing->last, cursor);
	list_answer(call, cursor);
}

/*
 * The walk must end before its page is full. The next page begins after the last record that was
 * read. A caller with a scope may not learn of that record, so its cursor is sealed.
 */
static void
list_cut(struct call *call)
{
	const struct listing *listing = call->state;
	char cursor[CURSOR_TEXT_MAX];

	if (call->scope.count == 0)
		cursor_format(&listing->query.after, cursor);
	else if (!cursor_seal(listing->key, listing->kind, &listing->query.after, cursor)) {
		call_refuse(call, 500, NULL, "randomness is short: try again");
		return;
	}
	list_answer(call, cursor);
}

/* Room for a full page of jobs. False when memory is short. */
static bool
list_make_room(struct listing *listing)
{
	if (listing->kind != RECORD_JOB)
		return true;
	listing->items = calloc(listing->query.limit, sizeof(*listing->items));
	listing->jobs = calloc(listing->query.limit, sizeof(*listing->jobs));
	return listing->items != NULL && listing->jobs != NULL;
}

/* Add a record. False after answering: the page was full, or memory is short. */
static bool
list_add(struct call *call, const struct record *record, const struct store_cursor *place)
{
	const struct control *control = call->ctx;
	struct listing *listing = call->state;
	json_t *view;
	enum page_result result;

	if (listing->count == listing->query.limit) {
		list_full(call);
		return false;
	}
	view = view_record(record, control->setup->settings.public_url);
	result = page_add(&listing->page, view,
	    record->kind == RECORD_JOB ? &listing->items[listing->count] : NULL);
	json_decref(view);
	switch (result) {
	case PAGE_ADDED:
		events_shown(control->events, record);
		listing->last = *place;
		if (record->kind == RECORD_JOB)
			memcpy(listing->jobs[listing->count].id, record->job.id.at,
			    record->job.id.len);
		listing->count++;
		return true;
	case PAGE_FULL:
		list_full(call);
		return false;
	case PAGE_FAILED:
		call_refuse_memory(call);
		return false;
	}
	return false;
}

/* True when the token reaches the list's job, if it has one. */
static bool
list_reaches(const struct listing *listing, const struct record *record)
{
	return listing->job == NULL ||
	       jg_selector_match(&record->token.selector, &listing->job->job.labels);
}

static void list_step(struct call *call);

static void
list_page(void *ctx, enum store_result result, const struct store_page *page)
{
	struct call *call = ctx;
	struct listing *listing = call->state;

	if (result != STORE_OK) {
		handler_store_refused(call, result, "list");
		return;
	}
	for (size_t i = 0; i < page->count; i++)
		if (scope_has(&call->scope, page->records[i]) &&
		    query_match(&listing->query, page->records[i]) &&
		    list_reaches(listing, page->records[i]) &&
		    !list_add(call, page->records[i], &page->places[i]))
			return;
	listing->query.after = page->next;
	if (page->more)
		caller_continue(call, list_step);
	else
		list_answer(call, NULL);
}

static void
list_step(struct call *call)
{
	struct listing *listing = call->state;

	if (walk_goes_on(&listing->walk))
		store_page(
		    listing->walk.store, listing->kind, &listing->query.after, list_page, call);
	else
		list_cut(call);
}

static void
list_begin(struct call *call, const unsigned char *key)
{
	struct control *control = call->ctx;
	struct listing *listing = call->state;
	struct input_error error;

	if (!query_parse(call->query, listing->kind, key, &listing->query, &error))
		handler_refuse_input(call, &error);
	else if (list_make_room(listing))
		walk_begin(&control->walks, &listing->walk, call, list_step);
	else
		call_refuse_memory(call);
}

/* For a caller with a scope: the key for sealed cursors depends on the store's mint key. */
static void
know_mint(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;
	struct listing *listing = call->state;

	(void)none;
	if (result != STORE_OK)
		handler_store_refused(call, result, "list");
	else if (cursor_key(store_mint(control->store), control->cursor_key, listing->key))
		list_begin(call, listing->key);
	else
		call_refuse_memory(call);
}

static void
list_start(struct call *call)
{
	struct control *control = call->ctx;

	if (call->scope.count == 0)
		list_begin(call, NULL);
	else
		store_mint_know(control->store, know_mint, call);
}

/* The call's list, not begun. NULL after answering. */
static struct listing *
listing_new(struct call *call, enum record_kind kind)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	if (listing == NULL) {
		call_refuse_memory(call);
		return NULL;
	}
	call->state = listing;
	call->state_free = listing_free;
	listing->kind = kind;
	return listing;
}

void
handler_list(struct call *call, enum record_kind kind)
{
	if (listing_new(call, kind) != NULL)
		list_start(call);
}

static void
got_job(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct listing *listing;

	result = handler_in_scope(call, result, record);
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[RECORD_JOB].noun);
		return;
	}
	listing = listing_new(call, RECORD_TOKEN);
	if (listing == NULL)
		return;
	listing->job = record_copy(record);
	if (listing->job != NULL)
		list_start(call);
	else
		call_refuse_memory(call);
}

void
jobs_tokens(struct call *call)
{
	struct control *control = call->ctx;

	if (handler_id(call, RECORD_JOB))
		store_get(control->store, RECORD_JOB, call->id, got_job, call);
}
