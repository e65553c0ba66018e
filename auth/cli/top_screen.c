/* top_screen.c - sorts and filters sessions, and writes them as a screen. */
#define _GNU_SOURCE 1 /* qsort_r, strcasestr */
#include "auth/cli/top_screen.h"

#include <stdlib.h>
#include <string.h>

#include "auth/cli/amount.h"

#define HEAD_LINES 3 /* sums, keys or a message, titles */
#define LINE_MAX_BYTES 1024

static const char *const sort_names[TOP_SORTS] = {"rate", "bytes", "age", "job", "token", "client"};

const char *
top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

bool
top_sort_parse(const char *text, enum top_sort *out)
{
	for (size_t i = 0; i < TOP_SORTS; i++)
		if (strcmp(text, sort_names[i]) == 0) {
			*out = (enum top_sort)i;
			return true;
		}
	return false;
}

/* ---- the rows ---- */

static const char *
text_of(const json_t *item, const char *key)
{
	const char *text = json_string_value(json_object_get(item, key));

	return text != NULL ? text : "";
}

static const char *
token_of(const json_t *item)
{
	const char *name = text_of(item, "token_name");

	return name[0] != '\0' ? name : text_of(item, "token_id");
}

static double
number_of(const json_t *item, const char *key)
{
	return json_number_value(json_object_get(item, key));
}

static bool
passes(const json_t *item, const char *filter)
{
	static const char *const keys[] = {
	    "id", "job", "token_id", "token_name", "client", "state", "method", "path"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcasestr(text_of(item, keys[i]), filter) != NULL)
			return true;
	return filter[0] == '\0';
}

static int
compare_numbers(double a, double b)
{
	return (a < b) - (a > b); /* the largest first */
}

static int
compare(const void *one, const void *other, void *ctx)
{
	const struct top_row *a = one, *b = other;
	const struct top_view *view = ctx;
	int order = 0;

	switch (view->sort) {
	case TOP_BY_RATE:
		order = compare_numbers(a->rate, b->rate);
		break;
	case TOP_BY_BYTES:
		order = compare_numbers(a->bytes, b->bytes);
		break;
	case TOP_BY_AGE:
		order = compare_numbers(a->age, b->age);
		break;
	case TOP_BY_JOB:
		order = strcmp(text_of(a->item, "job"), text_of(b->item, "job"));
		break;
	case TOP_BY_TOKEN:
		order = strcmp(token_of(a->item), token_of(b->item));
		break;
	case TOP_BY_CLIENT:
		order = strcmp(text_of(a->item, "client"), text_of(b->item, "client"));
		break;
	}
	/* The same order in each screen. */
	return order != 0 ? order : strcmp(text_of(a->item, "id"), text_of(b->item, "id"));
}

struct top_row *
top_rows(const json_t *items, const json_t *rates, const struct top_view *view, size_t *count)
{
	size_t most = json_array_size(items);
	struct top_row *rows = calloc(most + 1, sizeof(*rows));

	*count = 0;
	for (size_t i = 0; rows != NULL && i < most; i++) {
		const json_t *item = json_array_get(items, i);
		const json_t *rate = json_object_get(rates, text_of(item, "id"));

		if (passes(item, view->filter))
			rows[(*count)++] = (struct top_row){.item = item,
			    .rate =
				rate != NULL ? json_number_value(rate) : number_of(item, "rate"),
			    .bytes = number_of(item, "bytes_in") + number_of(item, "bytes_out"),
			    .age = number_of(item, "age_s")};
	}
	if (rows != NULL)
		qsort_r(rows, *count, sizeof(*rows), compare, (void *)view);
	return rows;
}

json_t *
top_rates(const json_t *items, json_t **bytes, double seconds)
{
	json_t *rates = json_object(), *now = json_object();

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *item = json_array_get(items, i);
		const char *id = text_of(item, "id");
		double all = number_of(item, "bytes_in") + number_of(item, "bytes_out");
		const json_t *before = json_object_get(*bytes, id);

		json_object_set_new(now, id, json_real(all));
		if (before != NULL && seconds > 0)
			json_object_set_new(
			    rates, id, json_real((all - json_number_value(before)) / seconds));
	}
	json_decref(*bytes);
	*bytes = now;
	return rates;
}

/* ---- the screen ---- */

enum top_column { JOB, TOKEN, CLIENT, STATE, AGE, RATE, IN, OUT, REQUEST, COLUMNS };

/* Those with the largest `rank` go first where the terminal is narrow. */
static const struct {
	const char *title;
	size_t width;
	bool right; /* aligned */
	unsigned rank;
} columns[COLUMNS] = {
    [JOB] = {"JOB", 18, false, 0},
    [TOKEN] = {"TOKEN", 12, false, 4},
    [CLIENT] = {"CLIENT", 15, false, 5},
    [STATE] = {"STATE", 10, false, 6},
    [AGE] = {"AGE", 6, true, 3},
    [RATE] = {"RATE/s", 6, true, 1},
    [IN] = {"IN", 5, true, 8},
    [OUT] = {"OUT", 5, true, 7},
    [REQUEST] = {"REQUEST", 12, false, 2},
};

