/* suspended.c - a copy of a request as it came, in one block. */
#include "exchange/suspended.h"

#include <openssl/crypto.h>

#include "jobgate/check.h"

void
claim_copy(struct claim *to, const struct claim *from)
{
	*to = *from;
	if (from->digest == NULL)
		return;
	to->own = *from->digest;
	to->digest = &to->own;
}

static size_t
text_len(const struct request *request)
{
	size_t len = request->method.len + request->authority.len + request->path.len +
		     request->query.len + request->upgrade.len;

	for (size_t i = 0; i < request->fields.count; i++)
		len += request->fields.items[i].name.len + request->fields.items[i].value.len;
	return len;
}

/* Copy a text to `at`, and have the slice point to the copy. Returns the end of the copy. */
static char *
move(char *at, struct slice *text)
{
	if (text->len > 0)
		memcpy(at, text->at, text->len);
	text->at = at;
	return at + text->len;
}

/* Copy all that the request points to: the fields to `items`, all text to `at`. */
static char *
move_request(struct request *request, struct field *items, char *at)
{
	size_t count = request->fields.count;

	at = move(at, &request->method);
	at = move(at, &request->authority);
	at = move(at, &request->path);
	at = move(at, &request->query);
	at = move(at, &request->upgrade);
	if (count > 0)
		memcpy(items, request->fields.items, count * sizeof(*items));
	request->fields.items = items;
	for (size_t i = 0; i < count; i++)
		at = move(move(at, &items[i].name), &items[i].value);
	return at;
}

struct suspended *
suspended_new(struct buffer_pool *buffers, const struct request *request, const struct claim *claim)
{
	size_t text = text_len(request);
	size_t len = sizeof(struct suspended) + request->fields.count * sizeof(struct field) + text;
	struct suspended *suspended;
	struct buffer *buffer;
	struct field *items;
	char *end;

	if (text > SUSPENDED_TEXT_MAX)
		return NULL;
	buffer = buffer_take(buffers, _Alignof(struct suspended) + len);
	if (buffer == NULL)
		return NULL;
	suspended = buffer_place(buffer, _Alignof(struct suspended));
	buffer->end = (uint32_t)((char *)suspended - buffer->bytes + len);
	suspended->buffer = buffer;
	suspended->request = *request;
	claim_copy(&suspended->claim, claim);
	items = (struct field *)(suspended + 1);
	end = move_request(&suspended->request, items, (char *)(items + request->fields.count));
	CHECK(end == buffer->bytes + buffer->end);
	return suspended;
}

bool
suspended_has(const struct suspended *suspended, struct slice text)
{
	const struct buffer *buffer = suspended->buffer;

	return text.len == 0 ||
	       (text.at >= buffer->bytes && text.at + text.len <= buffer->bytes + buffer->end);
}

void
suspended_free(struct buffer_pool *buffers, struct suspended *suspended)
{
	struct buffer *buffer;

	if (suspended == NULL)
		return;
	buffer = suspended->buffer;
	OPENSSL_cleanse(buffer->bytes, buffer->end);
	buffer_give(buffers, buffer);
}
