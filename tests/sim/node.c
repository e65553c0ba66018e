/* node.c - processes, their calls and their descriptors. */
#include "node.h"

#include <errno.h>
#include <string.h>

#include "jobgate/container_of.h"
#include "trace.h"

/* The code that runs. Interposed calls have nothing else by which to know who calls. */
static struct node *current;

struct node *
node_current(void)
{
	return current;
}

/* ---- running ---- */

static void
node_run(struct node *node)
{
	int own = errno;

	current = node;
	heap_use(&node->heap);
	errno = node->saved_errno;
	fiber_resume(&node->fiber);
	node->saved_errno = errno;
	heap_use(NULL);
	current = NULL;
	errno = own;
	if (!node->fiber.ended)
		return;
	node->alive = false;
	trace_event(node->name, "ended", 0, 0);
}

static void
on_wake(struct alarm *alarm)
{
	node_run(container_of(alarm, struct node, wake));
}

void
node_start(struct node *node, void (*main)(void *ctx), void *ctx, uint64_t at_ns)
{
	fiber_init(&node->fiber, main, ctx);
	node->alive = true;
	node->waiting = false;
	node->saved_errno = 0;
	node->wake.fire = on_wake;
	alarm_set(&node->wake, at_ns);
}

static void
close_all(struct node *node)
{
	for (int fd = NODE_FIRST_DESCRIPTOR; fd < NODE_DESCRIPTORS; fd++)
		if (node->table[fd] != NULL)
			node_close(node, fd);
}

void
node_kill(struct node *node)
{
	trace_event(node->name, "killed", node->heap.count, node_open(node));
	node_free(node);
}

void
node_free(struct node *node)
{
	alarm_stop(&node->wake);
	close_all(node);
	heap_free(&node->heap);
	fiber_free(&node->fiber);
	node->alive = false;
}

bool
node_has_ended(const struct node *node)
{
	return node->fiber.ended;
}

void
node_wake(struct node *node)
{
	uint64_t at_ns = schedule_now_ns() + random_below(&node->random, 20 * NS_PER_US);

	if (node->waiting && (!alarm_is_set(&node->wake) || node->wake.at_ns > at_ns))
		alarm_set(&node->wake, at_ns);
}

/* Give way until a time; heap and current node are as before when it returns. */
static void
sleep_until(struct node *node, uint64_t until_ns)
{
	if (until_ns != UINT64_MAX)
		alarm_set(&node->wake, until_ns);
	fiber_yield();
	heap_use(NULL);
}

void
node_wait(struct node *node, uint64_t until_ns)
{
	node->waiting = true;
	sleep_until(node, until_ns);
	node->waiting = false;
}

uint64_t
node_ran_since_ns(const struct node *node, uint64_t at_ns, uint64_t ran_ns)
{
	uint64_t since_ns = at_ns > ran_ns ? at_ns - ran_ns : 0;

	for (uint64_t i = 0; i < NODE_PAUSES && i < node->pause_count; i++) {
		const struct pause *pause =
		    &node->pauses[(node->pause_count - 1 - i) % NODE_PAUSES];
		uint64_t to_ns = pause->to_ns < at_ns ? pause->to_ns : at_ns;

		if (to_ns <= since_ns || pause->from_ns >= to_ns)
			continue;
		since_ns -= to_ns - pause->from_ns < since_ns ? to_ns - pause->from_ns : since_ns;
	}
	return since_ns;
}

uint64_t
node_last_stop_ns(const struct node *node)
{
	return node->pause_count > 0 ? node->pauses[(node->pause_count - 1) % NODE_PAUSES].to_ns
				     : 0;
}

/* ---- calls ---- */

/*
 * What is decided by a reading of the clock must be done before the next call, in which the worker
 * may be stopped: so often it is stopped in just that call.
 */
static const char after_clock[] = "after clock_gettime";

/* Each place in a turn is as likely as the others, however often it comes by. */
static void
choose_place(struct node *node)
{
	static const char *const places[] = {NULL, "recv", "send", "sendmsg", "getsockopt",
	    "connect", "epoll_ctl", "accept4", "clock_gettime", after_clock, after_clock,
	    after_clock};

	node->pause_at = places[random_below(&node->random, sizeof(places) / sizeof(places[0]))];
	node->pause_share = 0;
	node->pause_after = (unsigned)random_skewed(&node->random, 1, node->pause_within) - 1;
}

/*
 * Right after a reading of the clock, in calls of one order: each order is as likely as the others,
 * however seldom it comes by. Of the orders of a run (some dozens) one, a few or many are drawn.
 */
static void
choose_order(struct node *node)
{
	static const unsigned shares[] = {2, 8, 32};

	choose_place(node);
	node->pause_share = shares[random_below(&node->random, 3)];
	node->pause_salt = random_next(&node->random);
}

