/* amount.c - durations and numbers of bytes, short enough for a column. */
#include "auth/cli/amount.h"

#include <stdio.h>

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

void
amount_duration(double seconds, char out[AMOUNT_MAX])
{
	uint64_t whole;

	if (!(seconds > 0)) /* also not a number */
		seconds = 0;
	if (seconds > 1e12)
		seconds = 1e12;
	whole = (uint64_t)seconds;
	if (seconds < 10)
		snprintf(out, AMOUNT_MAX, "%.1fs", seconds);
	else if (whole < MINUTE)
		snprintf(out, AMOUNT_MAX, "%us", (unsigned)whole);
	else if (whole < HOUR)
		snprintf(out, AMOUNT_MAX, "%um%02us", (unsigned)(whole / MINUTE),
		    (unsigned)(whole % MINUTE));
	else if (whole < DAY)
		snprintf(out, AMOUNT_MAX, "%uh%02um", (unsigned)(whole / HOUR),
		    (unsigned)(whole % HOUR / MINUTE));
	else
		snprintf(out, AMOUNT_MAX, "%llud%02uh", (unsigned long long)(whole / DAY),
		    (unsigned)(whole % DAY / HOUR));
}

void
amount_bytes(double bytes, char out[AMOUNT_MAX])
{
	static const char units[] = " KMGTPE";
	unsigned unit = 0;

	if (!(bytes > 0))
		bytes = 0;
	while (bytes >= 999.5 && units[unit + 1] != '\0') {
		bytes /= 1024;
		unit++;
	}
	if (unit == 0)
		snprintf(out, AMOUNT_MAX, "%.0f", bytes);
	else
		snprintf(out, AMOUNT_MAX, bytes < 9.95 ? "%.1f%c" : "%.0f%c", bytes, units[unit]);
}