/* Which columns fit; the request takes what is left. */
static void
choose_columns(size_t width, bool shown[COLUMNS], size_t *request_width)
{
	size_t total = 0;

	for (unsigned i = 0; i < COLUMNS; i++) {
		shown[i] = true;
		total += columns[i].width + 1;
	}
	for (unsigned rank = COLUMNS - 1; rank > 0 && total > width; rank--)
		for (unsigned i = 0; i < COLUMNS; i++)
			if (columns[i].rank == rank) {
				shown[i] = false;
				total -= columns[i].width + 1;
			}
	*request_width = columns[REQUEST].width + (width > total ? width - total : 0);
}

/* A line that is being written; what does not fit is left out. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len, max;
};

static void
add(struct line *line, const char *text, size_t width, bool right)
{
	size_t len = strlen(text);
	size_t pad = len < width ? width - len : 0;

	for (size_t i = 0; right && i < pad && line->len < line->max; i++)
		line->text[line->len++] = ' ';
	for (size_t i = 0; i < len && (width == 0 || i < width) && line->len < line->max; i++)
		line->text[line->len++] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	for (size_t i = 0; !right && i < pad && line->len < line->max; i++)
		line->text[line->len++] = ' ';
}

static void
end_line(struct line *line, const char *before, const char *after, FILE *out)
{
	while (line->len > 0 && line->text[line->len - 1] == ' ')
		line->len--;
	fprintf(out, "%s%.*s\033[K%s\r\n", before, (int)line->len, line->text, after);
	line->len = 0;
}

static void
add_columns(struct line *line, const struct top_row *row, size_t width)
{
	bool shown[COLUMNS];
	char cells[COLUMNS][AMOUNT_MAX] = {""}, request[LINE_MAX_BYTES];
	const char *texts[COLUMNS];
	size_t request_width;

	choose_columns(width, shown, &request_width);
	for (unsigned i = 0; i < COLUMNS; i++)
		texts[i] = row == NULL ? columns[i].title : cells[i];
	if (row != NULL) {
		amount_duration(row->age, cells[AGE]);
		amount_bytes(row->rate, cells[RATE]);
		amount_bytes(number_of(row->item, "bytes_in"), cells[IN]);
		amount_bytes(number_of(row->item, "bytes_out"), cells[OUT]);
		texts[JOB] = text_of(row->item, "job");
		texts[TOKEN] = token_of(row->item);
		texts[CLIENT] = text_of(row->item, "client");
		texts[STATE] = text_of(row->item, "state");
		snprintf(request, sizeof(request), "%s %s", text_of(row->item, "method"),
		    text_of(row->item, "path"));
		texts[REQUEST] = request;
	}
	for (unsigned i = 0; i < COLUMNS; i++) {
		if (!shown[i])
			continue;
		add(line, texts[i], i == REQUEST ? request_width : columns[i].width,
		    columns[i].right);
		add(line, " ", 1, false);
	}
}

static void
add_sums(struct line *line, const struct top_view *view, const struct top_row *rows, size_t count)
{
	char text[256], rate[AMOUNT_MAX];
	size_t tunnels = 0;
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		tunnels += strcmp(text_of(rows[i].item, "state"), "tunnel") == 0;
		sum += rows[i].rate;
	}
	amount_bytes(sum, rate);
	snprintf(text, sizeof(text), "%zu session%s, %zu tunnel%s, %s/s; sorted by %s%s%s%s", count,
	    count == 1 ? "" : "s", tunnels, tunnels == 1 ? "" : "s", rate,
	    top_sort_name(view->sort), view->filter[0] != '\0' ? "; only " : "", view->filter,
	    view->paused ? "; paused" : "");
	add(line, text, 0, false);
}

size_t
top_room(const struct top_view *view)
{
	return view->height > HEAD_LINES + 1 ? view->height - HEAD_LINES - 1 : 1;
}

void
top_write(const struct top_view *view, const struct top_row *rows, size_t count, FILE *out)
{
	const char *strong = view->color ? "\033[7m" : "", *plain = view->color ? "\033[0m" : "";
	struct line line = {.max = view->width};
	char typed[TOP_FILTER_MAX + 16];

	if (line.max > sizeof(line.text))
		line.max = sizeof(line.text);
	fputs("\033[H", out);
	add_sums(&line, view, rows, count);
	end_line(&line, "", "", out);
	snprintf(typed, sizeof(typed), "filter: %s_", view->filter);
	add(&line,
	    view->typing	       ? typed
	    : view->message[0] != '\0' ? view->message
				       : "q quit  s sort  / filter  space pause  arrows scroll",
	    0, false);
	end_line(&line, "", "", out);
	add_columns(&line, NULL, line.max);
	end_line(&line, strong, plain, out);
	for (size_t i = view->first; i < count && i < view->first + top_room(view); i++) {
		add_columns(&line, &rows[i], line.max);
		end_line(&line, "", "", out);
	}
	fputs("\033[J", out); /* clears what is left of the screen before */
}
