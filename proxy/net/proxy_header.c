/* proxy_header.c - a pure function over the first bytes of a connection. */
#include "net/proxy_header.h"

#include <netinet/in.h>

/* ---- version 1: a line of text ---- */

/* "PROXY TCP6 " with two addresses and ports, and CRLF, in their longest forms. */
#define LINE_MAX_LEN 107

static const struct slice v1_signature = SLICE("PROXY ");

/* Take the word before the next `end` from the text. False when `end` does not occur. */
static bool
take_word(struct slice *text, char end, struct slice *word)
{
	const char *found = text->len > 0 ? memchr(text->at, end, text->len) : NULL;

	if (found == NULL)
		return false;
	*word = (struct slice){text->at, (size_t)(found - text->at)};
	*text = slice_after(*text, word->len + 1);
	return word->len > 0;
}

/* Parse a port: decimal, without leading zeros. */
static bool
parse_port(struct slice text, uint16_t *out)
{
	uint64_t number;

	if (!slice_to_number(text, UINT16_MAX, &number) || (text.at[0] == '0' && text.len > 1))
		return false;
	*out = (uint16_t)number;
	return true;
}

/* Parse what follows "PROXY ", up to CRLF. */
static bool
parse_line(struct slice line, struct proxy_header *out)
{
	struct slice family, source, destination, source_port;
	struct address ignored;
	sa_family_t wanted;
	uint16_t port, destination_port;

	*out = (struct proxy_header){0};
	if (line.len == 0 || memchr(line.at, '\0', line.len) != NULL)
		return false;
	if (slice_equal(line, SLICE("UNKNOWN")) ||
	    (line.len > 8 && memcmp(line.at, "UNKNOWN ", 8) == 0)) {
		out->direct = true;
		return true;
	}
	if (!take_word(&line, ' ', &family) || !take_word(&line, ' ', &source) ||
	    !take_word(&line, ' ', &destination) || !take_word(&line, ' ', &source_port))
		return false;
	if (slice_equal(family, SLICE("TCP4")))
		wanted = AF_INET;
	else if (slice_equal(family, SLICE("TCP6")))
		wanted = AF_INET6;
	else
		return false;
	return parse_port(source_port, &port) && parse_port(line, &destination_port) &&
	       address_parse(source, port, &out->source) &&
	       address_parse(destination, destination_port, &ignored) &&
	       out->source.storage.ss_family == wanted && ignored.storage.ss_family == wanted;
}

static enum proxy_status
parse_v1(struct slice bytes, struct proxy_header *out, size_t *len)
{
	struct slice text = slice_after(bytes, v1_signature.len);
	size_t most = LINE_MAX_LEN - v1_signature.len;
	const char *end;

	if (text.len > most)
		text.len = most;
	end = text.len > 0 ? memchr(text.at, '\n', text.len) : NULL;
	if (end == NULL)
		return text.len == most ? PROXY_BAD : PROXY_INCOMPLETE;
	if (end == text.at || end[-1] != '\r')
		return PROXY_BAD;
	*len = (size_t)(end + 1 - bytes.at);
	text.len = (size_t)(end - 1 - text.at);
	return parse_line(text, out) ? PROXY_COMPLETE : PROXY_BAD;
}

/* ---- version 2: binary ---- */

#define V2_HEAD 16
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_UNIX 0x31
#define TLV_CHECKSUM 0x03

static const struct slice v2_signature = SLICE("\r\n\r\n\0\r\nQUIT\n");

