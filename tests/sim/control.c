/* control.c - the control process as control_run runs it, without sockets for clients. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/reply.h"
#include "jobgate/container_of.h"
#include "operators.h"
#include "trace.h"
#include "world.h"

#define ADDRESS 0x0a000009u

static const char secret[CONTROL_SECRET_TEXT + 1] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct ip_range everywhere; /* ::/0 */

struct control_work {
	struct control_setup setup;
	struct control control;
	struct event_base *base;
};

static void
put_line(void *to, const char *line, size_t len)
{
	struct control_process *process = to;
	const struct node *node = node_enter("log");

	trace_bytes(line, len);
	trace_say("control", "log: %.*s", (int)(len > 0 ? len - 1 : 0), line);
	operators_read_log(process->world, line, len);
	if (node != NULL)
		heap_use(&process->node.heap);
}

/* ---- one call, in the process ---- */

/* An operator's part of the process: makes one call after the other. */
struct desk {
	struct control_process *process;
	unsigned index;
	struct event *timer;
};

static void
wait_ns(struct desk *desk, uint64_t ns)
{
	const struct timeval pause = {
	    .tv_sec = (time_t)(ns / NS_PER_S), .tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US)};

	event_add(desk->timer, &pause);
}

static void
on_send(struct call *call, const struct reply *reply)
{
	struct desk *desk = (struct desk *)call->connection;
	const struct control_process *process = desk->process;
	uint64_t pause;

	node_enter("answer");
	pause = operators_answered(process->world, desk->index, reply->status,
	    reply->content != NULL ? reply->content : "", reply->len);
	heap_use(&desk->process->node.heap);
	free(reply->content);
	call_free(call);
	wait_ns(desk, pause);
}

/* What the server makes of a request of our own user, or a worker, at its Unix socket. */
static struct call *
make_call(struct desk *desk, const struct operator_request *request)
{
	struct call *call = call_new(slice_of(request->path), slice_of(request->query));

	if (call == NULL)
		return NULL;
	call->ctx = &desk->process->work->control;
	call->endpoints = &api_endpoints;
	call->method = slice_of(request->method);
	call->local = !request->by_worker;
	call->vouched = request->vouched;
	memcpy(call->vouched.secret, secret, sizeof(secret));
	snprintf(call->peer, sizeof(call->peer), "operator %u", desk->index);
	call->connection = (struct connection *)desk;
	call->send = on_send;
	if (request->authorization[0] != '\0') {
		call->authorizations = 1;
		call->authorization = strdup(request->authorization);
		if (call->authorization == NULL)
			goto fail;
	}
	if (request->body[0] == '\0')
		return call;
	call->body = strdup(request->body);
	if (call->body == NULL)
		goto fail;
	call->body_len = strlen(call->body);
	return call;
fail:
	call_free(call);
	return NULL;
}

static void
on_turn(evutil_socket_t fd, short events, void *ctx)
{
	static struct operator_request request; /* used before control gives way again */
	struct desk *desk = ctx;
	struct world *world = desk->process->world;
	struct call *call;
	uint64_t pause;

	(void)fd;
	(void)events;
	node_enter("operator");
	pause = operators_ask(world, desk->index, &request);
	heap_use(&desk->process->node.heap);
	if (pause > 0) {
		wait_ns(desk, pause);
		return;
	}
	call = make_call(desk, &request);
	node_enter("begins");
	if (call != NULL)
		operators_begin(world, desk->index, call->request_id);
	else
		pause = operators_answered(world, desk->index, 500, "", 0);
	heap_use(&desk->process->node.heap);
	if (call != NULL && request.by_worker)
		caller_vouched_for(call);
	else if (call != NULL)
		caller_identify(call);
	else
		wait_ns(desk, pause);
}

/* ---- the process ---- */

static size_t
take_uses(void *ctx, struct record_use *out, size_t most)
{
	struct control_process *process = ctx;

	return operators_take_uses(process->world, out, most);
}

