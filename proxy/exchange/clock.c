/* clock.c - the time of a turn: what the directory has to tell by now, and the Date of answers. */
#include "exchange/state.h"

struct slice
gateway_date(struct gateway *gateway)
{
	int64_t second = loop_wall_us(gateway->loop) / 1000000;

	if (second != gateway->date_second) {
		http_date(second, gateway->date);
		gateway->date_second = second;
	}
	return (struct slice){gateway->date, sizeof(gateway->date)};
}

void
gateway_catch_up(struct gateway *gateway)
{
	uint64_t now_ms = loop_read_ms(gateway->loop);

	if (now_ms >= jg_directory_due_ms(gateway->directory))
		jg_directory_tick(gateway->directory, now_ms);
}
