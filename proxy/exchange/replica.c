/* replica.c - which of its job's URLs a request goes to. */
#include "auth/siphash.h"
#include "exchange/exchange_forward.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/health_checks.h"
#include "jobgate/check.h"

/*
 * A request that is held for replicas none of which takes connections waits at one of them for this
 * time. Then it looks at all others once more.
 */
#define STAY_MS 1000

static struct backend *
enter(const struct exchange *exchange, const struct job_url *target)
{
	struct exchange_context *context = exchange->context;

	return pool_enter(context->pool, target,
	    exchange_fixed_target(context) != NULL ? BACKEND_OF_CONFIGURATION : BACKEND_OF_RECORD);
}

/* How many of `count` replicas have no bit in `out`. */
static size_t
count_left(uint16_t out, size_t count)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += (out >> i & 1) == 0;
	return left;
}

/* The index of the n-th one of these. */
static size_t
left_at(uint16_t out, size_t n)
{
	size_t i = 0;

	for (;; i++)
		if ((out >> i & 1) == 0 && n-- == 0)
			return i;
}

/* The better of two, which may be the same one; NULL when memory is short. */
static struct backend *
enter_better(
    struct exchange *exchange, const struct job_url *urls, const size_t indexes[2], size_t *chosen)
{
	struct backend *backends[2];

	*chosen = indexes[0];
	backends[0] = enter(exchange, &urls[indexes[0]]);
	if (indexes[0] == indexes[1] || backends[0] == NULL)
		return backends[0];
	backends[1] = enter(exchange, &urls[indexes[1]]);
	if (backends[1] == NULL || pool_prefers(backends[0], backends[1])) {
		if (backends[1] != NULL)
			pool_leave(backends[1]);
		return backends[0];
	}
	*chosen = indexes[1];
	pool_leave(backends[0]);
	return backends[1];
}

/*
 * Enter the better of two random replicas that were not tried (power of two choices). If each
 * worker took the best of all, all would take the same one at the same time. Those that are not
 * healthy are chosen only if no other is left. NULL when none was left to try, or when memory is
 * short.
 */
static const struct job_url *
choose(struct exchange *exchange, const struct job *job)
{
	const struct slice seed = {(const char *)&exchange->serial, sizeof(exchange->serial)};
	uint64_t random = siphash_64(exchange->context->digests.key, seed);
	size_t count = job->replicas.count, untried = count_left(exchange->tried, count);
	uint16_t out = exchange->tried | health_checks_unhealthy(exchange->context, job);
	size_t left = count_left(out, count), first, second, chosen;
	struct backend *backend;

	if (untried == 0)
		return NULL;
	if (left == 0) {
		out = exchange->tried;
		left = untried;
	}
	first = second = (size_t)(random % left);
	if (left > 1)
		second = (first + 1 + (size_t)((random >> 32) % (left - 1))) % left;
	backend = enter_better(exchange, job->replicas.items,
	    (size_t[2]){left_at(out, first), left_at(out, second)}, &chosen);
	if (backend == NULL)
		return NULL;
	exchange->backend = backend;
	exchange->tried |= (uint16_t)(1u << chosen);
	exchange->upstream_user.elsewhere = untried > 1;
	if (untried == 1)
		exchange->upstream_user.leave_ms = loop_now_ms(exchange->context->loop) + STAY_MS;
	return &job->replicas.items[chosen];
}

/* As exchange_enter, for a job with several URLs. */
static __attribute__((noinline)) const struct job_url *
enter_replica(struct exchange *exchange, const struct request *request, const struct job *job)
{
	size_t kept = exchange_find_affinity(exchange, request, job);

	health_checks_use(exchange->context, job);
	if (kept == job->replicas.count ||
	    (health_checks_unhealthy(exchange->context, job) >> kept & 1) != 0)
		return choose(exchange, job);
	exchange->backend = enter(exchange, &job->replicas.items[kept]);
	if (exchange->backend == NULL)
		return NULL;
	exchange->tried = (uint16_t)(1u << kept);
	exchange->upstream_user.elsewhere = true;
	return &job->replicas.items[kept];
}

