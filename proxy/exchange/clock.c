/* clock.c - the clock: notices of the directory that are due, and the Date of answers. */
#include "jobgate/clock.h"
#include "exchange/context_state.h"
#include "jobgate/container_of.h"

struct slice
exchange_date(struct exchange_context *context)
{
	int64_t second = loop_wall_us(context->loop) / 1000000;

	if (second != context->date_second) {
		http_date(second, context->date);
		context->date_second = second;
	}
	return (struct slice){context->date, sizeof(context->date)};
}

static void
set_wall(struct exchange_context *context, uint64_t now_ms)
{
	/* Two readings side by side, so a pause since now_ms does not look like a clock that was
	 * set. */
	jg_directory_set_wall(context->directory, now_ms,
	    now_ms + clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME));
}

bool
exchange_catch_up(struct exchange_context *context)
{
	uint64_t now_ms = loop_read_ms(context->loop);

	if (now_ms < jg_directory_due_ms(context->directory))
		return context->telling;
	set_wall(context, now_ms);
	jg_directory_tick(context->directory, now_ms);
	return context->telling;
}

void
exchange_tell_more(struct task *task)
{
	struct exchange_context *context = container_of(task, struct exchange_context, tell_task);
	uint64_t now_ms = loop_read_ms(context->loop);

	set_wall(context, now_ms);
	jg_directory_turn(context->directory, now_ms);
	context->telling = jg_directory_tells(context->directory);
	if (context->telling)
		loop_defer(context->loop, &context->tell_task);
}
