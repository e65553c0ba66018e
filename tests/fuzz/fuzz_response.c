/*
 * fuzz_response.c - heads of answers: pieces of any size give the same result, and an accepted head
 * is the same, with its framing, after it was written and read again.
 */
#include "fuzz.h"
#include "http/framing.h"
#include "http/write.h"

static const struct head_limits limits = {4096, 2048, 64};

static void
check_pieces(struct slice bytes, enum head_status whole, size_t whole_end)
{
	uint32_t scanned = 0;
	size_t start = 0, end = 0;
	enum head_status status = HEAD_INCOMPLETE;

	for (size_t len = 0; len <= bytes.len && status == HEAD_INCOMPLETE; len++)
		status = head_find(
		    (struct slice){bytes.at, len}, false, &limits, &scanned, &start, &end);
	CHECK((status == HEAD_COMPLETE) == (whole == HEAD_COMPLETE));
	CHECK(status != HEAD_COMPLETE || (start == 0 && end == whole_end));
}

/* What a framing may never say (RFC 9112 section 6.3). */
static void
check_framing(const struct response_head *head, enum method_id method, enum framing_error error,
    const struct response_framing *framing)
{
	if (error != FRAMING_OK)
		return;
	if (method == METHOD_HEAD || head->status < 200 || head->status == 204 ||
	    head->status == 304)
		CHECK(framing->body == BODY_NONE);
	CHECK(framing->body != BODY_UNTIL_CLOSE || !framing->keep_alive);
	CHECK(framing->body != BODY_CHUNKED || head->minor == 1);
	CHECK(framing->body != BODY_LENGTH ||
	      (framing->length_known && framing->length <= INT64_MAX));
	CHECK((head->status == 101) == (framing->upgrade.len > 0));
}

/* Write a head and read it again: it says the same, and has the same framing. */
static void
check_fixed_point(struct response_head *head)
{
	static struct response_head again;
	static char wire[16384];
	const enum method_id methods[] = {METHOD_GET, METHOD_HEAD};
	struct writer writer = writer_of(wire, sizeof(wire));

	write_status_line(&writer, head->status, head->reason);
	write_fields(&writer, &(struct fields){head->fields, head->field_count});
	write_literal(&writer, "\r\n");
	CHECK(!writer.full);
	CHECK(head_parse_response((struct slice){wire, (size_t)(writer.at - wire)},
		  &(struct head_limits){16384, 2048, 64}, &again) == HEAD_COMPLETE);
	CHECK(again.status == head->status && again.field_count == head->field_count);
	CHECK(head->reason.len == 0 || slice_equal(again.reason, head->reason));
	for (size_t i = 0; i < head->field_count; i++) {
		CHECK(slice_equal(again.fields[i].name, head->fields[i].name));
		CHECK(slice_equal(again.fields[i].value, head->fields[i].value));
		CHECK(again.fields[i].id == head->fields[i].id);
	}
	for (size_t i = 0; i < 2; i++) {
		struct response_framing first, second;
		enum framing_error error = response_framing(head, methods[i], &first);

		check_framing(head, methods[i], error, &first);
		again.minor = head->minor; /* what is written is always 1.1 */
		CHECK(response_framing(&again, methods[i], &second) == error);
		CHECK(error != FRAMING_OK ||
		      (first.body == second.body && first.length == second.length &&
			  first.keep_alive == second.keep_alive));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct response_head head;
	char *copy = exact_copy(data, size);
	struct slice bytes = {copy, size};
	uint32_t scanned = 0;
	size_t start = 0, end = 0;
	enum head_status status = head_find(bytes, false, &limits, &scanned, &start, &end);

	if (size < 2048)
		check_pieces(bytes, status, end);
	if (status == HEAD_COMPLETE) {
		CHECK(start == 0 && end <= size);
		bytes.len = end;
		if (head_parse_response(bytes, &limits, &head) == HEAD_COMPLETE) {
			CHECK(head.status >= 100 && head.status <= 599);
			check_fixed_point(&head);
		}
	}
	free(copy);
	return 0;
}
