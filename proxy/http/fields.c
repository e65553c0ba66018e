/* fields.c - field lines, their names, and lists in their values. */
#include <stdint.h>
#include <string.h>

#include "http/bytes.h"
#include "http/head.h"

bool
is_token(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is((unsigned char)text.at[i], BYTE_TOKEN))
			return false;
	return text.len > 0;
}

/* Eight bytes at a time: is one of them below SP, or DEL? (A tab is, too; it is looked at again.)
 */
static bool
has_control(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t low = (bytes - 0x20 * ones) & ~bytes & highs;
	uint64_t del = bytes ^ 0x7f * ones;

	return (low | ((del - ones) & ~del & highs)) != 0;
}

static uint64_t
eight_at(const char *at)
{
	uint64_t bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return bytes;
}

/* RFC 9110 section 5.5: visible characters, SP, HTAB and obs-text. */
static bool
is_value(struct slice text)
{
	const size_t eight = sizeof(uint64_t);
	size_t i = 0;

	if (text.len >= eight) {
		while (i + eight < text.len && !has_control(eight_at(text.at + i)))
			i += eight;
		/* The last eight overlap those before: no rest to go over byte by byte. */
		if (i + eight >= text.len && !has_control(eight_at(text.at + text.len - eight)))
			return true;
	}
	for (; i < text.len; i++)
		if (!byte_is((unsigned char)text.at[i], BYTE_VALUE))
			return false;
	return true;
}

struct known_field {
	struct slice name;
	enum field_id id;
};

/* Sorted by length, so that a name is compared with few others. */
static const struct known_field known_fields[] = {
    {SLICE("te"), FIELD_TE},
    {SLICE("via"), FIELD_VIA},
    {SLICE("date"), FIELD_DATE},
    {SLICE("host"), FIELD_HOST},
    {SLICE("accept"), FIELD_ACCEPT},
    {SLICE("cookie"), FIELD_COOKIE},
    {SLICE("expect"), FIELD_EXPECT},
    {SLICE("origin"), FIELD_ORIGIN},
    {SLICE("trailer"), FIELD_TRAILER},
    {SLICE("upgrade"), FIELD_UPGRADE},
    {SLICE("x-scheme"), FIELD_X_FORWARDED},
    {SLICE("forwarded"), FIELD_FORWARDED},
    {SLICE("x-real-ip"), FIELD_X_FORWARDED},
    {SLICE("connection"), FIELD_CONNECTION},
    {SLICE("keep-alive"), FIELD_KEEP_ALIVE},
    {SLICE("set-cookie"), FIELD_SET_COOKIE},
    {SLICE("tracestate"), FIELD_TRACESTATE},
    {SLICE("traceparent"), FIELD_TRACEPARENT},
    {SLICE("x-client-ip"), FIELD_X_FORWARDED},
    {SLICE("max-forwards"), FIELD_MAX_FORWARDS},
    {SLICE("x-request-id"), FIELD_X_REQUEST_ID},
    {SLICE("authorization"), FIELD_AUTHORIZATION},
    {SLICE("content-length"), FIELD_CONTENT_LENGTH},
    {SLICE("http2-settings"), FIELD_HTTP2_SETTINGS},
    {SLICE("x-forwarded-for"), FIELD_X_FORWARDED_FOR},
    {SLICE("proxy-connection"), FIELD_PROXY_CONNECTION},
    {SLICE("x-forwarded-host"), FIELD_X_FORWARDED_HOST},
    {SLICE("transfer-encoding"), FIELD_TRANSFER_ENCODING},
    {SLICE("x-forwarded-proto"), FIELD_X_FORWARDED_PROTO},
    {SLICE("proxy-authenticate"), FIELD_PROXY_AUTHENTICATE},
    {SLICE("x-forwarded-prefix"), FIELD_X_FORWARDED_PREFIX},
    {SLICE("proxy-authorization"), FIELD_PROXY_AUTHORIZATION},
};
#define KNOWN_FIELDS (sizeof(known_fields) / sizeof(known_fields[0]))
#define KNOWN_NAME_MAX 19

/* Where in known_fields the names of each length begin. */
static const unsigned char first_of_length[KNOWN_NAME_MAX + 2] = {
    0, 0, 0, 1, 2, 4, 4, 8, 10, 11, 13, 17, 19, 21, 22, 24, 25, 27, 29, 31, 32};

#define OUR_PREFIX SLICE("x-jobgate-")
#define PROXY_PREFIX SLICE("x-forwarded-")

