/* kept_request.c - a copy of a request's head in one block. */
#include "exchange/kept_request.h"

#include "jobgate/check.h"

#define ALIGNMENT _Alignof(struct kept_request)

/* How many bytes put_lines writes for these fields. */
static size_t
lines_len(const struct fields *fields)
{
	size_t len = 0;

	for (size_t i = 0; i < fields->count; i++)
		if (!fields->items[i].dropped)
			len += fields->items[i].name.len + 2 + fields->items[i].value.len + 2;
	return len;
}

static char *
put(char *at, struct slice text)
{
	if (text.len > 0)
		memcpy(at, text.at, text.len);
	return at + text.len;
}

/* As write_fields, but without a check for each field: the room was counted before. */
static char *
put_lines(char *at, const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].dropped)
			continue;
		at = put(at, fields->items[i].name);
		memcpy(at, ": ", 2);
		at = put(at + 2, fields->items[i].value);
		memcpy(at, "\r\n", 2);
		at += 2;
	}
	return at;
}

/* Copy a text, and have the slice point to the copy. */
static char *
copy_slice(char *at, struct slice *text)
{
	char *end = put(at, *text);

	text->at = at;
	return end;
}

/* Copy all texts but the lines to `at`. Returns the end of them. */
static inline __attribute__((always_inline)) char *
fill(struct kept_request *kept, struct slice base, char *at)
{
	struct request *request = &kept->request;
	struct slice path = {at, base.len + request->path.len};

	at = put(put(at, base), request->path);
	request->path = path;
	at = copy_slice(at, &request->query);
	at = copy_slice(at, &request->method);
	at = copy_slice(at, &request->authority);
	kept->base_len = base.len;
	return copy_slice(at, &request->upgrade);
}

/*
 * A block with a copy of the request, and room for these lines behind it. NULL: it does not fit.
 * Inline, because each request makes one.
 */
static inline __attribute__((always_inline)) struct kept_request *
kept_new(
    struct buffer_pool *buffers, const struct request *request, struct slice base, size_t lines_len)
{
	size_t len = request->method.len + request->authority.len + base.len + request->path.len +
		     request->query.len + request->upgrade.len;
	struct kept_request *kept;
	struct buffer *buffer;

	if (len + lines_len > KEPT_TEXT_MAX)
		return NULL;
	buffer = buffer_take(buffers, ALIGNMENT + sizeof(*kept) + len + lines_len);
	if (buffer == NULL)
		return NULL;
	kept = buffer_place(buffer, ALIGNMENT);
	kept->buffer = buffer;
	kept->request = *request;
	kept->request.fields = (struct fields){0};
	kept->lines = (struct slice){fill(kept, base, (char *)(kept + 1)), lines_len};
	CHECK(kept->lines.at == (char *)(kept + 1) + len);
	return kept;
}

struct kept_request *
kept_request_new(struct buffer_pool *buffers, const struct request *request, struct slice base,
    const struct fields *extra)
{
	size_t len = lines_len(&request->fields) + lines_len(extra);
	struct kept_request *kept = kept_new(buffers, request, base, len);
	char *at;

	if (kept == NULL)
		return NULL;
	at = (char *)kept->lines.at;
	CHECK(put_lines(put_lines(at, &request->fields), extra) == at + len);
	return kept;
}

struct kept_request *
kept_request_move(struct buffer_pool *buffers, const struct kept_request *kept,
    struct slice authority, struct slice base)
{
	struct request request = kept->request;
	struct kept_request *moved;

	request.path = slice_after(request.path, kept->base_len);
	request.authority = authority;
	moved = kept_new(buffers, &request, base, kept->lines.len);
	if (moved != NULL)
		put((char *)moved->lines.at, kept->lines);
	return moved;
}

void
kept_request_free(struct buffer_pool *buffers, struct kept_request *kept)
{
	if (kept != NULL)
		buffer_give(buffers, kept->buffer);
}
