/* clock.c - the clock: notices of the directory that are due, and the Date of answers. */
#include "jobgate/clock.h"
#include "exchange/context_state.h"

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

void
exchange_catch_up(struct exchange_context *context)
{
	uint64_t now_ms = loop_read_ms(context->loop);

	if (now_ms < jg_directory_due_ms(context->directory))
		return;
	/* Two readings side by side, so a pause since now_ms does not look like a clock that was
	 * set. */
	jg_directory_set_wall(context->directory, now_ms,
	    now_ms + clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME));
	jg_directory_tick(context->directory, now_ms);
}
