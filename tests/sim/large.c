/* large.c - the steps of a large fleet's run, each until all gateways have come to its end. */
#include "large.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "jobgate/container_of.h"
#include "trace.h"

#define STEP_TIMEOUT_NS (120 * (uint64_t)NS_PER_S) /* of each step */
#define REST_NS (10 * (uint64_t)NS_PER_S)
#define ASK_NS (100 * (uint64_t)NS_PER_MS) /* between two requests to a gateway */

/* ---- steps ---- */

/* What the store has done since the step began. */
struct step {
	const char *name;
	uint64_t began_ns, spent_ns, commands, pushes;
};

static struct step
step_begin(struct large *large, const char *name)
{
	const struct redis_thread *thread = large->primary->thread;

	large->began_ns = schedule_now_ns();
	fprintf(stderr, "%s at %.3f s\n", name, (double)large->began_ns / 1e9);
	return (struct step){
	    name, large->began_ns, thread->spent_ns, large->primary->commands, thread->pushes};
}

static void
step_print(const struct large *large, const struct step *step)
{
	const struct redis_thread *thread = large->primary->thread;

	printf("%s_s %.6f\n", step->name, (double)(schedule_now_ns() - step->began_ns) / 1e9);
	printf(
	    "%s_redis_cpu_s %.6f\n", step->name, (double)(thread->spent_ns - step->spent_ns) / 1e9);
	printf("%s_redis_commands %llu\n", step->name,
	    (unsigned long long)(large->primary->commands - step->commands));
	printf("%s_redis_pushes %llu\n", step->name,
	    (unsigned long long)(thread->pushes - step->pushes));
}

static void
run_for(uint64_t ns)
{
	uint64_t until_ns = schedule_now_ns() + ns;

	while (schedule_step(until_ns))
		;
	schedule_pass(until_ns);
}

static void
wait_for_all(struct large *large, const char *what)
{
	uint64_t until_ns = schedule_now_ns() + STEP_TIMEOUT_NS;

	while (large->waiting > 0 && schedule_step(until_ns))
		;
	if (large->waiting == 0)
		return;
	printf("VIOLATION: %u of them did not come: %s\n", large->waiting, what);
	exit(1);
}

static void
complain(struct large *large, const struct large_client *client, const char *what, unsigned status)
{
	if (large->wrong++ < 10)
		printf("VIOLATION: gateway %u: %s got %u\n", client->gateway->number, what, status);
}

/* ---- they start, and rest ---- */

static void
start_all(struct large *large)
{
	struct step step = step_begin(large, "start");
	unsigned ready = 0;

	large_gateways_start(large);
	while (ready < large->options.gateways) {
		unsigned before = ready;

		run_for(NS_PER_MS);
		ready = large_gateways_ready(large);
		for (unsigned i = before; i < ready; i++)
			large_sample_add(&large->ready, schedule_now_ns() - large->began_ns);
		if (schedule_now_ns() - large->began_ns > STEP_TIMEOUT_NS) {
			printf("VIOLATION: %u gateways never accept\n",
			    large->options.gateways - ready);
			exit(1);
		}
	}
	step_print(large, &step);
}

static uint64_t
heap_bytes(const struct large *large)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < large->options.gateways; i++)
		bytes += large->gateways[i].node.heap.bytes;
	return bytes;
}

static void
rest(struct large *large)
{
	struct step step;

	run_for(2 * (uint64_t)NS_PER_S);
	step = step_begin(large, "rest");
	run_for(REST_NS);
	step_print(large, &step);
	printf("gateway_bytes %llu\n",
	    (unsigned long long)(heap_bytes(large) / large->options.gateways));
}

/* ---- each token is used through three gateways ---- */

/* The n-th token that a gateway's clients use; NULL: it was the last. */
static const struct large_token *
use_of(const struct large *large, const struct large_gateway *gateway, unsigned n)
{
	uint64_t at = gateway->number + (uint64_t)n * large->options.gateways;
	uint64_t uses = (uint64_t)LARGE_USED_BY * large->options.tokens;

	/* Each round gives the tokens to other gateways. */
	return at < uses
		   ? &large->tokens[(at + at / large->options.tokens * 7) % large->options.tokens]
		   : NULL;
}

static void
on_use(struct large_client *client, unsigned status)
{
	struct large_gateway *gateway = client->gateway;
	struct large *large = gateway->large;
	const struct large_token *token = use_of(large, gateway, ++gateway->next_use);

	if (status != 200)
		complain(large, client, "a good token", status);
	if (token != NULL)
		large_client_ask(client, token, "/");
	else
		large->waiting--;
}

static void
use_tokens(struct large *large)
{
	struct step step = step_begin(large, "use");
	uint64_t before = heap_bytes(large);

	large->waiting = 0;
	for (unsigned i = 0; i < large->options.gateways; i++) {
		struct large_gateway *gateway = &large->gateways[i];
		const struct large_token *token = use_of(large, gateway, 0);

		gateway->uses.answered = on_use;
		large->waiting += token != NULL;
		if (token != NULL)
			large_client_ask(&gateway->uses, token, "/");
	}
	wait_for_all(large, "the answers to good tokens");
	step_print(large, &step);
	printf("entry_bytes %.0f\n",
	    (double)(heap_bytes(large) - before) / (LARGE_USED_BY * large->options.tokens));
}

/* ---- revocations ---- */

static void
on_stream(struct large_client *client, unsigned status)
{
	struct large *large = client->gateway->large;

	if (status != 200)
		complain(large, client, "a good token", status);
	large->waiting--;
}

