/* accept.c - reads media ranges and their qualities. */
#include "jobgate/accept.h"

/* "0.25" is 250; what has another form is 0. */
static unsigned
quality(struct slice text)
{
	unsigned thousandths = 0, worth = 1000;

	if (text.len == 0 || text.len > 5 || (text.len > 1 && text.at[1] != '.'))
		return 0;
	for (size_t i = 0; i < text.len; i += i == 0 ? 2 : 1) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return 0;
		thousandths += (unsigned)(text.at[i] - '0') * worth;
		worth /= 10;
	}
	return thousandths <= 1000 ? thousandths : 0;
}

static void
add_range(struct accepted *accepted, struct slice range)
{
	struct slice type = slice_trim(slice_cut(&range, ';'));
	bool open = slice_equal_nocase(type, SLICE(OPENMETRICS_TYPE));
	bool text = slice_equal_nocase(type, SLICE("text/plain")) ||
		    slice_equal(type, SLICE("text/*")) || slice_equal(type, SLICE("*/*"));
	unsigned *best = open ? &accepted->openmetrics : &accepted->text;
	unsigned worth = 1000;

	if (!open && !text)
		return;
	while (range.len > 0) {
		struct slice value = slice_trim(slice_cut(&range, ';'));
		struct slice name = slice_trim(slice_cut(&value, '='));

		if (slice_equal_nocase(name, SLICE("q")))
			worth = quality(value);
		else if (open && slice_equal_nocase(name, SLICE("version")) &&
			 !slice_equal(value, SLICE("1.0.0")))
			return;
	}
	if (worth > *best)
		*best = worth;
}

void
jg_accepted_add(struct accepted *accepted, struct slice value)
{
	while (value.len > 0)
		add_range(accepted, slice_cut(&value, ','));
}

bool
jg_accepted_openmetrics(const struct accepted *accepted)
{
	return accepted->openmetrics > 0 && accepted->openmetrics >= accepted->text;
}
