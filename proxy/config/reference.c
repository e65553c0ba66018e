/* reference.c - writes the table of keys as a configuration. */
#include "config/reference.h"

#include <stdbool.h>
#include <string.h>

#include "config/keys.h"

#define WIDTH 100 /* columns of a comment's line, its indentation included */

static const char head[] =
    "The configuration of jobgate, every key at its default. `jobgate check -c FILE` validates a "
    "configuration. Keys that are left out keep their defaults; unknown keys are errors. Times "
    "are written 250ms, 5s, 2m or 1h, sizes 65536, 64KiB or 1MiB.";

/* The column at which the explanation of a word begins: "  word   explanation"; 0: plain text. */
static size_t
hanging(const char *line)
{
	size_t at = strspn(line, " ");

	if (at < 2)
		return 0;
	at += strcspn(line + at, " ");
	return at + strspn(line + at, " ");
}

/* One line of a text, wrapped. indent: "" or "  ". Words stay whole, and so do spaces at first. */
static void
write_line(FILE *out, const char *indent, const char *line, size_t len)
{
	size_t hang = hanging(line), column = strlen(indent) + 2 + hang, at = hang;

	fprintf(out, "%s# %.*s", indent, (int)hang, line);
	while (at < len) {
		size_t word = strcspn(line + at, " \n");

		if (at > hang && column + 1 + word > WIDTH) {
			fprintf(out, "\n%s# %*s", indent, (int)hang, "");
			column = strlen(indent) + 2 + hang;
		} else if (at > hang) {
			fputc(' ', out);
			column++;
		}
		fwrite(line + at, 1, word, out);
		column += word;
		at += word + 1;
	}
	fputc('\n', out);
}

static void
write_comment(FILE *out, const char *indent, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, "\n");

		write_line(out, indent, text, len);
		text += len + (text[len] == '\n');
	}
}

/* "name: value"; each of its lines begins with `begin`. */
static void
write_value(FILE *out, const char *begin, const char *name, const char *value)
{
	fprintf(out, "%s%s:%s", begin, name, value[0] != '\n' ? " " : "");
	for (; *value != '\0'; value++) {
		fputc(*value, out);
		if (*value == '\n')
			fputs(begin, out);
	}
	fputc('\n', out);
}

static void
write_key(FILE *out, const struct config_key *key, bool annotated)
{
	const char *dot = strchr(key->name, '.'), *name = dot != NULL ? dot + 1 : key->name;
	const char *indent = dot != NULL ? "  " : "";

	if (annotated)
		write_comment(out, indent, key->help);
	if (key->default_value != NULL)
		write_value(out, indent, name, key->default_value);
	else if (annotated)
		write_value(out, dot != NULL ? "  # " : "# ", name, key->example);
}

static void
write_all(FILE *out, bool annotated)
{
	for (const struct config_key *key = config_keys; key < config_keys + config_key_count;
	     key++) {
		bool opens = key->form == FORM_SECTION || strchr(key->name, '.') == NULL;

		if (opens && annotated)
			fputc('\n', out);
		if (key->form != FORM_SECTION) {
			write_key(out, key, annotated);
			continue;
		}
		if (annotated)
			write_comment(out, "", key->help);
		fprintf(out, "%s:\n", key->name);
	}
}

void
reference_write(FILE *out)
{
	write_comment(out, "", head);
	write_all(out, true);
}

void
reference_write_defaults(FILE *out)
{
	write_all(out, false);
}
