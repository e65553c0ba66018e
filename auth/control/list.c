/* list.c - lists: steps through the index until a page is full. */
#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/page.h"
#include "auth/control/query.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"

/*
 * Steps made for one answer, so that a filter that little passes is answered in
 * pieces. The cursor names the record that was looked at last, and who may not see
 * that must not learn of it: within a scope the steps go on to the end, for as long
 * as the token is valid.
 */
#define STEPS_MAX 100

struct listing {
	struct walk walk;
	struct list_query query;
	enum record_kind kind;
	struct page page;
	size_t count;		  /* of its items */
	struct store_cursor last; /* the place of the last item */
	unsigned steps;
};

static void
listing_free(void *state)
{
	struct listing *listing = state;

	walk_end(&listing->walk);
	free(listing->page.text);
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

/* End the page. If more follows, the next page begins behind `next`. */
static void
list_answer(struct call *call, const struct store_cursor *next)
{
	struct listing *listing = call->state;
	char cursor[QUERY_CURSOR_MAX] = "";

	if (next != NULL)
		query_cursor_format(next, cursor);
	if (page_end(&listing->page, next != NULL ? cursor : NULL))
		caller_confirm(call, list_send);
	else
		call_refuse(call, 500, NULL, "memory is short");
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
		list_answer(call, &listing->last);
		return false;
	}
	view = view_record(record, control->setup->public_url);
	result = page_add(&listing->page, view);
	json_decref(view);
	switch (result) {
	case PAGE_ADDED:
		listing->last = *place;
		listing->count++;
		return true;
	case PAGE_FULL:
		list_answer(call, &listing->last);
		return false;
	case PAGE_FAILED:
		call_refuse(call, 500, NULL, "memory is short");
		return false;
	}
	return false;
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
		    !list_add(call, page->records[i], &page->places[i]))
			return;
	listing->query.after = page->next;
	if (!page->more)
		list_answer(call, NULL);
	else if (call->scope.count > 0 || ++listing->steps < STEPS_MAX)
		caller_continue(call, list_step);
	else
		list_answer(call, &page->next);
}

static void
list_step(struct call *call)
{
	struct listing *listing = call->state;

	if (walk_goes_on(&listing->walk))
		store_page(
		    listing->walk.store, listing->kind, &listing->query.after, list_page, call);
}

void
handler_list(struct call *call, enum record_kind kind)
{
	struct control *control = call->ctx;
	struct listing *listing = calloc(1, sizeof(*listing));
	struct mistake mistake;

	if (listing == NULL) {
		call_refuse(call, 500, NULL, "memory is short");
		return;
	}
	call->state = listing;
	call->state_free = listing_free;
	listing->kind = kind;
	if (query_parse(call->query, kind, &listing->query, &mistake))
		walk_begin(&control->walks, &listing->walk, call, list_step);
	else
		handler_mistake(call, &mistake);
}
