/* duration.c - reads durations. */
#include "auth/cli/duration.h"

bool
duration_parse(struct slice text, uint64_t *seconds)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	struct slice number = {text.at, text.len > 0 ? text.len - 1 : 0};
	uint64_t count;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (number.len == 0 || text.at[number.len] != units[i].letter)
			continue;
		if (!slice_to_number(number, DURATION_MAX_S / units[i].seconds, &count) ||
		    count == 0)
			return false;
		*seconds = count * units[i].seconds;
		return true;
	}
	return false;
}
