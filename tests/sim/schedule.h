/* schedule.h - simulated time, and alarms that are due at some time. */
#ifndef SIM_SCHEDULE_H
#define SIM_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

/* Something that is due at a time. It lives in its owner, who stops it before it goes. */
struct alarm {
	void (*fire)(struct alarm *alarm);
	uint64_t at_ns;
	uint64_t order; /* of two that are due at the same time the one set first fires first */
	size_t place;	/* in the heap, from 1; 0: not set */
};

/* Since the beginning of the run. */
uint64_t schedule_now_ns(void);

/* Set it, or set it to another time. A time in the past means now. */
void alarm_set(struct alarm *alarm, uint64_t at_ns);
void alarm_stop(struct alarm *alarm);

static inline bool
alarm_is_set(const struct alarm *alarm)
{
	return alarm->place != 0;
}

/* When the next alarm is due; UINT64_MAX: none is set. */
uint64_t schedule_next_ns(void);

/*
 * Let time pass up to this moment without firing anything. Not past the next alarm: code that wants
 * more sets an alarm and gives way.
 */
void schedule_pass(uint64_t until_ns);

/* Fire the next alarm at its time, unless it is due later than that. False when there is none. */
bool schedule_step(uint64_t until_ns);

#endif
