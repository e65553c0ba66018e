/* replica.c - which of its job's URLs a request goes to. */
#include "auth/siphash.h"
#include "exchange/exchange_forward.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "jobgate/check.h"

static struct backend *
enter(const struct exchange *exchange, const struct job_url *target)
{
	struct exchange_context *context = exchange->context;

	return pool_enter(context->pool, target,
	    exchange_fixed_target(context) != NULL ? BACKEND_OF_CONFIGURATION : BACKEND_OF_RECORD);
}

/* How many replicas were not tried yet. */
static size_t
untried_count(const struct exchange *exchange, size_t url_count)
{
	size_t count = 0;

	for (size_t i = 0; i < url_count; i++)
		count += (exchange->tried >> i & 1) == 0;
	return count;
}

/* The index of the n-th one that was not tried. */
static size_t
untried_at(const struct exchange *exchange, size_t n)
{
	size_t i = 0;

	for (;; i++)
		if ((exchange->tried >> i & 1) == 0 && n-- == 0)
			return i;
}

/*
 * Of two replicas that are drawn, the better one: nearly as good as the best of all, and unlike
 * that one it is not the same for all workers and gateways at a time. Its backend is entered. NULL
 * when memory is short.
 */
static const struct job_url *
draw(struct exchange *exchange, const struct job_replicas *replicas, size_t untried)
{
	const struct slice seed = {(const char *)&exchange->serial, sizeof(exchange->serial)};
	uint64_t random = siphash_64(exchange->context->digests.key, seed);
	size_t first = (size_t)(random % untried), second = first;
	struct backend *backends[2];
	size_t indexes[2], chosen;

	if (untried > 1)
		second = (first + 1 + (size_t)((random >> 32) % (untried - 1))) % untried;
	indexes[0] = untried_at(exchange, first);
	indexes[1] = untried_at(exchange, second);
	backends[0] = enter(exchange, &replicas->items[indexes[0]]);
	backends[1] = backends[0] != NULL ? enter(exchange, &replicas->items[indexes[1]]) : NULL;
	chosen = backends[1] == NULL || pool_prefers(backends[0], backends[1]) ? 0 : 1;
	if (backends[1 - chosen] != NULL)
		pool_leave(backends[1 - chosen]);
	if (backends[chosen] == NULL)
		return NULL;
	exchange->backend = backends[chosen];
	exchange->tried |= (uint16_t)(1u << indexes[chosen]);
	exchange->upstream_user.elsewhere = untried > 1;
	return &replicas->items[indexes[chosen]];
}

/* As exchange_enter, for a job with several URLs. */
static __attribute__((noinline)) const struct job_url *
enter_one(struct exchange *exchange, const struct job *job)
{
	return draw(exchange, &job->replicas, job->replicas.count);
}

const struct job_url *
exchange_enter(struct exchange *exchange, const struct job *job)
{
	const struct job_url *target = &job->url;

	CHECK(exchange->backend == NULL, exchange_dump, exchange);
	if (job->replicas.count > 0)
		target = enter_one(exchange, job);
	else
		exchange->backend = enter(exchange, target);
	if (exchange->backend == NULL)
		return NULL;
	exchange->target = exchange_target_hash(target);
	return target;
}

bool
exchange_change_replica(struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;
	struct directory_answer answer;
	struct backend *left = exchange->backend;
	const struct job_replicas *replicas;
	const struct job_url *target;
	size_t untried;

	if (exchange->tried == 0 || exchange->job_moved)
		return false;
	answer = jg_directory_watched(
	    context->directory, &exchange->job_watch, loop_now_ms(context->loop));
	if (answer.known != RECORD_KNOWN)
		return false;
	replicas = &answer.record->job.replicas;
	untried = untried_count(exchange, replicas->count);
	if (untried == 0)
		return false;
	target = draw(exchange, replicas, untried);
	if (target == NULL)
		return false;
	if (!exchange_keep_for(exchange, target)) {
		pool_leave(exchange->backend);
		exchange->backend = left;
		return false;
	}
	exchange->target = exchange_target_hash(target);
	pool_leave(left);
	return true;
}

bool
exchange_left_by_job(const struct exchange *exchange, const struct job *job)
{
	if (exchange_target_hash(&job->url) == exchange->target)
		return false;
	for (size_t i = 1; i < job->replicas.count; i++)
		if (exchange_target_hash(&job->replicas.items[i]) == exchange->target)
			return false;
	return true;
}
