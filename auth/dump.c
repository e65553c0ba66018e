/* dump.c - writes objects as text into a buffer of fixed size. */
#include "jobgate/dump.h"

#include <string.h>

#define TEXT_SHOWN_MAX 64

/* Digits of the largest number, with its sign. */
#define NUMBER_MAX 21

static const char mark[] = "...";

/* The room that is left, after the mark and the closing brackets of open objects. */
static size_t
room(const struct dump *dump)
{
	size_t kept = sizeof(mark) + 1 + dump->depth;

	return dump->cap > dump->len + kept ? dump->cap - dump->len - kept : 0;
}

static void
append(struct dump *dump, const char *text, size_t len)
{
	memcpy(dump->text + dump->len, text, len);
	dump->len += len;
	dump->text[dump->len] = '\0';
}

/* Write the mark for what is left out, once. */
static void
cut(struct dump *dump)
{
	if (!dump->cut)
		append(dump, mark, sizeof(mark) - 1);
	dump->cut = true;
}

/* Write an item completely or not at all, after a space unless it is the first in its object. */
static bool
item(struct dump *dump, const char *key, const char *between, const char *value, size_t value_len,
    const char *after)
{
	size_t key_len = strlen(key), between_len = strlen(between), after_len = strlen(after);
	bool spaced = dump->len > 0 && dump->text[dump->len - 1] != '{';

	if (dump->cut || spaced + key_len + between_len + value_len + after_len > room(dump)) {
		cut(dump);
		return false;
	}
	append(dump, " ", spaced);
	append(dump, key, key_len);
	append(dump, between, between_len);
	append(dump, value, value_len);
	append(dump, after, after_len);
	return true;
}

void
jg_dump_init(struct dump *dump, char *text, size_t cap)
{
	*dump = (struct dump){.text = text, .cap = cap};
	text[0] = '\0';
}

void
jg_dump_begin(struct dump *dump, const char *kind)
{
	/* Reserve room for its closing bracket. */
	dump->depth++;
	if (!item(dump, kind, "", "{", 1, ""))
		dump->depth--;
}

void
jg_dump_end(struct dump *dump)
{
	/* An object that did not fit was not opened. */
	if (dump->depth == 0)
		return;
	dump->depth--;
	append(dump, "}", 1);
}

/* Write the digits of a number before `end`; returns where they begin. */
static char *
digits(char *end, uint64_t value)
{
	do
		*--end = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	return end;
}

void
jg_dump_number(struct dump *dump, const char *key, uint64_t value)
{
	char text[NUMBER_MAX];
	const char *begin = digits(text + sizeof(text), value);

	item(dump, key, "=", begin, (size_t)(text + sizeof(text) - begin), "");
}

void
jg_dump_word(struct dump *dump, const char *key, const char *word)
{
	if (word == NULL)
		word = "?";
	item(dump, key, "=", word, strlen(word), "");
}

void
jg_dump_flag(struct dump *dump, const char *key, bool value)
{
	if (value)
		item(dump, key, "", "", 0, "");
}

void
jg_dump_text(struct dump *dump, const char *key, struct slice text)
{
	char shown[TEXT_SHOWN_MAX];
	size_t len = text.len < sizeof(shown) ? text.len : sizeof(shown);

	for (size_t i = 0; i < len; i++) {
		char c = text.at[i];

		shown[i] = (char)(c < '!' || c > '~' || c == '"' || c == '{' || c == '}' ? '?' : c);
	}
	item(dump, key, "=\"", shown, len, text.len > len ? "...\"" : "\"");
}

void
jg_dump_until(struct dump *dump, const char *key, uint64_t then_ms, uint64_t now_ms)
{
	char text[NUMBER_MAX];
	char *begin =
	    digits(text + sizeof(text), then_ms > now_ms ? then_ms - now_ms : now_ms - then_ms);

	if (then_ms == 0) {
		item(dump, key, "=", "-", 1, "");
		return;
	}
	if (then_ms < now_ms)
		*--begin = '-';
	item(dump, key, "=", begin, (size_t)(text + sizeof(text) - begin), "");
}
