/* list.c - pages: steps through the index until enough records pass the filters. */
#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
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
	struct list_query query;
	enum record_kind kind;
	json_t *items;
	struct store_cursor last; /* the place of the last item */
	unsigned steps;
};

static void
listing_free(void *state)
{
	struct listing *listing = state;

	json_decref(listing->items);
	free(listing);
}

static void list_step(struct call *call);

static void
list_answer(struct call *call, const struct store_cursor *next)
{
	struct listing *listing = call->state;
	char cursor[QUERY_CURSOR_MAX];

	if (next != NULL)
		query_cursor_format(next, cursor);
	caller_answer(call, json_pack("{s:O, s:s?}", "items", listing->items, "next_cursor",
				next != NULL ? cursor : NULL));
}

static void
list_page(void *ctx, enum store_result result, const struct store_page *page)
{
	struct call *call = ctx;
	struct listing *listing = call->state;
	const struct control *control = call->ctx;

	if (result != STORE_OK) {
		handler_store_refused(call, result, "list");
		return;
	}
	for (size_t i = 0; i < page->count; i++) {
		if (!scope_has(&call->scope, page->records[i]) ||
		    !query_match(&listing->query, page->records[i]))
			continue;
		if (json_array_size(listing->items) == listing->query.limit) {
			list_answer(call, &listing->last);
			return;
		}
		json_array_append_new(
		    listing->items, view_record(page->records[i], control->setup->public_url));
		listing->last = page->places[i];
	}
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
	struct control *control = call->ctx;

	store_page(control->store, listing->kind, &listing->query.after, list_page, call);
}

void
handler_list(struct call *call, enum record_kind kind)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	struct mistake mistake;

	if (listing == NULL || (listing->items = json_array()) == NULL) {
		free(listing);
		call_refuse(call, 500, NULL, "memory is short");
		return;
	}
	call->state = listing;
	call->state_free = listing_free;
	listing->kind = kind;
	if (query_parse(call->query, kind, &listing->query, &mistake))
		list_step(call);
	else
		handler_mistake(call, &mistake);
}
