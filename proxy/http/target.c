/* target.c - parses request targets and authorities, and resolves dot segments. */
#include "http/target.h"

#include "http/bytes.h"

/*
 * Visible ASCII, no '#', no backslash (browsers read it as a slash), and '%' only before two hex
 * digits. *raw: some of it must be escaped.
 */
static bool
is_path(struct slice text, bool *raw)
{
	*raw = false;
	for (size_t i = 0; i < text.len; i++) {
		if (!byte_is((unsigned char)text.at[i], BYTE_TARGET)) {
			if (!byte_is((unsigned char)text.at[i], BYTE_RAW) || text.at[i] == '\\')
				return false;
			*raw = true;
		}
		if (text.at[i] == '%' &&
		    (text.len - i < 3 || !byte_is((unsigned char)text.at[i + 1], BYTE_HEX) ||
			!byte_is((unsigned char)text.at[i + 2], BYTE_HEX)))
			return false;
	}
	return true;
}

static bool
is_query(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is((unsigned char)text.at[i], BYTE_RAW))
			return false;
	return true;
}

/* A path and its query; each has its own rules. */
static bool
parse_path(struct slice text, struct target *out)
{
	const char *mark = text.len > 0 ? memchr(text.at, '?', text.len) : NULL;

	out->path = text;
	if (mark != NULL) {
		out->path.len = (size_t)(mark - text.at);
		out->query = slice_after(text, out->path.len);
	}
	return is_path(out->path, &out->raw_path) && is_query(out->query);
}

/* What follows "http://": an authority, then a path and a query, both optional. */
static bool
parse_absolute(struct slice rest, struct target *out)
{
	struct authority authority;
	size_t len = 0;

	while (len < rest.len && rest.at[len] != '/' && rest.at[len] != '?')
		len++;
	out->authority = (struct slice){rest.at, len};
	rest = slice_after(rest, len);
	if (!authority_parse(out->authority, &authority) || !parse_path(rest, out))
		return false;
	out->pathless = out->path.len == 0;
	if (out->pathless)
		out->path = SLICE("/");
	return true;
}

enum target_form
target_parse(struct slice text, struct target *out)
{
	static const struct slice schemes[] = {SLICE("http://"), SLICE("https://")};
	struct authority authority;

	*out = (struct target){.form = TARGET_BAD};
	if (slice_equal(text, SLICE("*")))
		return out->form = TARGET_ASTERISK;
	if (text.len > 0 && text.at[0] == '/') {
		if (parse_path(text, out))
			out->form = TARGET_ORIGIN;
		return out->form;
	}
	for (size_t i = 0; i < 2; i++) {
		if (!slice_starts_with_nocase(text, schemes[i]))
			continue;
		if (!parse_absolute(slice_after(text, schemes[i].len), out))
			return TARGET_BAD;
		out->scheme = (struct slice){text.at, schemes[i].len - 3};
		return out->form = TARGET_ABSOLUTE;
	}
	if (!authority_parse(text, &authority) || authority.port == 0)
		return TARGET_BAD;
	out->authority = text;
	return out->form = TARGET_AUTHORITY;
}

/* 1 to 65535, digits alone. */
static bool
parse_port(struct slice text, uint16_t *out)
{
	uint64_t port;

	if (text.len > 5 || !slice_to_number(text, UINT16_MAX, &port))
		return false;
	*out = (uint16_t)port;
	return port > 0;
}

/* Four decimal numbers up to 255, without leading zeros. */
static bool
is_ipv4(struct slice text)
{
	for (unsigned parts = 0; parts < 4; parts++) {
		struct slice digits;
		uint64_t number;

		if (parts > 0) {
			if (text.len == 0 || text.at[0] != '.')
				return false;
			text = slice_after(text, 1);
		}
		digits = slice_digits(text);
		if (!slice_to_number(digits, 255, &number) ||
		    (digits.at[0] == '0' && digits.len > 1))
			return false;
		text = slice_after(text, digits.len);
	}
	return text.len == 0;
}

/* The 16-bit groups and "::" of RFC 4291, also with an IPv4 address at the end; no zone. */
static bool
is_ipv6(struct slice text)
{
	unsigned groups = 0;
	bool shortened = false;
	size_t i = 0;

	if (text.len >= 2 && memcmp(text.at, "::", 2) == 0) {
		shortened = true;
		i = 2;
	}
	while (i < text.len) {
		size_t begin = i;

		while (i < text.len && byte_is((unsigned char)text.at[i], BYTE_HEX))
			i++;
		if (i < text.len && text.at[i] == '.') {
			struct slice tail = slice_after(text, begin);

			return groups <= 6 && (shortened ? groups < 6 : groups == 6) &&
			       is_ipv4(tail);
		}
		if (i == begin || i - begin > 4 || ++groups > 8)
			return false;
		if (i == text.len)
			break;
		if (text.at[i++] != ':' || i == text.len)
			return false;
		if (text.at[i] == ':') {
			if (shortened)
				return false;
			shortened = true;
			i++;
		}
	}
	return shortened ? groups < 8 : groups == 8;
}