static void
on_cut(struct large_client *client, unsigned status)
{
	struct large *large = client->gateway->large;

	if (status != 0)
		complain(large, client, "a stream that runs", status);
	large_sample_add(&large->revoked, schedule_now_ns() - large->began_ns);
	large->waiting--;
}

static void delete (struct large *large, const struct large_token *token)
{
	char key[64];

	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	redis_do(large->primary, (const char *[]){"DEL", key, NULL});
}

static void
revoke_token(struct large *large, const struct large_token *token)
{
	for (unsigned i = 0; i < large->options.gateways; i++) {
		large->gateways[i].stream.answered = on_stream;
		large_client_ask(&large->gateways[i].stream, token, "/hold/");
	}
	large->waiting = large->options.gateways;
	wait_for_all(large, "the streams");
	for (unsigned i = 0; i < large->options.gateways; i++)
		large->gateways[i].stream.answered = on_cut;
	run_for(20 * NS_PER_MS);
	large->waiting = large->options.gateways;
	large->began_ns = schedule_now_ns();
	delete (large, token);
	wait_for_all(large, "the ends of streams whose token is deleted");
	large_sample_add(&large->everywhere, schedule_now_ns() - large->began_ns);
}

static void
revoke_all(struct large *large)
{
	struct step step = step_begin(large, "revoke");

	for (unsigned i = 0; i < large->options.revocations; i++)
		revoke_token(large, &large->tokens[large->options.tokens + i]);
	step_print(large, &step);
}

/* ---- a failover ---- */

static void
on_asked(struct large_client *client, unsigned status)
{
	struct large_gateway *gateway = client->gateway;
	struct large *large = gateway->large;
	bool good = client->token == &large->tokens[large->token_count - 1];

	if (large->over)
		return;
	alarm_set(&gateway->asks, client->asked_ns + ASK_NS);
	if (!good && status == 200 && large->primary == &large->redis[1] &&
	    client->asked_ns > large->began_ns)
		large->honoured_ns = client->asked_ns - large->began_ns;
	if (good && status == 401)
		complain(large, client, "a good token", status);
	if (good && status != 200 && gateway->lost_ns == 0)
		gateway->lost_ns = client->asked_ns;
	if (good && status == 200 && gateway->lost_ns != 0 && gateway->back_ns == 0)
		gateway->back_ns = client->asked_ns;
}

static void
on_asks(struct alarm *alarm)
{
	struct large_gateway *gateway = container_of(alarm, struct large_gateway, asks);
	struct large *large = gateway->large;

	if (!large->over)
		large_client_ask(&gateway->uses,
		    &large->tokens[large->token_count - 1 - gateway->turn++ % 2], "/");
}

static void
fail_over(struct large *large)
{
	const struct config *config = large->config;
	struct step step;
	uint64_t killed_ns;

	for (unsigned i = 0; i < large->options.gateways; i++) {
		struct large_gateway *gateway = &large->gateways[i];

		gateway->uses.answered = on_asked;
		gateway->asks.fire = on_asks;
		alarm_set(&gateway->asks, schedule_now_ns() + random_below(&large->random, ASK_NS));
	}
	run_for(NS_PER_S);
	killed_ns = schedule_now_ns();
	redis_kill(large->primary);
	run_for(large->options.promoted_ns);
	large_store_fail_over(large);
	step = step_begin(large, "failover");
	delete (large, &large->tokens[large->token_count - 2]);
	run_for(2 * config->store.max_staleness * NS_PER_MS);
	large->over = true;
	step_print(large, &step);
	for (unsigned i = 0; i < large->options.gateways; i++) {
		const struct large_gateway *gateway = &large->gateways[i];

		if (gateway->lost_ns == 0)
			continue;
		large_sample_add(&large->lost, gateway->lost_ns - killed_ns);
		if (gateway->back_ns == 0)
			complain(large, &gateway->uses, "a good token after a failover", 503);
		else
			large_sample_add(&large->back, gateway->back_ns - killed_ns);
	}
	if (large->honoured_ns > config->store.max_staleness * NS_PER_MS)
		complain(large, &large->gateways[0].uses, "a token deleted long ago", 200);
}

/* ---- the run ---- */

static void
report(struct large *large)
{
	large_sample_print(&large->ready, "ready_ms");
	large_sample_print(&large->revoked, "revoked_ms");
	large_sample_print(&large->everywhere, "everywhere_ms");
	printf("refusing %zu\n", large->lost.count);
	large_sample_print(&large->lost, "lost_ms");
	large_sample_print(&large->back, "back_ms");
	printf("honoured_ms %.3f\n", (double)large->honoured_ns / 1e6);
	printf("hash %016llx\n", (unsigned long long)trace_hash());
	printf("wrong %u\n", large->wrong);
	fflush(stdout);
}

bool
large_run(const struct large_options *options)
{
	static struct large large; /* with the stacks of its workers it lives until the end */

	large.options = *options;
	random_init(&large.random, options->seed, "large", 0);
	host_init(&large.clients, "clients", 0, 0x0a000401u, options->seed);
	large.clients.rules =
	    (struct host_rules){.delay_ns = 30 * NS_PER_US, .jitter_ns = 20 * NS_PER_US};
	json_object_seed(1); /* it would read the system's random bytes */
	large_store_start(&large);
	large_backend_start(&large);
	large_gateways_init(&large);
	run_for(NS_PER_S);
	start_all(&large);
	rest(&large);
	use_tokens(&large);
	revoke_all(&large);
	fail_over(&large);
	report(&large);
	return large.wrong == 0;
}
