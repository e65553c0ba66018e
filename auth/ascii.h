/* ascii.h - classes of ASCII characters, independent of the locale. */
#ifndef JOBGATE_AUTH_ASCII_H
#define JOBGATE_AUTH_ASCII_H

#include <stdbool.h>

enum ascii_class {
	ASCII_DIGIT = 1,
	ASCII_LOWER = 2,
	ASCII_UPPER = 4,
	ASCII_HEX = 8,
	ASCII_B64TOKEN = 16, /* RFC 6750 section 2.1, without the '=' at the end */
};

extern const unsigned char ascii_classes[256];

static inline bool
ascii_is(char c, unsigned classes)
{
	return (ascii_classes[(unsigned char)c] & classes) != 0;
}

static inline bool
is_digit(char c)
{
	return ascii_is(c, ASCII_DIGIT);
}

static inline bool
is_lower(char c)
{
	return ascii_is(c, ASCII_LOWER);
}

static inline bool
is_alpha(char c)
{
	return ascii_is(c, ASCII_LOWER | ASCII_UPPER);
}

static inline bool
is_alnum(char c)
{
	return ascii_is(c, ASCII_DIGIT | ASCII_LOWER | ASCII_UPPER);
}

static inline bool
is_hex(char c)
{
	return ascii_is(c, ASCII_HEX);
}

/* The value of a hexadecimal digit. */
static inline int
hex_value(char c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

#endif
