/* fake_clock.h - the clock of a test's loop, which the test moves. */
#ifndef JOBGATE_TEST_FAKE_CLOCK_H
#define JOBGATE_TEST_FAKE_CLOCK_H

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"

/* Milliseconds by which the loop's clock is ahead of the machine's. */
static uint64_t ahead_ms;

/* In the place of libc's, for all of this program. */
int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = (int)syscall(SYS_clock_gettime, clock, out);

	if (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
	    clock == CLOCK_MONOTONIC_COARSE) {
		uint64_t ns = (uint64_t)out->tv_nsec + ahead_ms % 1000 * 1000000;

		out->tv_sec += (time_t)(ahead_ms / 1000 + ns / 1000000000);
		out->tv_nsec = (long)(ns % 1000000000);
	}
	return result;
}

static inline void
fake_clock_mark(struct timer *timer)
{
	timer->due_ms = 0;
}

/*
 * Let this many milliseconds pass: all timers that are due then have expired. The clock ends up to
 * two ticks of the wheel later, and real time passes as well: leave a second to what must not be
 * due.
 */
static inline void
fake_clock_pass(struct loop *loop, uint64_t ms)
{
	struct timer mark = {.expired = fake_clock_mark};

	ahead_ms += ms;
	loop_read_ms(loop);
	/* The wheel comes to the mark last. */
	timer_start(loop, &mark, 1);
	while (mark.due_ms != 0) {
		ahead_ms += 10;
		loop_turn(loop, false);
	}
	timer_remove(&mark);
	loop_turn(loop, false);
}

#endif