static enum field_id
identify_plain(struct slice name)
{
	const char first = (char)(name.at[0] | 0x20); /* lower case, if it is a letter */
	const size_t len = name.len <= KNOWN_NAME_MAX ? name.len : 0; /* no name has this one */

	if (first == 'x' && slice_starts_with_nocase(name, OUR_PREFIX))
		return FIELD_X_JOBGATE;
	for (size_t i = first_of_length[len]; i < first_of_length[len + 1]; i++)
		if (first == known_fields[i].name.at[0] &&
		    slice_equal_nocase(name, known_fields[i].name))
			return known_fields[i].id;
	return first == 'x' && slice_starts_with_nocase(name, PROXY_PREFIX) ? FIELD_X_FORWARDED
									    : FIELD_OTHER;
}

/*
 * Backends behind CGI-like interfaces read '-' and '_' in a name alike, some of them
 * every mark (X_Forwarded_For and X.Forwarded.For become HTTP_X_FORWARDED_FOR as well),
 * so a name that differs only there could pass for one that the gateway vouches for.
 */
static enum field_id
identify_disguised(struct slice name)
{
	char plain[KNOWN_NAME_MAX + 1];
	size_t len = name.len < sizeof(plain) ? name.len : sizeof(plain);

	for (size_t i = 0; i < len; i++)
		plain[i] = (char)(byte_is((unsigned char)name.at[i], BYTE_NAME) ? name.at[i] : '-');
	return identify_plain((struct slice){plain, len}) == FIELD_OTHER ? FIELD_OTHER
									 : FIELD_DISGUISED;
}

enum field_id
field_identify(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is((unsigned char)name.at[i], BYTE_NAME))
			return identify_disguised(name);
	return identify_plain(name);
}

/* "name: value" without its line end. False when it breaks the rules; a folded line has no name. */
static bool
parse_line(struct slice line, struct field *out)
{
	unsigned char classes = BYTE_TOKEN | BYTE_NAME; /* those that all bytes so far belong to */
	size_t colon = 0;

	for (; colon < line.len; colon++) {
		unsigned char class = byte_classes[(unsigned char)line.at[colon]];

		if ((class & BYTE_TOKEN) == 0)
			break;
		classes &= class;
	}
	if (colon == 0 || colon == line.len || line.at[colon] != ':')
		return false;
	out->name = (struct slice){line.at, colon};
	out->value = slice_after(line, colon + 1);
	if (!is_value(out->value))
		return false;
	out->value = slice_trim(out->value);
	out->id = classes & BYTE_NAME ? identify_plain(out->name) : identify_disguised(out->name);
	out->dropped = false;
	return true;
}

enum head_status
fields_parse(struct slice section, struct field *out, size_t cap, size_t *count)
{
	*count = 0;
	for (;;) {
		const char *lf = section.len > 0 ? memchr(section.at, '\n', section.len) : NULL;
		struct slice line;

		if (lf == NULL || lf == section.at || lf[-1] != '\r')
			return HEAD_BAD;
		line = (struct slice){section.at, (size_t)(lf - section.at) - 1};
		section = slice_after(section, line.len + 2);
		if (line.len == 0)
			return section.len == 0 ? HEAD_COMPLETE : HEAD_BAD;
		if (*count == cap)
			return HEAD_TOO_LARGE;
		if (!parse_line(line, &out[*count]))
			return HEAD_BAD;
		++*count;
	}
}

bool
field_allowed_in_trailer(enum field_id id, struct slice name)
{
	static const struct slice refused[] = {
	    SLICE("age"),
	    SLICE("authentication-info"),
	    SLICE("cache-control"),
	    SLICE("content-encoding"),
	    SLICE("content-location"),
	    SLICE("content-range"),
	    SLICE("content-type"),
	    SLICE("expires"),
	    SLICE("if-match"),
	    SLICE("if-modified-since"),
	    SLICE("if-none-match"),
	    SLICE("if-range"),
	    SLICE("if-unmodified-since"),
	    SLICE("location"),
	    SLICE("pragma"),
	    SLICE("proxy-authentication-info"),
	    SLICE("range"),
	    SLICE("retry-after"),
	    SLICE("vary"),
	    SLICE("warning"),
	    SLICE("www-authenticate"),
	};

	if (id != FIELD_OTHER)
		return false;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (slice_equal_nocase(name, refused[i]))
			return false;
	return true;
}

/* The length of the next member of a list, up to a comma outside quoted strings. */
static size_t
member_len(struct slice text)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < text.len && (quoted || text.at[i] != ','); i++) {
		if (text.at[i] == '"')
			quoted = !quoted;
		else if (quoted && text.at[i] == '\\' && i + 1 < text.len)
			i++;
	}
	return i;
}

bool
list_next(struct slice *rest, struct slice *member)
{
	while (rest->len > 0) {
		size_t len = member_len(*rest);

		*member = slice_trim((struct slice){rest->at, len});
		*rest = slice_after(*rest, len < rest->len ? len + 1 : len);
		if (member->len > 0)
			return true;
	}
	return false;
}
