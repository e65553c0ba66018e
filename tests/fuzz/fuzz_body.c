/* fuzz_body.c - chunked bodies say the same in one piece and in pieces of any size. */
#include "fuzz.h"
#include "http/body.h"

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
	free(copy);
	return 0;
}
