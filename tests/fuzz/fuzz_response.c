/* fuzz_response.c - answers' heads and their framing. */
#include "fuzz.h"
#include "http/framing.h"

static const struct head_limits limits = {4096, 2048, 64};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct response_head head;
	struct response_framing framing;
	char *copy = exact_copy(data, size);
	struct slice bytes = {copy, size};
	size_t scanned = 0, start = 0, end = 0;

	if (head_find(bytes, false, &limits, &scanned, &start, &end) == HEAD_COMPLETE) {
		CHECK(start == 0 && end <= size);
		bytes.len = end;
		if (head_parse_response(bytes, &limits, &head) == HEAD_COMPLETE) {
			CHECK(head.status >= 100 && head.status <= 599);
			if (response_framing(&head, METHOD_GET, &framing) == FRAMING_OK &&
			    head.status == 204)
				CHECK(framing.body == BODY_NONE);
			if (response_framing(&head, METHOD_HEAD, &framing) == FRAMING_OK)
				CHECK(framing.body == BODY_NONE);
		}
	}
	free(copy);
	return 0;
}
