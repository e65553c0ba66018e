/* base64.c - decodes base64 and base64url. */
#include "http/base64.h"

/* The value of a digit of either alphabet; -1 for other bytes. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

struct slice
base64_decode_leniently(struct slice text, enum base64_padding padding, char *out, size_t cap)
{
	uint32_t bits = 0;
	size_t len = 0;
	int held = 0;

	for (size_t i = 0; i < text.len && len < cap; i++) {
		int value = value_of(text.at[i]);

		if (text.at[i] == '=' && padding == BASE64_PADDING_ENDS)
			break;
		if (text.at[i] == '=' && padding == BASE64_PADDING_BEGINS_ANEW)
			held = 0;
		if (value < 0)
			continue;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		out[len++] = (char)(bits >> held & 0xff);
	}
	return (struct slice){out, len};
}

bool
base64url_decode(struct slice text, char *out, size_t cap, struct slice *decoded)
{
	unsigned spare = (unsigned)(text.len * 6 % 8); /* bits of the last digit that must be 0 */

	if (text.len == 0 || text.len % 4 == 1 || text.len / 4 * 3 + text.len % 4 * 3 / 4 > cap)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (value_of(text.at[i]) < 0 || text.at[i] == '+' || text.at[i] == '/')
			return false;
	if (((unsigned)value_of(text.at[text.len - 1]) & ((1u << spare) - 1)) != 0)
		return false;
	*decoded = base64_decode_leniently(text, BASE64_PADDING_ENDS, out, cap);
	return true;
}