static void
choose(struct node *node)
{
	if (node->pause_by_order && random_chance(&node->random, 600))
		choose_order(node);
	else
		choose_place(node);
}

void
node_pause(struct node *node, uint64_t ns, unsigned within, bool by_order)
{
	node->pause_ns = ns;
	node->pause_within = within;
	node->pause_by_order = by_order;
	choose(node);
}

/* It is stopped now. What waits for it meanwhile makes the next turn long: often again in that. */
static uint64_t
take_pause(struct node *node, const char *call)
{
	uint64_t ns = node->pause_ns;

	trace_event(node->name, call, ns, 0);
	trace_say(node->name, "is stopped for %llu us, at %s", (unsigned long long)ns / 1000, call);
	node->pauses[node->pause_count++ % NODE_PAUSES] =
	    (struct pause){schedule_now_ns(), schedule_now_ns() + ns};
	if (node->stopped != NULL)
		node->stopped(node, ns);
	if (!random_chance(&node->random, 850))
		node->pause_ns = 0;
	choose(node);
	return ns;
}

static bool
is_place(const struct node *node, const char *call, bool clock_was_read)
{
	if (node->pause_at == after_clock)
		return clock_was_read && strcmp(call, "clock_gettime") != 0;
	return node->pause_at == NULL || strcmp(node->pause_at, call) == 0;
}

/* Numbers of the last calls: of their names, so that they are the same in each build. */
static void
note_call(struct node *node, const char *call)
{
	uint16_t number = 0;

	for (const char *c = call; *c != '\0'; c++)
		number = (uint16_t)(number * 31 + (unsigned char)*c);
	node->recent = node->recent << 16 | number;
}

static bool
is_in_order(const struct node *node)
{
	/* The call before the reading, the reading, and the call after it. */
	uint64_t order = node->recent & 0xffffffffffff;
	uint64_t mixed = (order ^ node->pause_salt) * 0x9e3779b97f4a7c15u;

	return (mixed >> 32) % node->pause_share == 0;
}

static bool
stops_here(struct node *node, const char *call)
{
	bool clock_was_read = node->read_clock;

	node->read_clock = strcmp(call, "clock_gettime") == 0;
	note_call(node, call);
	if (node->pause_ns > 0 && node->pause_share > 0)
		return clock_was_read && !node->read_clock && is_in_order(node);
	return node->pause_ns > 0 && is_place(node, call, clock_was_read) &&
	       node->pause_after-- == 0;
}

struct node *
node_enter(const char *call)
{
	struct node *node = current;
	uint64_t until_ns;

	if (node == NULL)
		return NULL;
	heap_use(NULL);
	node->calls++;
	node->begun_ns = schedule_now_ns();
	until_ns = schedule_now_ns() + random_below(&node->random, node->call_ns_max + 1);
	if (stops_here(node, call))
		until_ns += take_pause(node, call);
	if (schedule_next_ns() <= until_ns)
		sleep_until(node, until_ns);
	else
		schedule_pass(until_ns);
	return node;
}

long
node_leave(struct node *node, const char *call, long result)
{
	trace_event(node->name, call, (uint64_t)result, 0);
	heap_use(&node->heap);
	node->recent ^= result < 0;
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

bool
node_call_fails(struct node *node)
{
	if (++node->failable != node->failing.at &&
	    (node->failing.per_million == 0 ||
		random_below(&node->random, 1000000) >= node->failing.per_million))
		return false;
	trace_event(node->name, "fails", node->calls, 0);
	return true;
}

/* ---- descriptors ---- */

int
node_install(struct node *node, struct descriptor *descriptor)
{
	int fd = NODE_FIRST_DESCRIPTOR;

	while (fd < (int)node->descriptors_max && node->table[fd] != NULL)
		fd++;
	if (fd == (int)node->descriptors_max) {
		node->full_ns = schedule_now_ns();
		return -EMFILE;
	}
	node->table[fd] = descriptor;
	descriptor->holders++;
	return fd;
}

struct descriptor *
node_descriptor(const struct node *node, int fd)
{
	return fd >= 0 && fd < NODE_DESCRIPTORS ? node->table[fd] : NULL;
}

int
node_close(struct node *node, int fd)
{
	struct descriptor *descriptor = node_descriptor(node, fd);

	if (descriptor == NULL)
		return -EBADF;
	node->table[fd] = NULL;
	descriptor_close(descriptor);
	return 0;
}

unsigned
node_open(const struct node *node)
{
	unsigned count = 0;

	for (int fd = NODE_FIRST_DESCRIPTOR; fd < NODE_DESCRIPTORS; fd++)
		count += node->table[fd] != NULL;
	return count;
}
