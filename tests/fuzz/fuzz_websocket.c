/* fuzz_websocket.c - the frames of a WebSocket end where RFC 6455 says, in pieces of any size. */
#include "fuzz.h"
#include "http/websocket.h"

/* Read the frame at the front of bytes by section 5.2's own picture; its length, 0 when it is cut.
 */
static uint64_t
frame_len(struct slice bytes)
{
	const unsigned char *at = (const unsigned char *)bytes.at;
	size_t head = 2;
	uint64_t len;

	if (bytes.len < 2)
		return 0;
	len = at[1] & 0x7f;
	if (len >= 126) {
		size_t more = len == 126 ? 2 : 8;

		if (bytes.len < 2 + more)
			return 0;
		len = 0;
		for (size_t i = 0; i < more; i++)
			len = len * 256 + at[2 + i];
		head += more;
	}
	head += at[1] & 0x80 ? 4 : 0;
	return bytes.len >= head && bytes.len - head >= len ? head + len : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size), close[WEBSOCKET_CLOSE_MAX];
	struct slice rest = {copy, size};
	struct websocket_frames whole = {0};
	uint64_t len;

	websocket_follow(&whole, rest);
	for (size_t piece = 1; piece <= 7; piece += 2) {
		struct websocket_frames parts = {0};

		for (size_t i = 0; i < size; i += piece)
			websocket_follow(
			    &parts, (struct slice){copy + i, size - i < piece ? size - i : piece});
		CHECK(parts.left == whole.left && parts.seen == whole.seen);
	}
	while ((len = frame_len(rest)) > 0)
		rest = slice_after(rest, (size_t)len);
	CHECK(websocket_between_frames(&whole) == (rest.len == 0));

	/* A Close of ours is one frame. */
	rest = (struct slice){close, websocket_close(1008, (struct slice){copy, size}, close)};
	CHECK(frame_len(rest) == rest.len);
	free(copy);
	return 0;
}
