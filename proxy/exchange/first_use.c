/* first_use.c - notes the first use of a token and of a job in each minute. */
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"

/* A sidecar's job has no entry: it is the only one. True for its first use in this minute. */
static bool
is_first_use(struct exchange *exchange, struct directory_entry *job, uint64_t minute)
{
	struct exchange_context *context = exchange->context;
	struct slice id;

	if (job != NULL)
		return jg_directory_use(job, minute, &id);
	if (!exchange->route.names_job || context->job_minute == minute)
		return false;
	context->job_minute = minute;
	return true;
}

void
exchange_note_use(struct exchange *exchange, const struct lookup *lookup)
{
	uint64_t minute = (uint64_t)exchange->started_us / (RECORD_USE_MS * UINT64_C(1000));
	struct uses *uses = &exchange->context->stats->uses;
	struct slice id;

	if (lookup->token_entry != NULL && jg_directory_use(lookup->token_entry, minute, &id))
		uses_add(uses, false, id, minute);
	if (is_first_use(exchange, lookup->job_entry, minute))
		uses_add(uses, true, route_job(&exchange->route), minute);
}
