/* kept_content.c - a copy of the first content of a request, in one block that grows. */
#include "exchange/kept_content.h"

#include <openssl/crypto.h>

#include "jobgate/check.h"

/* Make room for this many more bytes. False: the block would be too large, or memory is short. */
static bool
reserve(struct kept_content *kept, struct kept_content_room *room, size_t more)
{
	size_t len = buffer_len(kept->bytes) + more;
	struct buffer *larger;

	if (kept->bytes != NULL && buffer_room(kept->bytes) >= more)
		return true;
	if (len > KEPT_CONTENT_MAX || room->used + len > KEPT_CONTENTS_MAX)
		return false;
	larger = buffer_take(room->buffers, len);
	if (larger == NULL)
		return false;
	room->used += larger->capacity;
	if (kept->bytes != NULL) {
		buffer_append(larger, buffer_bytes(kept->bytes));
		room->used -= kept->bytes->capacity;
		buffer_give(room->buffers, kept->bytes);
	}
	kept->bytes = larger;
	return true;
}

void
kept_content_add(struct kept_content *kept, struct kept_content_room *room, struct slice content)
{
	CHECK(!kept_content_waits(kept) && !kept->ended);
	if (kept->lost || content.len == 0)
		return;
	if (!reserve(kept, room, content.len)) {
		kept_content_lose(kept, room);
		return;
	}
	buffer_append(kept->bytes, content);
	kept->sent += content.len;
}

void
kept_content_lose(struct kept_content *kept, struct kept_content_room *room)
{
	kept->lost = true;
	kept->sent = 0;
	if (kept->bytes == NULL)
		return;
	CHECK(room->used >= kept->bytes->capacity);
	if (kept->secret)
		OPENSSL_cleanse(kept->bytes->bytes, kept->bytes->capacity);
	room->used -= kept->bytes->capacity;
	buffer_give(room->buffers, kept->bytes);
	kept->bytes = NULL;
}

void
kept_content_rewind(struct kept_content *kept)
{
	CHECK(!kept->lost);
	kept->sent = 0;
	kept->end_due = kept->ended;
}