/* As base_new of control.c: the store's answers come first. */
struct event_base *
control_base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL && event_config_set_max_dispatch_interval(config, NULL, 8, 1) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (base != NULL && event_base_priority_init(base, 2) != 0) {
		event_base_free(base);
		base = NULL;
	}
	return base;
}

static bool
open_all(struct control_process *process)
{
	const struct control_setup *setup = &process->work->setup;
	const struct store_options options = {
	    .base = process->work->base = control_base_new(),
	    .url = setup->settings.store_url,
	    .wait = setup->settings.wait,
	    .tuning = &setup->tuning->store,
	    .of_primary = true,
	    .prefix = setup->settings.key_prefix,
	    .log = setup->log,
	};

	process->work->control = (struct control){.setup = setup, .open = &open_endpoints};
	if (process->work->base == NULL)
		return false;
	process->work->control.store = store_new(&options);
	if (process->work->control.store != NULL && process->world->scenario.uses)
		process->work->control.uses =
		    uses_writer_new(options.base, setup, process->work->control.store, NULL);
	return process->work->control.store != NULL &&
	       (process->work->control.uses != NULL || !process->world->scenario.uses) &&
	       walks_open(&process->work->control.walks, &options, &setup->tuning->control);
}

static void
run(void *ctx)
{
	struct control_process *process = ctx;
	struct desk desks[OPERATORS_MAX] = {{0}};
	unsigned count = process->world->scenario.operators;
	bool open = open_all(process);

	for (unsigned i = 0; open && i < count; i++) {
		desks[i] = (struct desk){process, i, NULL};
		desks[i].timer = evtimer_new(process->work->base, on_turn, &desks[i]);
		open = desks[i].timer != NULL;
		if (open)
			wait_ns(&desks[i], NS_PER_MS);
	}
	while (open && !process->stops && event_base_loop(process->work->base, EVLOOP_ONCE) == 0)
		;
	/* As in control_run: what was taken is written, and calls under way are answered. */
	uses_writer_finish(process->work->control.uses, process->work->base);
	walks_close(&process->work->control.walks);
	store_free(process->work->control.store);
	process->work->control.store = NULL;
	uses_writer_free(process->work->control.uses);
	for (unsigned i = 0; i < count; i++)
		if (desks[i].timer != NULL)
			event_free(desks[i].timer);
	if (process->work->base != NULL) {
		event_base_loop(process->work->base, EVLOOP_NONBLOCK);
		event_base_free(process->work->base);
	}
	if (process->node.heap.count != 0 && process->node.heap.failed == 0)
		judge_violation(process->world, "control: %zu blocks of memory are left, %zu bytes",
		    process->node.heap.count, process->node.heap.bytes);
}

static void
spawn(struct control_process *process)
{
	struct node *node = &process->node;
	const struct heap before = node->heap;

	process->spawned_ns = schedule_now_ns();
	node->heap =
	    (struct heap){.fail_per_million = before.fail_per_million, .random = before.random};
	node_start(
	    node, run, process, schedule_now_ns() + random_below(&process->random, NS_PER_MS));
}

/* ---- its own faults ---- */

static void
on_again(struct alarm *alarm)
{
	struct control_process *process = container_of(alarm, struct control_process, again);

	if (process->stops)
		return;
	if (node_has_ended(&process->node)) /* it could not start, or was killed */
		node_free(&process->node);
	spawn(process);
}

/* The supervisor starts it again. Connections that it had are closed by the kernel. */
static void
die(struct control_process *process)
{
	if (!process->node.alive)
		return;
	node_kill(&process->node);
	operators_lost(process->world);
	alarm_set(&process->again,
	    schedule_now_ns() + random_skewed(&process->random, NS_PER_MS, 500 * NS_PER_MS));
}

/* All servers are full, or let scripts fail that have changed something. */
static void
set_store(struct control_process *process, bool full, bool fails)
{
	struct store *store = &process->world->store;

	for (unsigned i = 0; i < store->count; i++) {
		store->servers[i].is_full = full;
		store->servers[i].fails_scripts = fails;
	}
}