bool
authority_parse(struct slice text, struct authority *out)
{
	size_t len = 0;

	*out = (struct authority){0};
	if (text.len > 0 && text.at[0] == '[') {
		const char *close = memchr(text.at, ']', text.len);

		if (close == NULL ||
		    !is_ipv6((struct slice){text.at + 1, (size_t)(close - text.at) - 1}))
			return false;
		len = (size_t)(close - text.at) + 1;
	} else {
		while (len < text.len && byte_is((unsigned char)text.at[len], BYTE_HOST))
			len++;
		if (len == 0 || len > 255 || text.at[0] == '.')
			return false;
	}
	out->host = (struct slice){text.at, len};
	if (len == text.len)
		return true;
	if (text.at[len] == ':' && len + 1 == text.len) /* RFC 3986 section 3.2.3 */
		return true;
	return text.at[len] == ':' && parse_port(slice_after(text, len + 1), &out->port);
}

bool
authority_same(const struct authority *a, const struct authority *b, uint16_t default_port)
{
	return slice_equal_nocase(a->host, b->host) &&
	       (a->port != 0 ? a->port : default_port) == (b->port != 0 ? b->port : default_port);
}

/*
 * One byte of a path, with "%2e", "%2f", "%3b" and "%5c" decoded; *len is how many bytes it has in
 * the path.
 */
static char
decoded_at(struct slice path, size_t i, size_t *len)
{
	*len = 1;
	if (path.at[i] != '%' || path.len - i < 3)
		return path.at[i];
	*len = 3;
	if (path.at[i + 1] == '2' && (path.at[i + 2] | 0x20) == 'e')
		return '.';
	if (path.at[i + 1] == '2' && (path.at[i + 2] | 0x20) == 'f')
		return '/';
	if (path.at[i + 1] == '3' && (path.at[i + 2] | 0x20) == 'b')
		return ';';
	if (path.at[i + 1] == '5' && (path.at[i + 2] | 0x20) == 'c')
		return '\\';
	*len = 1;
	return '%';
}

/*
 * The number of dots if a segment has nothing else (with "%2e" read as '.'): 1 or 2 for a dot
 * segment, 0 for any other segment.
 */
static unsigned
dots_of(struct slice segment)
{
	unsigned dots = 0;
	size_t len;

	for (size_t i = 0; i < segment.len; i += len) {
		if (decoded_at(segment, i, &len) != '.' || ++dots > 2)
			return 0;
	}
	return dots;
}

/*
 * True when some backend could find a ".." in the segment that is not there at first: one that
 * decodes "%2f" or "%5c" before it splits the path, or one that removes parameters (";...") from
 * segments.
 */
static bool
hides_dots(struct slice segment)
{
	unsigned dots = 0;
	bool plain = false, separated = false;
	size_t len;

	for (size_t i = 0; i < segment.len; i += len) {
		char c = decoded_at(segment, i, &len);

		if (c == '/' || c == '\\' || c == ';') {
			if (!plain && dots == 2)
				return true;
			separated = true;
			plain = false;
			dots = 0;
		} else if (c == '.') {
			dots++;
		} else {
			plain = true;
		}
	}
	return separated && !plain && dots == 2;
}

/* The segment that begins at i, after its slash. */
static struct slice
segment_at(struct slice path, size_t i)
{
	const char *slash = i < path.len ? memchr(path.at + i, '/', path.len - i) : NULL;

	return (struct slice){
	    path.at + i, slash != NULL ? (size_t)(slash - path.at) - i : path.len - i};
}

enum path_status
path_resolve(struct slice path, char *out, size_t *len)
{
	size_t at = 0;
	bool resolved = false;

	/* Most paths have no dot. */
	if (memchr(path.at, '.', path.len) == NULL && memchr(path.at, '%', path.len) == NULL) {
		memcpy(out, path.at, path.len);
		*len = path.len;
		return PATH_CLEAN;
	}
	*len = 0;
	while (at < path.len) {
		struct slice segment = segment_at(path, at + 1);
		unsigned dots = dots_of(segment);
		bool last = at + 1 + segment.len == path.len;

		if (hides_dots(segment))
			return PATH_BAD;
		if (dots == 0) {
			memcpy(out + *len, path.at + at, 1 + segment.len);
			*len += 1 + segment.len;
		} else {
			resolved = true;
			if (dots == 2)
				while (*len > 0 && out[--*len] != '/')
					;
			if (last)
				out[(*len)++] = '/';
		}
		at += 1 + segment.len;
	}
	return resolved ? PATH_RESOLVED : PATH_CLEAN;
}

bool
path_is_clean(struct slice path)
{
	struct slice segment;

	for (size_t at = 0; at < path.len; at += 1 + segment.len) {
		segment = segment_at(path, at + 1);
		if (dots_of(segment) != 0 || hides_dots(segment))
			return false;
	}
	return true;
}

size_t
path_escape(char *path, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t raw = 0, at;

	for (size_t i = 0; i < len; i++)
		raw += !byte_is((unsigned char)path[i], BYTE_TARGET);
	at = len + 2 * raw;
	/* From the end, so that no byte is overwritten before it was moved. */
	for (size_t i = len; i-- > 0;) {
		unsigned char c = (unsigned char)path[i];

		if (byte_is(c, BYTE_TARGET)) {
			path[--at] = (char)c;
			continue;
		}
		path[--at] = digits[c & 15];
		path[--at] = digits[c >> 4];
		path[--at] = '%';
	}
	return len + 2 * raw;
}
