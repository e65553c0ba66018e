/* websocket.c - the key of a WebSocket, and where its frames begin and end. */
#include "http/websocket.h"

#include <string.h>

#define MASKED 0x80
#define MASK_LEN 4

#define LENGTH_BITS 0x7f
#define LENGTH_IN_2_BYTES 126
#define LENGTH_IN_8_BYTES 127

#define FIN_AND_CLOSE 0x88
#define REASON_MAX 123

bool
websocket_key(const struct fields *fields, struct slice *key)
{
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].dropped ||
		    !slice_equal_nocase(fields->items[i].name, SLICE("Sec-WebSocket-Key")))
			continue;
		count++;
		*key = fields->items[i].value;
	}
	return count == 1 && key->len == WEBSOCKET_KEY_LEN;
}

/* The second byte of a head says how many more the head has. */
static void
take_second_byte(struct websocket_frames *frames, unsigned char byte)
{
	unsigned length = byte & LENGTH_BITS;

	frames->left = 0;
	frames->size_at = 2;
	if (length == LENGTH_IN_2_BYTES)
		frames->size_at = 2 + 2;
	else if (length == LENGTH_IN_8_BYTES)
		frames->size_at = 2 + 8;
	else
		frames->left = length;
	frames->needed = (unsigned char)(frames->size_at + (byte & MASKED ? MASK_LEN : 0));
}

static void
take_head_byte(struct websocket_frames *frames, unsigned char byte)
{
	frames->seen++;
	if (frames->seen == 1)
		return;
	if (frames->seen == 2)
		take_second_byte(frames, byte);
	else if (frames->seen <= frames->size_at)
		frames->left = frames->left << 8 | byte;
	if (frames->seen == frames->needed)
		frames->seen = 0;
}

void
websocket_follow(struct websocket_frames *frames, struct slice sent)
{
	while (sent.len > 0) {
		size_t n = 1;

		if (frames->seen == 0 && frames->left > 0) {
			n = frames->left < sent.len ? (size_t)frames->left : sent.len;
			frames->left -= n;
		} else {
			take_head_byte(frames, (unsigned char)sent.at[0]);
		}
		sent = slice_after(sent, n);
	}
}

size_t
websocket_close(unsigned code, struct slice reason, char out[WEBSOCKET_CLOSE_MAX])
{
	size_t len = reason.len < REASON_MAX ? reason.len : REASON_MAX;

	out[0] = (char)FIN_AND_CLOSE;
	out[1] = (char)(2 + len);
	out[2] = (char)(code >> 8);
	out[3] = (char)(code & 0xff);
	memcpy(out + 4, reason.at, len);
	return 4 + len;
}
