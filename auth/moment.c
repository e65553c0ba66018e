/* moment.c - reads and writes moments. */
#define _GNU_SOURCE 1 /* timegm */
#include "auth/moment.h"

#include <stdio.h>
#include <time.h>

#include "auth/ascii.h"
#include "auth/record.h"

#define YEAR_AT 0
#define MONTH_AT 5
#define DAY_AT 8
#define HOUR_AT 11
#define MINUTE_AT 14
#define SECOND_AT 17
#define FRACTION_AT 19

/* The digits there were checked. */
static int
number_at(struct slice text, size_t at, size_t digits)
{
	uint64_t number = 0;

	slice_to_number((struct slice){text.at + at, digits}, 9999, &number);
	return (int)number;
}

/* The milliseconds of the fraction; 0 when there is none. */
static unsigned
milliseconds(struct slice text)
{
	unsigned ms = 0, unit = 100;

	if (text.at[FRACTION_AT] != '.')
		return 0;
	for (size_t i = FRACTION_AT + 1; is_digit(text.at[i]); i++, unit /= 10)
		ms += unit * (unsigned)(text.at[i] - '0');
	return ms;
}

bool
moment_parse(struct slice text, uint64_t *ms)
{
	struct tm given, utc;
	time_t seconds;

	if (!record_time_valid(text))
		return false;
	given = (struct tm){.tm_year = number_at(text, YEAR_AT, 4) - 1900,
	    .tm_mon = number_at(text, MONTH_AT, 2) - 1,
	    .tm_mday = number_at(text, DAY_AT, 2),
	    .tm_hour = number_at(text, HOUR_AT, 2),
	    .tm_min = number_at(text, MINUTE_AT, 2),
	    .tm_sec = number_at(text, SECOND_AT, 2)};
	utc = given;
	seconds = timegm(&utc);
	/* timegm turns 30 February into a day of March; such a text is refused. */
	if (seconds < 0 || utc.tm_mon != given.tm_mon || utc.tm_mday != given.tm_mday ||
	    utc.tm_hour != given.tm_hour || utc.tm_min != given.tm_min ||
	    utc.tm_sec != given.tm_sec)
		return false;
	*ms = (uint64_t)seconds * 1000 + milliseconds(text);
	if (*ms == 0)
		*ms = 1;
	return true;
}

void
moment_format(uint64_t ms, char out[MOMENT_TEXT_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;
	size_t len;

	gmtime_r(&seconds, &utc);
	len = strftime(out, MOMENT_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
	if (ms % 1000 != 0)
		snprintf(out + len, MOMENT_TEXT_MAX - len, ".%03uZ", (unsigned)(ms % 1000));
	else
		snprintf(out + len, MOMENT_TEXT_MAX - len, "Z");
}
