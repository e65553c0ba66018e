/* slice.h - a sequence of bytes that another object owns. */
#ifndef JOBGATE_SLICE_H
#define JOBGATE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/*
 * Bytes from the wire, from a file or from Redis: never NUL-terminated, never owned. The function
 * that returns one says how long its bytes live.
 */
struct slice {
	const char *at;
	size_t len; /* bytes */
};

/* The slice of a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* The slice of a NUL-terminated string, without its NUL. */
static inline struct slice
slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

/* True when two NUL-terminated strings are equal, or both are NULL. Not for secrets. */
static inline bool
text_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* True when both hold the same bytes. Not for secrets: time depends on the content. */
static inline bool
slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* As slice_equal, with ASCII letters compared without regard to case. */
static inline bool
slice_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

/* True when text begins with the bytes of prefix. */
static inline bool
slice_starts_with(struct slice text, struct slice prefix)
{
	return text.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(text.at, prefix.at, prefix.len) == 0);
}

/* As slice_starts_with, with ASCII letters compared without regard to case. */
static inline bool
slice_starts_with_nocase(struct slice text, struct slice prefix)
{
	return text.len >= prefix.len &&
	       slice_equal_nocase((struct slice){text.at, prefix.len}, prefix);
}

/* The rest of text after its first n bytes; n is at most text.len. */
static inline struct slice
slice_after(struct slice text, size_t n)
{
	return (struct slice){text.at + n, text.len - n};
}

/* The text without spaces and tabs around it (RFC 9110 section 5.6.3, OWS). */
static inline struct slice
slice_trim(struct slice text)
{
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
		text = slice_after(text, 1);
	while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/*
 * Cut the part before `mark` from the front of *rest, and drop the mark. Without a mark, all of
 * *rest is the part. Returns the part, which lies in *rest's bytes.
 */
static inline struct slice
slice_cut(struct slice *rest, char mark)
{
	const char *end = rest->len > 0 ? memchr(rest->at, mark, rest->len) : NULL;
	struct slice part = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};

	*rest = slice_after(*rest, part.len + (end != NULL));
	return part;
}

/* True for a token of RFC 9110 section 5.6.2, such as a field's name; it has at least one byte. */
static inline bool
slice_is_token(struct slice text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i], lower = (char)(c | 0x20);

		if ((c < '0' || c > '9') && (lower < 'a' || lower > 'z') &&
		    memchr(others, c, sizeof(others) - 1) == NULL)
			return false;
	}
	return text.len > 0;
}

/*
 * Append a decimal digit to a number of at most max. False, with *number unchanged, when the byte
 * is not a digit or the result would exceed max.
 */
static inline bool
number_append_digit(uint64_t *number, char byte, uint64_t max)
{
	unsigned digit = (unsigned char)byte - (unsigned)'0';

	if (digit > 9 || *number > max / 10 || digit > max - *number * 10)
		return false;
	*number = *number * 10 + digit;
	return true;
}

/*
 * Parse a decimal number from 0 to max: digits only, leading zeros allowed. False for anything
 * else, with *out unchanged.
 */
static inline bool
slice_to_number(struct slice text, uint64_t max, uint64_t *out)
{
	uint64_t number = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!number_append_digit(&number, text.at[i], max))
			return false;
	*out = number;
	return true;
}

/* The digits at the beginning of text; may be empty. */
static inline struct slice
slice_digits(struct slice text)
{
	size_t len = 0;

	while (len < text.len && text.at[len] >= '0' && text.at[len] <= '9')
		len++;
	return (struct slice){text.at, len};
}

/* As slice_to_number, but a number above max counts as max. */
static inline bool
slice_to_capped_number(struct slice text, uint64_t max, uint64_t *out)
{
	if (slice_to_number(text, max, out))
		return true;
	if (text.len == 0 || slice_digits(text).len < text.len)
		return false;
	*out = max;
	return true;
}

#endif
