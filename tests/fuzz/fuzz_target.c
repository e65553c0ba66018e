/*
 * fuzz_target.c - targets, authorities and paths: libhttp-parser splits them in the same way, and
 * resolving a path twice changes nothing more.
 */
#include <http_parser.h>

#include "fuzz.h"
#include "http/bytes.h"
#include "http/target.h"

/* True when a segment of the path is "." or "..", as a backend without escapes would see it. */
static bool
has_dot_segment(struct slice path)
{
	for (size_t i = 0; i < path.len; i++) {
		size_t end = i + 1;

		if (path.at[i] != '/')
			continue;
		while (end < path.len && path.at[end] != '/')
			end++;
		if ((end - i == 2 && path.at[i + 1] == '.') ||
		    (end - i == 3 && path.at[i + 1] == '.' && path.at[i + 2] == '.'))
			return true;
	}
	return false;
}

/* One part of a URL as libhttp-parser sees it; at is NULL when there is none. */
static struct slice
part_of(const struct http_parser_url *url, struct slice text, enum http_parser_url_fields part)
{
	if (!(url->field_set & 1u << part))
		return (struct slice){0};
	return (struct slice){text.at + url->field_data[part].off, url->field_data[part].len};
}

static void
check_authority(const struct http_parser_url *url, struct slice text, struct slice ours)
{
	struct slice host = part_of(url, text, UF_HOST);
	struct authority authority;

	CHECK(authority_parse(ours, &authority));
	if (authority.host.at[0] == '[')
		authority.host = (struct slice){authority.host.at + 1, authority.host.len - 2};
	CHECK(slice_equal(host, authority.host));
	CHECK(url->port == authority.port);
	CHECK(part_of(url, text, UF_USERINFO).at == NULL);
}

/* What we take for a target must be one to the other parser, with the same parts. */
static void
check_peer(struct slice text, const struct target *target)
{
	struct http_parser_url url;
	struct slice path, query;

	if (target->form == TARGET_ASTERISK || text.len > UINT16_MAX)
		return;
	/* It knows no empty port (RFC 3986 section 3.2.3). */
	if (target->authority.len > 0 && target->authority.at[target->authority.len - 1] == ':')
		return;
	http_parser_url_init(&url);
	CHECK(
	    http_parser_parse_url(text.at, text.len, target->form == TARGET_AUTHORITY, &url) == 0);
	if (target->authority.len > 0)
		check_authority(&url, text, target->authority);
	path = part_of(&url, text, UF_PATH);
	query = part_of(&url, text, UF_QUERY);
	if (target->form == TARGET_ABSOLUTE)
		CHECK(slice_equal_nocase(part_of(&url, text, UF_SCHEMA), target->scheme));
	if (target->form == TARGET_AUTHORITY)
		return;
	CHECK(slice_equal(path, target->path) ||
	      (path.len == 0 && slice_equal(target->path, SLICE("/"))));
	CHECK(target->query.len == 0 ? query.len == 0
				     : slice_equal(query, slice_after(target->query, 1)));
	CHECK(part_of(&url, text, UF_FRAGMENT).at == NULL);
}

/* What goes to a backend is RFC 3986's alone, and means the same once it is decoded. */
static void
check_escaped(struct slice path)
{
	char *room = malloc(PATH_ESCAPE_GROWTH * path.len);
	struct target target;
	size_t len, at = 0;

	CHECK(room != NULL);
	memcpy(room, path.at, path.len);
	len = path_escape(room, path.len);
	CHECK(len <= PATH_ESCAPE_GROWTH * path.len);
	CHECK(target_parse((struct slice){room, len}, &target) == TARGET_ORIGIN);
	CHECK(!target.raw_path && target.query.len == 0 && target.path.len == len);
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.at[i];
		char text[4];

		if (byte_is(c, BYTE_TARGET)) {
			CHECK(room[at++] == (char)c);
			continue;
		}
		snprintf(text, sizeof(text), "%%%02X", c);
		CHECK(memcmp(room + at, text, 3) == 0);
		at += 3;
	}
	CHECK(at == len);
	free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), *first = malloc(size + 1), *second = malloc(size + 1);
	struct slice text = {copy, size}, path;
	struct authority authority;
	struct target target;
	size_t len;

	CHECK(first != NULL && second != NULL);
	if (authority_parse(text, &authority))
		CHECK(slice_within(authority.host, text) &&
		      authority_same(&authority, &authority, 80));
	if (target_parse(text, &target) != TARGET_BAD)
		check_peer(text, &target);
	if (target.form != TARGET_BAD && target.path.len > 0) {
		CHECK(target.path.at[0] == '/');
		path = target.path;
		if (path_resolve(path, first, &len) != PATH_BAD) {
			CHECK(len >= 1 && len <= path.len && first[0] == '/');
			path = (struct slice){first, len};
			CHECK(!has_dot_segment(path));
			CHECK(path_resolve(path, second, &len) == PATH_CLEAN);
			CHECK(path_is_clean(path));
			CHECK(slice_equal(path, (struct slice){second, len}));
			check_escaped(path);
		}
	}
	free(copy);
	free(first);
	free(second);
	return 0;
}
