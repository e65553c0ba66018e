/* endpoint.c - matches paths against the table of endpoints, segment by segment. */
#include "auth/control/endpoint.h"

#include <stdio.h>

/* Take the next segment, up to a '/' or the end, from the front of *rest. */
static struct slice
segment(struct slice *rest)
{
	struct slice head = *rest;
	const char *slash = memchr(rest->at, '/', rest->len);

	if (slash != NULL)
		head.len = (size_t)(slash - rest->at) +
			   1; /* the segment includes the slash: "a/" is not "a" */
	*rest = slice_after(*rest, head.len);
	return head;
}

static bool
path_matches(struct slice pattern, struct slice path, struct slice *id)
{
	*id = SLICE("");
	while (pattern.len > 0 && path.len > 0) {
		struct slice want = segment(&pattern), have = segment(&path);

		if (!slice_starts_with(want, SLICE("{id}"))) {
			if (!slice_equal(want, have))
				return false;
			continue;
		}
		*id = have;
		if (want.at[want.len - 1] == '/') {
			if (have.at[have.len - 1] != '/')
				return false;
			id->len--;
		} else if (have.at[have.len - 1] == '/') {
			return false;
		}
		if (id->len == 0)
			return false;
	}
	return pattern.len == 0 && path.len == 0;
}

/* "GET" answers HEAD too: the server leaves the content out. */
static bool
method_matches(const char *of_row, struct slice method)
{
	return slice_equal(slice_of(of_row), method) ||
	       (strcmp(of_row, "GET") == 0 && slice_equal(method, SLICE("HEAD")));
}

enum endpoint_result
endpoint_find(const struct endpoint_table *table, struct slice method, struct slice path,
    const struct endpoint **row, struct slice *id, char allow[ENDPOINT_ALLOW_MAX])
{
	enum endpoint_result result = ENDPOINT_NO_PATH;
	size_t len = 0;

	allow[0] = '\0';
	for (size_t i = 0; i < table->count; i++) {
		const struct endpoint *candidate = &table->rows[i];

		if (!path_matches(slice_of(candidate->pattern), path, id))
			continue;
		if (method_matches(candidate->method, method)) {
			*row = candidate;
			return ENDPOINT_FOUND;
		}
		result = ENDPOINT_NO_METHOD;
		if (len < ENDPOINT_ALLOW_MAX)
			len += (size_t)snprintf(allow + len, ENDPOINT_ALLOW_MAX - len, "%s%s%s",
			    len > 0 ? ", " : "", candidate->method,
			    strcmp(candidate->method, "GET") == 0 ? ", HEAD" : "");
	}
	return result;
}
