/* query_token.c - tokens in a query. */
#include "exchange/query_token.h"

#include <openssl/crypto.h>

#include "auth/form.h"
#include "exchange/ours.h"
#include "http/write.h"

#define NAME SLICE("access_token")

/* Take the next parameter from *rest, which begins with '?', '&' or ';'. Some jobs take ';', too.
 */
static bool
parameter_next(struct slice *rest, struct slice *parameter)
{
	size_t len = 1;

	if (rest->len == 0)
		return false;
	while (len < rest->len && rest->at[len] != '&' && rest->at[len] != ';')
		len++;
	*parameter = (struct slice){rest->at + 1, len - 1};
	*rest = slice_after(*rest, len);
	return true;
}

/* True when it is an access_token; its value is decoded to the room. */
static bool
read_parameter(struct slice parameter, char *room, size_t cap, struct slice *value)
{
	for (size_t i = 0; i < NAME.len; i++) {
		char c;

		if (parameter.len == 0)
			return false;
		c = form_next(&parameter);
		if (c != NAME.at[i] && (c < 'A' || c > 'Z' || (char)(c | 0x20) != NAME.at[i]))
			return false;
	}
	if (parameter.len == 0 || form_next(&parameter) != '=')
		return false;
	*value = (struct slice){room, 0};
	while (parameter.len > 0 && value->len < cap)
		room[value->len++] = form_next(&parameter);
	return true;
}

void
query_tokens_find(struct slice query, char *room, size_t cap, struct query_tokens *out)
{
	struct slice parameter, value;

	*out = (struct query_tokens){0};
	while (parameter_next(&query, &parameter)) {
		if (!read_parameter(parameter, room + out->used, cap - out->used, &value))
			continue;
		out->count++;
		if (is_ours(value) && out->ours++ == 0)
			out->value = value;
		out->used += value.len;
	}
}

/* True when the parameter is not for the job. */
static bool
must_hide(struct slice parameter, char *room, size_t cap)
{
	struct slice value;
	bool hide;

	if (!read_parameter(parameter, room, cap, &value))
		return false;
	hide = holds_ours(value);
	OPENSSL_cleanse(room, value.len);
	return hide;
}

/* False for nearly all queries that hold none, without a look at each parameter. */
static bool
may_hold_ours(struct slice query)
{
	return query.len >= QUERY_TOKEN_MIN && (memchr(query.at, '%', query.len) != NULL ||
						   memmem(query.at, query.len, "jgt_", 4) != NULL);
}

bool
query_holds_ours(struct slice query, char *room, size_t cap)
{
	struct slice parameter;

	if (!may_hold_ours(query))
		return false;
	while (parameter_next(&query, &parameter))
		if (must_hide(parameter, room, cap))
			return true;
	return false;
}

/* Write the query without those. The writer's free room is used meanwhile. */
static struct slice
write_without_ours(struct writer *writer, struct slice query)
{
	const char *begin = writer->at;
	struct slice parameter;

	while (parameter_next(&query, &parameter)) {
		if (must_hide(parameter, writer->at, (size_t)(writer->end - writer->at)))
			continue;
		if (writer->at == begin)
			write_literal(writer, "?");
		else
			write_slice(writer, (struct slice){parameter.at - 1, 1});
		write_slice(writer, parameter);
	}
	if (writer->full)
		return (struct slice){0};
	return (struct slice){begin, (size_t)(writer->at - begin)};
}

void
query_hide_ours(struct request *request, char *room, size_t cap)
{
	struct writer writer = writer_of(room, cap);

	if (query_holds_ours(request->query, room, cap))
		request->query = write_without_ours(&writer, request->query);
}

bool
url_holds_ours(struct slice url, char *room, size_t cap)
{
	const char *query = url.len > 0 ? memchr(url.at, '?', url.len) : NULL;

	return holds_ours(url) ||
	       (query != NULL &&
		   query_holds_ours(slice_after(url, (size_t)(query - url.at)), room, cap));
}
