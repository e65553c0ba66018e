/* batch.c - counts connections and sleeps, and sleeps before a wait. */
#include "server/batch.h"

#include <sys/prctl.h>
#include <time.h>

#include "jobgate/container_of.h"

/* How late the kernel may end the sleep, in nanoseconds; its default is as long as the sleep. */
#define SLACK_NS 1000

static void
on_tick(struct timer *timer)
{
	struct batch *batch = container_of(timer, struct batch, timer);

	/* Not when no more come: then it ends without a rest. */
	if (batch->accepted > 0 && batch->accepted < batch->sleeps * BATCH_GAIN)
		batch->rest = BATCH_REST_TICKS;
	else if (batch->rest > 0)
		batch->rest--;
	batch->on = batch->rest == 0 && batch->accepted >= batch->from;
	batch->accepted = 0;
	batch->sleeps = 0;
	if (batch->on || batch->rest > 0)
		timer_start(batch->loop, timer, loop_tick_ms(batch->loop));
}

void
batch_init(struct batch *batch, struct loop *loop, unsigned from)
{
	*batch = (struct batch){.loop = loop, .timer.expired = on_tick, .from = from};
	prctl(PR_SET_TIMERSLACK, (unsigned long)SLACK_NS);
}

void
batch_end(struct batch *batch)
{
	timer_remove(&batch->timer);
}

void
batch_count(struct batch *batch)
{
	if (batch->accepted++ == 0 && batch->timer.due_ms == 0)
		timer_start(batch->loop, &batch->timer, loop_tick_ms(batch->loop));
}

uint64_t
batch_turn(struct batch *batch)
{
	const struct timespec pause = {.tv_nsec = BATCH_PAUSE_US * 1000L};
	uint64_t took_us = 0;

	if (!batch->on)
		return loop_turn(batch->loop, true);
	/* A turn in which something happened has read the clock. */
	took_us = loop_turn(batch->loop, false);
	if (took_us > 0)
		return took_us;
	batch->sleeps++;
	nanosleep(&pause, NULL);
	return loop_turn(batch->loop, true);
}