static void
on_over(struct alarm *alarm)
{
	struct control_process *process = container_of(alarm, struct control_process, over);

	process->node.heap.fail_per_million = 0;
	process->node.failing.per_million = 0;
	process->node.pause_ns = 0;
	set_store(process, false, false);
	if (!process->node.alive && !alarm_is_set(&process->again) && !process->stops)
		on_again(&process->again);
}

static void
on_next(struct alarm *alarm)
{
	struct control_process *process = container_of(alarm, struct control_process, next);
	struct random *random = &process->random;
	uint64_t ns = random_skewed(random, NS_PER_MS, 3 * NS_PER_S);
	uint64_t until_ns = schedule_now_ns() + 2 * ns;

	alarm_set(alarm, until_ns + random_below(random, 8 * NS_PER_S));
	alarm_set(&process->over, until_ns);
	process->troubled_ns = until_ns;
	process->world->faults.total++;
	trace_event("control", "fault", ns, 0);
	switch (random_below(random, 6)) {
	case 0:
		die(process);
		return;
	case 1:
		node_pause(&process->node, ns, 30, false);
		return;
	case 2:
		process->node.heap.fail_per_million = (unsigned)random_skewed(random, 100, 100000);
		return;
	case 3:
		set_store(process, true, false);
		return;
	case 4:
		set_store(process, false, true);
		return;
	default:
		process->node.failing.per_million = (unsigned)random_skewed(random, 100, 50000);
	}
}

/* ---- from the start of a run to its end ---- */

void
control_start(struct control_process *process, struct world *world)
{
	const struct scenario *scenario = &world->scenario;

	*process = (struct control_process){.world = world,
	    .next = {.fire = on_next},
	    .again = {.fire = on_again},
	    .over = {.fire = on_over}};
	if (scenario->operators == 0)
		return;
	process->work = calloc(1, sizeof(*process->work));
	if (process->work == NULL)
		abort();
	random_init(&process->random, world->seed, "control", 0);
	host_init(&process->host, "control", 0, ADDRESS, world->seed);
	process->host.rules = scenario->rules[RULES_GATEWAY];
	store_url(&world->store, process->url, sizeof(process->url));
	snprintf(process->node.name, sizeof(process->node.name), "control");
	process->node.host = &process->host;
	process->node.descriptors_max = 1024;
	process->node.call_ns_max = 2 * NS_PER_US;
	random_init(&process->node.random, world->seed, "control", 1);
	random_init(&process->node.heap.random, world->seed, "control", 2);
	process->work->setup = (struct control_setup){.settings = {.store_url = process->url,
							  .key_prefix = "jobgate:",
							  .realm = "jobgate",
							  .public_url = "https://{job}.localhost/",
							  .scope = scenario->scope,
							  .scoped_urls = {1, &everywhere},
							  .wait = scenario->wait},
	    .gateway_secret = secret,
	    .tuning = &scenario->tuning,
	    .observe_ctx = process,
	    .uses_take = take_uses,
	    .log = {.fd = 2, /* not used: there is put */
		.level = LOG_LEVEL_INFO,
		.process = "control",
		.put = put_line,
		.to = process}};
	if (scenario->fault_ns > 0 && scenario->control_faults)
		alarm_set(&process->next, random_below(&process->random, 10 * NS_PER_S));
	spawn(process);
}

void
control_settle(struct control_process *process)
{
	alarm_stop(&process->next);
	alarm_stop(&process->over);
	if (process->world->scenario.operators > 0)
		on_over(&process->over);
	process->troubled_ns = schedule_now_ns();
}

void
control_stop(struct control_process *process)
{
	process->stops = true;
	alarm_stop(&process->again);
	if (process->node.alive)
		node_wake(&process->node);
}

void
control_check_ended(struct control_process *process)
{
	if (process->world->scenario.operators == 0)
		return;
	if (process->node.alive)
		judge_violation(process->world, "the control process does not end");
	else
		node_free(&process->node);
	if (process->world->scenario.uses)
		operators_judge_uses(process->world);
}
