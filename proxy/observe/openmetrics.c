/* openmetrics.c - rewrites the text form of Prometheus line by line. */
#include "observe/openmetrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobgate/slice.h"

#define TOTAL "_total"
#define TRACED_BUCKETS "jobgate_request_duration_seconds_bucket{"

static bool
ends_with(struct slice text, const char *end)
{
	size_t len = strlen(end);

	return text.len > len && memcmp(text.at + text.len - len, end, len) == 0;
}

/* True when another metric already has the name that the family of this counter would have. */
static bool
is_taken(const char *text, struct slice family)
{
	char line[128];

	snprintf(line, sizeof(line), "# TYPE %.*s ", (int)family.len, family.at);
	return strstr(text, line) != NULL;
}

/* The name of the family: of a counter without _total, unless that is taken. */
static struct slice
family_of(const char *text, struct slice name)
{
	struct slice family = name;

	if (!ends_with(name, TOTAL))
		return name;
	family.len -= strlen(TOTAL);
	return is_taken(text, family) ? name : family;
}

static void
write_type(FILE *out, const char *text, struct slice name, struct slice type)
{
	static const char *const units[] = {"seconds", "bytes"};
	struct slice family = family_of(text, name);

	/* In OpenMetrics no counter has samples with the name of its family. */
	if (family.len == name.len && ends_with(name, TOTAL))
		type = SLICE("unknown");
	fprintf(out, "# TYPE %.*s %.*s\n", (int)family.len, family.at, (int)type.len, type.at);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		char end[16];

		snprintf(end, sizeof(end), "_%s", units[i]);
		if (ends_with(family, end))
			fprintf(out, "# UNIT %.*s %s\n", (int)family.len, family.at, units[i]);
	}
}

static void
write_help(FILE *out, const char *text, struct slice name, struct slice help)
{
	struct slice family = family_of(text, name);

	fprintf(out, "# HELP %.*s ", (int)family.len, family.at);
	for (size_t i = 0; i < help.len; i++) {
		if (help.at[i] == '"') /* it has no escape in the other form */
			fputc('\\', out);
		fputc(help.at[i], out);
	}
	fputc('\n', out);
}

static void
write_exemplar(FILE *out, const struct shared_stats *stats, size_t bucket)
{
	struct exemplar_seen latest = {0}, seen;

	for (size_t i = 0; i < stats->worker_count && bucket <= HISTOGRAM_BOUNDS; i++)
		if (exemplar_read(&stats->workers[i].exemplars[bucket], &seen) &&
		    seen.at_us > latest.at_us)
			latest = seen;
	if (latest.at_us != 0)
		fprintf(out, " # {trace_id=\"%.*s\"} %llu.%06llu %llu.%03llu", EXEMPLAR_TRACE_LEN,
		    latest.trace, (unsigned long long)(latest.us / 1000000),
		    (unsigned long long)(latest.us % 1000000),
		    (unsigned long long)(latest.at_us / 1000000),
		    (unsigned long long)(latest.at_us / 1000 % 1000));
}

char *
openmetrics_render(char *text, const struct shared_stats *stats)
{
	struct slice rest = slice_of(text != NULL ? text : "");
	char *made = NULL;
	size_t len, bucket = 0;
	FILE *out = text != NULL ? open_memstream(&made, &len) : NULL;

	if (out == NULL) {
		free(text);
		return NULL;
	}
	while (rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n'), words = line, name;

		if (slice_starts_with(line, SLICE("# HELP ")) ||
		    slice_starts_with(line, SLICE("# TYPE "))) {
			words = slice_after(line, SLICE("# HELP ").len);
			name = slice_cut(&words, ' ');
			(line.at[2] == 'H' ? write_help : write_type)(out, text, name, words);
			continue;
		}
		fwrite(line.at, 1, line.len, out);
		if (slice_starts_with(line, SLICE(TRACED_BUCKETS)))
			write_exemplar(out, stats, bucket++);
		fputc('\n', out);
	}
	fputs("# EOF\n", out);
	free(text);
	if (fclose(out) == 0)
		return made;
	free(made);
	return NULL;
}
