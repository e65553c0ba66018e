/* schedule.c - a heap of alarms. */
#include "schedule.h"

#include <stdlib.h>

static struct {
	uint64_t now_ns, order;
	struct alarm **heap; /* from place 1 */
	size_t count, room;
} schedule;

uint64_t
schedule_now_ns(void)
{
	return schedule.now_ns;
}

static bool
is_before(const struct alarm *a, const struct alarm *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void
put(struct alarm *alarm, size_t place)
{
	schedule.heap[place] = alarm;
	alarm->place = place;
}

static void
sift_up(struct alarm *alarm, size_t place)
{
	while (place > 1 && is_before(alarm, schedule.heap[place / 2])) {
		put(schedule.heap[place / 2], place);
		place /= 2;
	}
	put(alarm, place);
}

static void
sift_down(struct alarm *alarm, size_t place)
{
	for (;;) {
		size_t child = 2 * place;

		if (child < schedule.count &&
		    is_before(schedule.heap[child + 1], schedule.heap[child]))
			child++;
		if (child > schedule.count || !is_before(schedule.heap[child], alarm))
			break;
		put(schedule.heap[child], place);
		place = child;
	}
	put(alarm, place);
}

void
alarm_stop(struct alarm *alarm)
{
	struct alarm *last;
	size_t place = alarm->place;

	if (place == 0)
		return;
	last = schedule.heap[schedule.count--];
	alarm->place = 0;
	if (last == alarm)
		return;
	if (place > 1 && is_before(last, schedule.heap[place / 2]))
		sift_up(last, place);
	else
		sift_down(last, place);
}

void
alarm_set(struct alarm *alarm, uint64_t at_ns)
{
	alarm_stop(alarm);
	if (schedule.count + 1 >= schedule.room) {
		schedule.room = schedule.room == 0 ? 1024 : 2 * schedule.room;
		schedule.heap = realloc(schedule.heap, schedule.room * sizeof(*schedule.heap));
		if (schedule.heap == NULL)
			abort();
	}
	alarm->at_ns = at_ns > schedule.now_ns ? at_ns : schedule.now_ns;
	alarm->order = ++schedule.order;
	sift_up(alarm, ++schedule.count);
}

uint64_t
schedule_next_ns(void)
{
	return schedule.count > 0 ? schedule.heap[1]->at_ns : UINT64_MAX;
}

void
schedule_pass(uint64_t until_ns)
{
	if (until_ns > schedule.now_ns)
		schedule.now_ns = until_ns;
}

bool
schedule_step(uint64_t until_ns)
{
	struct alarm *alarm;

	if (schedule_next_ns() > until_ns)
		return false;
	alarm = schedule.heap[1];
	alarm_stop(alarm);
	schedule_pass(alarm->at_ns);
	alarm->fire(alarm);
	return true;
}