const struct job_url *
exchange_enter(struct exchange *exchange, const struct request *request, const struct job *job)
{
	const struct job_url *target = &job->url;

	CHECK(exchange->backend == NULL, exchange_dump, exchange);
	if (job->replicas.count > 0)
		target = enter_replica(exchange, request, job);
	else
		exchange->backend = enter(exchange, target);
	if (exchange->backend == NULL)
		return NULL;
	exchange->target = target->hash;
	return target;
}

/* Keep the request for the target, whose backend has been entered. False: it stays at `left`. */
static bool
move(struct exchange *exchange, struct backend *left, const struct job_url *target)
{
	if (!exchange_keep_for(exchange, target)) {
		pool_leave(exchange->backend);
		exchange->backend = left;
		return false;
	}
	exchange->target = target->hash;
	pool_leave(left);
	return true;
}

/* The bit of the replica to which the request goes; 0: the job does not have it any more. */
static uint16_t
bit_of(const struct exchange *exchange, const struct job *job)
{
	const struct job_url *items = job->replicas.items;

	CHECK(job->replicas.count == 0 || items != NULL, exchange_dump, exchange);
	for (size_t i = 0; i < job->replicas.count; i++)
		if (items[i].hash == exchange->target)
			return (uint16_t)(1u << i);
	return 0;
}

/*
 * While it is held, each replica is tried again once the others have been, and the last one that
 * may start is tried again and again. Those at which it failed for good are not: no time passes
 * there, so it would not pause.
 */
static const struct job_url *
choose_again(struct exchange *exchange, const struct job *job)
{
	const struct job_url *target;

	exchange->tried = exchange->failed | bit_of(exchange, job);
	target = choose(exchange, job);
	if (target != NULL)
		return target;
	exchange->tried = exchange->failed;
	return choose(exchange, job);
}

bool
exchange_change_replica(struct exchange *exchange, bool for_good)
{
	struct exchange_context *context = exchange->context;
	struct directory_answer answer;
	struct backend *left = exchange->backend;
	const struct job_url *target;
	const struct job *job;

	if (exchange->tried == 0 || exchange->job_moved)
		return false;
	answer = jg_directory_watched(
	    context->directory, &exchange->job_watch, loop_now_ms(context->loop));
	if (answer.known != RECORD_KNOWN)
		return false;
	job = jg_directory_job(answer.entry);
	if (for_good)
		exchange->failed |= bit_of(exchange, job);
	target = choose(exchange, job);
	if (target == NULL && exchange_waits(exchange))
		target = choose_again(exchange, job);
	return target != NULL && move(exchange, left, target);
}

void
exchange_stay_at_replica(struct exchange *exchange, const struct job *job)
{
	struct upstream_user *user = &exchange->upstream_user;

	exchange->tried = UINT16_MAX;
	exchange->failed = 0;
	user->elsewhere = false;
	user->leave_ms =
	    job->replicas.count > 0 ? loop_now_ms(exchange->context->loop) + STAY_MS : 0;
}

bool
exchange_follow_urls(struct exchange *exchange, const struct job *job)
{
	struct upstream *upstream = exchange->upstream;
	struct backend *left = exchange->backend;
	const struct job_url *target = &job->url;

	if (exchange->state != EXCHANGE_CONNECTING || exchange->kept == NULL ||
	    !exchange_waits(exchange))
		return false;
	exchange->tried = 0;
	exchange->upstream_user.leave_ms = 0;
	exchange->upstream_user.elsewhere = false;
	if (job->replicas.count > 0)
		target = choose(exchange, job);
	else
		exchange->backend = enter(exchange, target);
	if (target == NULL || exchange->backend == NULL) {
		exchange->backend = left;
		return false;
	}
	exchange->upstream = NULL;
	if (upstream != NULL)
		upstream->ops->cancel(upstream);
	if (!move(exchange, left, target))
		return false;
	exchange->job_moved = false;
	loop_defer(exchange->context->loop, &exchange->connect);
	return true;
}

bool
exchange_left_by_job(const struct exchange *exchange, const struct job *job)
{
	if (job->url.hash == exchange->target)
		return false;
	for (size_t i = 1; i < job->replicas.count; i++)
		if (job->replicas.items[i].hash == exchange->target)
			return false;
	return true;
}
