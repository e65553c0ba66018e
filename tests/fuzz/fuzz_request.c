/*
 * fuzz_request.c - heads of requests: pieces of any size give the same result, and an accepted head
 * is the same after it was written and read again.
 */
#include "fuzz.h"
#include "http/framing.h"
#include "http/head.h"
#include "http/target.h"
#include "http/write.h"

static const struct head_limits limits = {4096, 2048, 64};

/* Find the head byte by byte, and compare with finding it at once. */
static void
check_pieces(struct slice bytes, enum head_status whole, size_t whole_start, size_t whole_end)
{
	uint32_t scanned = 0;
	size_t start = 0, end = 0;
	enum head_status status = HEAD_INCOMPLETE;

	for (size_t len = 0; len <= bytes.len && status == HEAD_INCOMPLETE; len++)
		status =
		    head_find((struct slice){bytes.at, len}, true, &limits, &scanned, &start, &end);
	CHECK((status == HEAD_COMPLETE) == (whole == HEAD_COMPLETE));
	CHECK(status != HEAD_COMPLETE || (start == whole_start && end == whole_end));
}

/* Write a parsed head and parse what was written: it must say the same. */
static void
check_fixed_point(const struct request_head *head)
{
	static struct request_head again;
	static char wire[16384];
	struct writer writer = writer_of(wire, sizeof(wire));
	struct fields fields = {(struct field *)head->fields, head->field_count};
	struct slice text;

	write_request_line(
	    &writer, head->method, (struct slice){0}, head->target, (struct slice){0});
	write_fields(&writer, &fields);
	write_literal(&writer, "\r\n");
	CHECK(!writer.full);
	text = (struct slice){wire, (size_t)(writer.at - wire)};
	CHECK(head_parse_request(text, &(struct head_limits){16384, 2048, 64}, &again) ==
	      HEAD_COMPLETE);
	CHECK(slice_equal(again.method, head->method) && slice_equal(again.target, head->target));
	CHECK(again.field_count == head->field_count);
	for (size_t i = 0; i < head->field_count; i++) {
		CHECK(slice_equal(again.fields[i].name, head->fields[i].name));
		CHECK(slice_equal(again.fields[i].value, head->fields[i].value));
		CHECK(again.fields[i].id == head->fields[i].id);
	}
}

/* What a request's framing may never say, and what must have been dropped. */
static void
check_framing(const struct request_head *head, const struct request_framing *framing)
{
	struct authority authority;
	size_t codings = 0, lengths = 0;

	CHECK(framing->body != BODY_UNTIL_CLOSE);
	CHECK(framing->host.len > 0 || head->minor == 0);
	CHECK(framing->host.len == 0 || authority_parse(framing->host, &authority));
	CHECK(head->minor > 0 || (framing->body != BODY_CHUNKED && !framing->expect_continue &&
				     framing->upgrade.len == 0));
	for (size_t i = 0; i < head->field_count; i++) {
		enum field_id id = head->fields[i].id;

		codings += id == FIELD_TRANSFER_ENCODING;
		lengths += id == FIELD_CONTENT_LENGTH;
		if (id == FIELD_TRANSFER_ENCODING || id == FIELD_CONTENT_LENGTH ||
		    id == FIELD_CONNECTION || id == FIELD_HOST || id == FIELD_EXPECT ||
		    id == FIELD_TE || id == FIELD_UPGRADE || id == FIELD_KEEP_ALIVE)
			CHECK(head->fields[i].dropped);
	}
	CHECK(codings == (framing->body == BODY_CHUNKED));
	CHECK(lengths == (framing->body == BODY_LENGTH) && framing->length <= INT64_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request_head head;
	struct request_framing framing;
	struct target target;
	char *copy = exact_copy(data, size);
	struct slice bytes = {copy, size};
	uint32_t scanned = 0;
	size_t start = 0, end = 0;
	enum head_status status = head_find(bytes, true, &limits, &scanned, &start, &end);

	if (size < 2048)
		check_pieces(bytes, status, start, end);
	if (status == HEAD_COMPLETE) {
		bytes = (struct slice){copy + start, end - start};
		CHECK(memchr(bytes.at, 0, bytes.len) == NULL);
		if (head_parse_request(bytes, &limits, &head) == HEAD_COMPLETE) {
			check_fixed_point(&head);
			if (request_framing(&head, &framing) == FRAMING_OK)
				check_framing(&head, &framing);
			target_parse(head.target, &target);
		}
	}
	free(copy);
	return 0;
}
