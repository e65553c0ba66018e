/* present.c - writes aligned, coloured descriptions and tables, and JSON. */
#include "auth/cli/present.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "auth/cli/json_text.h"

#define STRONG "\033[1;36m" /* bold and cyan: readable on dark and light backgrounds */
#define PLAIN "\033[0m"
#define TITLE_MAX 64
#define COLUMN_MIN 10 /* characters; on a terminal that is too narrow for this, lines wrap */

struct printer
printer_for(FILE *out, const struct options *options)
{
	const char *no_color = getenv("NO_COLOR");
	struct winsize size = {0};

	if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) != 0)
		size.ws_col = 0;
	return (struct printer){
	    .out = out,
	    .output = options->output,
	    .color = !options->no_color && (no_color == NULL || no_color[0] == '\0') &&
		     isatty(fileno(out)),
	    .width = size.ws_col,
	};
}

/* True when `name` comes after `last` and before `best`; each may be NULL. */
static bool
is_next(const char *name, const char *last, const char *best)
{
	return (last == NULL || strcmp(name, last) > 0) && (best == NULL || strcmp(name, best) < 0);
}

/* An object of strings, such as labels, as "a=b,c=d", sorted by name. */
static char *
object_text(json_t *object)
{
	const char *last = NULL;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; out != NULL && i < json_object_size(object); i++) {
		const char *next = NULL, *name;
		const json_t *value;

		json_object_foreach(object, name, value) if (is_next(name, last, next)) next = name;
		value = json_object_get(object, next);
		fprintf(out, "%s%s=%s", i > 0 ? "," : "", next,
		    json_is_string(value) ? json_string_value(value) : "");
		last = next;
	}
	if (out != NULL)
		fclose(out);
	return text;
}

