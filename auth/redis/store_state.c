/* store_state.c - the states of an operation, and what dumps show of stores and operations. */
#include "auth/redis/store_state.h"

#include "auth/record.h"
#include "jobgate/state.h"

static const struct state_row confirmation_states[] = {
    [CONFIRMATION_NONE] = {"none", STATE(CONFIRMATION_DUE)},
    [CONFIRMATION_DUE] = {"due", STATE(CONFIRMATION_ASKED) | STATE(CONFIRMATION_NONE)},
    [CONFIRMATION_ASKED] = {"asked", STATE(CONFIRMATION_NONE)},
};

void
operation_set_confirmation(struct operation *operation, enum confirmation to)
{
	CHECK(state_allows(confirmation_states, operation->confirmation, to), operation_dump,
	    operation);
	PROBE_STATE(confirmation, operation, operation->confirmation, to);
	operation->confirmation = to;
}

void
operation_dump(const struct operation *operation, struct dump *dump)
{
	jg_dump_begin(dump, "operation");
	jg_dump_word(dump, "kind", record_types[operation->kind].noun);
	jg_dump_text(dump, "id", slice_of(operation->id));
	jg_dump_flag(dump, "change", operation->change);
	jg_dump_flag(dump, "told",
	    operation->done == NULL && operation->page_done == NULL &&
		operation->walk_done == NULL);
	jg_dump_word(dump, "confirmation", confirmation_states[operation->confirmation].name);
	jg_dump_flag(dump, "held", operation->held);
	jg_dump_end(dump);
}

static size_t
count_operations(const struct store *store)
{
	const struct operation *operation = TAILQ_FIRST(&store->operations);
	size_t count = 0;

	for (; operation != NULL; operation = TAILQ_NEXT(operation, link))
		count++;
	return count;
}

void
store_dump(const struct store *store, struct dump *dump)
{
	jg_dump_begin(dump, "store");
	jg_dump_flag(dump, "for_lists", store->for_lists);
	jg_dump_flag(dump, "of_primary", store->of_primary);
	jg_dump_flag(dump, "told_down", store->told_down);
	jg_dump_number(dump, "backoff_ms", store->backoff_ms);
	jg_dump_number(dump, "operations", count_operations(store));
	jg_dump_number(dump, "wait_replicas", store->wait.count);
	jg_dump_flag(dump, "waiting", store->waiting);
	if (store->connection != NULL)
		redis_connection_dump(store->connection, dump);
	if (store->election != NULL)
		redis_election_dump(store->election, dump);
	if (!TAILQ_EMPTY(&store->operations))
		operation_dump(TAILQ_FIRST(&store->operations), dump);
	jg_dump_end(dump);
}
