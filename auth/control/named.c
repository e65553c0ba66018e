/* named.c - finds the token that a path names by its name, in place of its id. */
#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/scope.h"
#include "auth/record.h"
#include "jobgate/check.h"

#define NAMESAKES_MAX 10 /* whose ids a refusal lists */

/* How many walks a search may take: each must end after about a second (walk.h). */
#define WALKS_OF_SEARCH 10

struct search {
	struct walk walk;
	struct store_cursor after;
	unsigned walks;
	void (*next)(struct call *call);
	size_t count; /* tokens of this name within the caller's scope */
	char ids[NAMESAKES_MAX][TOKEN_ID_LEN];
};

static void
search_free(void *state)
{
	struct search *search = state;

	walk_end(&search->walk);
	free(search);
}

/* The search is over: the call's handler has the state from now on. */
static void
search_end(struct call *call)
{
	search_free(call->state);
	call->state = NULL;
	call->state_free = NULL;
}

/* The ids are an answer: the caller is confirmed before it gets them. */
static void
refuse_several(struct call *call)
{
	const struct search *search = call->state;
	char ids[NAMESAKES_MAX * (TOKEN_ID_LEN + 2) + 1] = "";

	for (size_t i = 0; i < search->count; i++) {
		strcat(ids, i > 0 ? ", " : "");
		strncat(ids, search->ids[i], TOKEN_ID_LEN);
	}
	call_refuse(call, 409, NULL,
	    "%s%zu tokens are named %.*s, and nothing was changed: give the id of one: %s",
	    search->count == NAMESAKES_MAX ? "at least " : "", search->count, (int)call->id.len,
	    call->id.at, ids);
}

/* All tokens were looked at, or enough were found. */
static void
search_done(struct call *call)
{
	const struct search *search = call->state;
	void (*next)(struct call * call) = search->next;

	if (search->count == 0) {
		handler_store_refused(call, STORE_ABSENT, record_types[RECORD_TOKEN].noun);
	} else if (search->count > 1) {
		caller_confirm(call, refuse_several);
	} else {
		memcpy(call->named_id, search->ids[0], TOKEN_ID_LEN);
		call->id = (struct slice){call->named_id, TOKEN_ID_LEN};
		search_end(call);
		next(call);
	}
}

static void search_step(struct call *call);

static void
search_page(void *ctx, enum store_result result, const struct store_page *page)
{
	struct call *call = ctx;
	struct search *search = call->state;

	if (result != STORE_OK) {
		handler_store_refused(call, result, "list");
		return;
	}
	for (size_t i = 0; i < page->count && search->count < NAMESAKES_MAX; i++) {
		const struct record *record = page->records[i];

		if (slice_equal(record->token.name, call->id) && scope_has(&call->scope, record))
			memcpy(search->ids[search->count++], record->token.id.at, TOKEN_ID_LEN);
	}
	search->after = page->next;
	if (page->more && search->count < NAMESAKES_MAX)
		caller_continue(call, search_step);
	else
		search_done(call);
}

static void
search_begin(struct call *call)
{
	struct control *control = call->ctx;
	struct search *search = call->state;

	if (++search->walks > WALKS_OF_SEARCH) {
		call_refuse(call, 503, NULL,
		    "there are too many tokens to find one by its name, and nothing was changed: "
		    "give its id");
		return;
	}
	walk_end(&search->walk);
	search->walk = (struct walk){0};
	walk_begin(&control->walks, &search->walk, call, search_step);
}

static void
search_step(struct call *call)
{
	struct search *search = call->state;

	if (walk_goes_on(&search->walk))
		store_page(search->walk.store, RECORD_TOKEN, &search->after, search_page, call);
	else
		search_begin(call);
}

void
handler_token(struct call *call, void (*next)(struct call *call))
{
	struct search *search;

	CHECK(call->caller != CALLER_UNAUTHENTICATED && call->state == NULL, call_dump, call);
	if (jg_token_id_valid(call->id) || !jg_token_name_valid(call->id)) {
		next(call);
		return;
	}
	search = calloc(1, sizeof(*search));
	if (search == NULL) {
		call_refuse_memory(call);
		return;
	}
	call->kind = RECORD_TOKEN;
	call->state = search;
	call->state_free = search_free;
	search->after = STORE_CURSOR_START;
	search->next = next;
	search_begin(call);
}