char *
present_text(const json_t *record, const char *key)
{
	json_t *value = json_object_get(record, key);
	char *text = NULL;

	if (json_is_string(value))
		text = strdup(json_string_value(value));
	else if (json_is_object(value))
		text = object_text(value);
	else if (json_is_integer(value) || json_is_boolean(value) || json_is_real(value))
		text = json_text_write(value, JSON_ENCODE_ANY);
	if (text != NULL && text[0] == '\0') {
		free(text);
		text = NULL;
	}
	for (char *c = text; c != NULL && *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return text;
}

/* Print text in colour, if colour is used. */
static void
print_strong(const struct printer *printer, const char *text)
{
	fprintf(printer->out, "%s%s%s", printer->color ? STRONG : "", text,
	    printer->color ? PLAIN : "");
}

static void
pad(FILE *out, size_t have, size_t want)
{
	if (have < want)
		fprintf(out, "%*s", (int)(want - have), "");
}

static void
describe(const struct printer *printer, const json_t *record, const struct column *columns)
{
	size_t width = 0;

	for (const struct column *column = columns; column->title != NULL; column++)
		if (strlen(column->title) > width)
			width = strlen(column->title);
	for (const struct column *column = columns; column->title != NULL; column++) {
		char *text;

		if (json_object_get(record, column->key) == NULL)
			continue;
		text = present_text(record, column->key);
		if (text == NULL && column->empty[0] == '\0')
			continue;
		print_strong(printer, column->title);
		fputc(':', printer->out);
		pad(printer->out, strlen(column->title), width + 1);
		fprintf(printer->out, "%s\n", text != NULL ? text : column->empty);
		secret_free(text);
	}
}

/* Write a column's title in capitals to out. */
static const char *
capitals(const char *title, char out[TITLE_MAX])
{
	size_t len = 0;

	for (; title[len] != '\0' && len + 1 < TITLE_MAX; len++)
		out[len] = (char)toupper((unsigned char)title[len]);
	out[len] = '\0';
	return out;
}

/* Print text in a column, cut if it is too long. The last column gets no blanks at its end. */
static void
cell(const struct printer *printer, const char *text, size_t width, bool strong, bool last)
{
	char cut[512];
	size_t len = strlen(text);

	if (len > width) {
		len = width;
		snprintf(cut, sizeof(cut), "%.*s...", (int)(width - 3), text);
		text = cut;
	}
	if (strong)
		print_strong(printer, text);
	else
		fputs(text, printer->out);
	if (!last)
		pad(printer->out, len, width + 2);
}

/*
 * Narrow the widest columns until the row fits, but never the first, which holds the ids, and none
 * that stays whole.
 */
static void
fit(const struct column *columns, size_t *widths, size_t count, size_t width)
{
	size_t total = 2 * (count - 1);

	for (size_t i = 0; i < count; i++)
		total += widths[i];
	while (total > width) {
		size_t widest = 0;

		for (size_t i = 1; i < count; i++)
			if (!columns[i].whole && widths[i] > COLUMN_MIN &&
			    (widest == 0 || widths[i] > widths[widest]))
				widest = i;
		if (widest == 0)
			return;
		widths[widest]--;
		total--;
	}
}

static void
table_row(const struct printer *printer, const json_t *record, const struct column *columns,
    const size_t *widths)
{
	for (size_t i = 0; columns[i].title != NULL; i++) {
		char *text = record != NULL ? present_text(record, columns[i].key) : NULL;
		char title[TITLE_MAX];
		const char *shown = record == NULL ? capitals(columns[i].title, title)
				    : text != NULL ? text
						   : "-";

		cell(printer, shown, widths[i], record == NULL, columns[i + 1].title == NULL);
		secret_free(text);
	}
	fputc('\n', printer->out);
}

/* Print a table's next rows, and its head before the first ones, even if there are no rows. */
static void
table_rows(struct present_list *list, const json_t *records)
{
	const struct printer *printer = list->printer;
	const struct column *columns = list->columns;
	size_t index, count = 0;
	const json_t *record;

	for (size_t i = 0; i < COLUMNS_MAX && columns[i].title != NULL; i++, count++) {
		if (strlen(columns[i].title) > list->widths[i])
			list->widths[i] = strlen(columns[i].title);
		json_array_foreach(records, index, record)
		{
			char *text = present_text(record, columns[i].key);
			if (text != NULL && strlen(text) > list->widths[i])
				list->widths[i] = strlen(text);
			secret_free(text);
		}
	}
	if (printer->width > 0)
		fit(columns, list->widths, count, printer->width);
	if (list->count == 0)
		table_row(printer, NULL, columns, list->widths);
	json_array_foreach(records, index, record)
	    table_row(printer, record, columns, list->widths);
}

/* Write structured output; false when the output is a description. */
static bool
present_data(const struct printer *printer, const json_t *value, bool *ok)
{
	switch (printer->output) {
	case OUTPUT_JSON:
		*ok = json_dumpf(value, printer->out, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0 &&
		      fputc('\n', printer->out) != EOF;
		return true;
	case OUTPUT_YAML:
		*ok = yaml_write(printer->out, value);
		return true;
	case OUTPUT_DESCRIPTION:
		break;
	}
	return false;
}

bool
present_record(const struct printer *printer, const json_t *record, const struct column *columns)
{
	bool ok = true;

	if (!present_data(printer, record, &ok))
		describe(printer, record, columns);
	return ok && fflush(printer->out) == 0 && !ferror(printer->out);
}

void
present_list_begin(
    struct present_list *list, const struct printer *printer, const struct column *columns)
{
	*list = (struct present_list){.printer = printer, .columns = columns};
}

/*
 * Write a record as json_dumpf would within the whole array, whose text begins with "[" and ends
 * with "\n]".
 */
static bool
json_item(const struct present_list *list, const json_t *record)
{
	json_t *alone = json_pack("[O]", record);
	char *text = json_text_write(alone, JSON_INDENT(2));
	size_t len = text != NULL ? strlen(text) : 0;
	bool ok = len > 3 && fputc(list->count == 0 ? '[' : ',', list->printer->out) != EOF &&
		  fwrite(text + 1, len - 3, 1, list->printer->out) == 1;

	free(text);
	json_decref(alone);
	return ok;
}

static bool
yaml_item(struct present_list *list, const json_t *record)
{
	if (list->yaml == NULL)
		list->yaml = yaml_list_begin(list->printer->out);
	return list->yaml != NULL && yaml_list_add(list->yaml, record);
}

bool
present_list_add(struct present_list *list, const json_t *records)
{
	const json_t *record;
	bool ok = true;
	size_t index;

	if (list->printer->output == OUTPUT_DESCRIPTION && json_array_size(records) > 0)
		table_rows(list, records);
	json_array_foreach(records, index, record)
	{
		if (list->printer->output == OUTPUT_JSON)
			ok = ok && json_item(list, record);
		if (list->printer->output == OUTPUT_YAML)
			ok = ok && yaml_item(list, record);
		list->count++;
	}
	return ok && !ferror(list->printer->out);
}

bool
present_list_end(struct present_list *list, bool whole)
{
	FILE *out = list->printer->out;
	json_t *none;
	bool ok = true;

	if (!whole) {
		yaml_list_end(list->yaml, false);
		return fflush(out) == 0;
	}
	none = json_array();
	switch (list->printer->output) {
	case OUTPUT_JSON:
		ok = fputs(list->count == 0 ? "[]\n" : "\n]\n", out) != EOF;
		break;
	case OUTPUT_YAML:
		ok = list->count == 0 ? yaml_write(out, none) : yaml_list_end(list->yaml, true);
		break;
	case OUTPUT_DESCRIPTION:
		if (list->count == 0)
			table_rows(list, none);
		break;
	}
	json_decref(none);
	return ok && fflush(out) == 0 && !ferror(out);
}
