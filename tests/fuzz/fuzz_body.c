/*
 * fuzz_body.c - chunked bodies: in one piece, in pieces of any size, and framed again, they have
 * the same content.
 */
#include "fuzz.h"
#include "http/body.h"
#include "http/write.h"

#define TRAILERS 256

struct decoded {
	size_t consumed, len;
	uint64_t sum; /* of the content, order included */
	enum body_status end;
};

/* Decode with at most `piece` more bytes known each time. */
static struct decoded
decode(struct slice bytes, size_t piece)
{
	struct decoded out = {.end = BODY_MORE};
	struct body_decoder decoder;
	size_t known = 0;

	body_decoder_init(&decoder, BODY_CHUNKED, 0, TRAILERS);
	while (out.end == BODY_MORE && known < bytes.len) {
		known = bytes.len - known > piece ? known + piece : bytes.len;
		for (;;) {
			struct slice data, input = {bytes.at + out.consumed, known - out.consumed};
			size_t consumed;
			enum body_status status = body_next(&decoder, input, &consumed, &data);

			CHECK(consumed <= input.len);
			out.consumed += consumed;
			if (status == BODY_DATA) {
				CHECK(data.len > 0 && data.at >= input.at &&
				      data.at + data.len <= input.at + consumed);
				for (size_t i = 0; i < data.len; i++)
					out.sum = out.sum * 31 + (unsigned char)data.at[i];
				out.len += data.len;
			} else if (status != BODY_TRAILERS) {
				out.end = status;
				break;
			}
		}
	}
	CHECK(body_ended(&decoder) == (out.end == BODY_END));
	return out;
}

/* The content of a whole body as one chunk, and decoded again. */
static void
check_framed_anew(struct slice bytes, const struct decoded *whole)
{
	char *wire = malloc(CHUNK_HEAD_MAX + whole->len + 2 + 5), *at = wire;
	struct body_decoder decoder;
	struct decoded again;
	size_t used = 0, consumed;
	struct slice data;

	CHECK(wire != NULL);
	if (whole->len > 0) {
		at += chunk_head(whole->len, at);
		body_decoder_init(&decoder, BODY_CHUNKED, 0, TRAILERS);
		while (
		    body_next(&decoder, slice_after(bytes, used), &consumed, &data) == BODY_DATA) {
			memcpy(at, data.at, data.len);
			at += data.len;
			used += consumed;
		}
		memcpy(at, "\r\n", 2);
		at += 2;
	}
	memcpy(at, "0\r\n\r\n", 5);
	at += 5;
	again = decode((struct slice){wire, (size_t)(at - wire)}, (size_t)(at - wire));
	CHECK(again.end == BODY_END && again.consumed == (size_t)(at - wire));
	CHECK(again.len == whole->len && again.sum == whole->sum);
	free(wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	struct slice bytes = {copy, size};
	struct decoded whole = decode(bytes, size > 0 ? size : 1);
	const size_t pieces[] = {1, 2, 3, 7, 64};

	for (size_t i = 0; i < 5 && size < 4096; i++) {
		struct decoded parts = decode(bytes, pieces[i]);

		CHECK(parts.end == whole.end);
		CHECK(parts.len == whole.len && parts.sum == whole.sum);
		CHECK(parts.end != BODY_END || parts.consumed == whole.consumed);
	}
	if (whole.end == BODY_END)
		check_framed_anew(bytes, &whole);
	free(copy);
	return 0;
}