static unsigned
number_16(const char *at)
{
	return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

/* CRC32c (RFC 3720 appendix B.4), continued from `crc`. */
static uint32_t
crc32c(uint32_t crc, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= (unsigned char)bytes.at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* True when the checksum at `at` is that of the header with the checksum's own bytes as zeros. */
static bool
checksum_is_right(struct slice header, const char *at)
{
	size_t before = (size_t)(at - header.at);
	uint32_t crc = crc32c(UINT32_MAX, (struct slice){header.at, before});

	crc = crc32c(crc, (struct slice){"\0\0\0\0", 4});
	crc = ~crc32c(crc, slice_after(header, before + 4));
	return crc == (number_16(at) << 16 | number_16(at + 2));
}

/* True when extensions fill the rest of the header exactly and the checksum, if any, is right. */
static bool
extensions_are_good(struct slice header, struct slice rest)
{
	while (rest.len > 0) {
		size_t len;

		if (rest.len < 3 || (len = number_16(rest.at + 1)) > rest.len - 3)
			return false;
		if (rest.at[0] == TLV_CHECKSUM &&
		    (len != 4 || !checksum_is_right(header, rest.at + 3)))
			return false;
		rest = slice_after(rest, 3 + len);
	}
	return true;
}

static void
set_ipv4(struct address *out, const char *at)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;

	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, at, 4);
	memcpy(&in->sin_port, at + 8, 2);
	out->len = sizeof(*in);
}

static void
set_ipv6(struct address *out, const char *at)
{
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)&out->storage;

	in->sin6_family = AF_INET6;
	memcpy(&in->sin6_addr, at, 16);
	memcpy(&in->sin6_port, at + 32, 2);
	out->len = sizeof(*in);
}

/*
 * Read the addresses of a family; *used is how many bytes they take. False for a family that is not
 * accepted.
 */
static bool
parse_addresses(unsigned char family, struct slice rest, struct proxy_header *out, size_t *used)
{
	switch (family) {
	case 0: /* unspecified: the rest has no meaning */
		*used = rest.len;
		out->direct = true;
		return true;
	case V2_TCP4:
		*used = 12;
		if (rest.len >= *used)
			set_ipv4(&out->source, rest.at);
		break;
	case V2_TCP6:
		*used = 36;
		if (rest.len >= *used)
			set_ipv6(&out->source, rest.at);
		break;
	case V2_UNIX:
		*used = 216;
		out->direct = true;
		break;
	default:
		return false;
	}
	return rest.len >= *used;
}

static enum proxy_status
parse_v2(struct slice bytes, struct proxy_header *out, size_t *len)
{
	struct slice header, rest;
	size_t used;

	*out = (struct proxy_header){0};
	if (bytes.len > 12 && bytes.at[12] != 0x20 && bytes.at[12] != 0x21)
		return PROXY_BAD; /* version 2: LOCAL or PROXY */
	if (bytes.len < V2_HEAD)
		return PROXY_INCOMPLETE;
	*len = V2_HEAD + number_16(bytes.at + 14);
	if (*len > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (bytes.len < *len)
		return PROXY_INCOMPLETE;
	header = (struct slice){bytes.at, *len};
	rest = slice_after(header, V2_HEAD);
	if (bytes.at[12] == 0x20) { /* LOCAL: the rest must be ignored */
		out->direct = true;
		return PROXY_COMPLETE;
	}
	if (!parse_addresses((unsigned char)bytes.at[13], rest, out, &used))
		return PROXY_BAD;
	return extensions_are_good(header, slice_after(rest, used)) ? PROXY_COMPLETE : PROXY_BAD;
}

/* True when the bytes begin with the signature, or are the beginning of it. */
static bool
begins_with(struct slice bytes, struct slice signature)
{
	size_t len = bytes.len < signature.len ? bytes.len : signature.len;

	return len == 0 || memcmp(bytes.at, signature.at, len) == 0;
}

enum proxy_status
proxy_header_parse(struct slice bytes, struct proxy_header *out, size_t *len)
{
	if (begins_with(bytes, v1_signature))
		return bytes.len < v1_signature.len ? PROXY_INCOMPLETE : parse_v1(bytes, out, len);
	if (begins_with(bytes, v2_signature))
		return bytes.len < v2_signature.len ? PROXY_INCOMPLETE : parse_v2(bytes, out, len);
	return PROXY_BAD;
}
