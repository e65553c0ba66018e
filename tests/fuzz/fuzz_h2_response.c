/*
 * fuzz_h2_response.c - lists of fields as answers of HTTP/2. An accepted list keeps all rules, and
 * is the same answer when it is written in HTTP/1 and read again. The first byte chooses the
 * request: bit 0, no content follows; bit 1, HEAD; bit 2, extended CONNECT.
 */
#include "h2_input.h"
#include "http/framing.h"
#include "http/h2_response.h"
#include "http/write.h"
#include "reading.h"

static const struct head_limits limits = {4096, 2048, 64};

static void
check_list(const struct h2_input *input, const struct response *response)
{
	struct slice status, value;

	h2_input_check_accepted(input);
	CHECK(h2_input_find(input, SLICE(":status"), &status) == 1 && status.len == 3);
	CHECK(status.at[0] >= '1' && status.at[0] <= '5' && !slice_equal(status, SLICE("101")));
	CHECK(h2_input_find(input, SLICE(":path"), &value) == 0);
	CHECK(h2_input_find(input, SLICE("content-length"), &value) <= 1);
	CHECK(response->fields.count + 1 == input->count);
	CHECK(response->tunnel == (response->status == 101));
}

static struct slice
written(const struct response *response)
{
	static char wire[32768];
	struct writer writer = writer_of(wire, sizeof(wire));

	write_status_line(&writer, response->status, response->reason);
	write_fields(&writer, &response->fields);
	if (response->content == CONTENT_UNKNOWN) {
		write_literal(&writer, "Transfer-Encoding: chunked\r\n");
	} else if (response->content == CONTENT_LENGTH || response->length_known) {
		write_literal(&writer, "Content-Length: ");
		write_number(&writer, response->length);
		write_literal(&writer, "\r\n");
	}
	write_literal(&writer, "\r\n");
	CHECK(!writer.full);
	return (struct slice){wire, (size_t)(writer.at - wire)};
}

static void
check_again(const struct response *response, enum method_id method)
{
	static struct response_head head;
	const struct head_limits wide = {32768, 8192, HEAD_FIELDS_MAX};
	struct response_framing framing;
	size_t at = 0;

	CHECK(head_parse_response(written(response), &wide, &head) == HEAD_COMPLETE);
	CHECK(head.status == response->status);
	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.items[i];

		if (field->dropped)
			continue;
		CHECK(slice_equal(field->name, head.fields[at].name));
		CHECK(slice_equal(field->value, head.fields[at].value));
		at++;
	}
	CHECK(response_framing(&head, method, &framing) == FRAMING_OK);
	CHECK((framing.body == BODY_NONE) == (response->content == CONTENT_NONE));
	CHECK((framing.body == BODY_CHUNKED) == (response->content == CONTENT_UNKNOWN));
	CHECK(!response->length_known ||
	      (framing.length_known && framing.length == response->length));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct h2_input input;
	static struct field fields[H2_FIELDS_MAX];
	struct h2_asked asked = {METHOD_GET, {0}};
	struct hpack_block block;
	struct response response;
	char *copy;

	if (size < 1)
		return 0;
	if (data[0] & 2)
		asked.method = METHOD_HEAD;
	if (data[0] & 4)
		asked = (struct h2_asked){METHOD_GET, SLICE("websocket")};
	copy = exact_copy(data + 1, size - 1);
	h2_input_read((struct slice){copy, size - 1}, &input);
	block = h2_input_block(&input, fields);
	if (h2_response_read(&block, data[0] & 1, &asked, &limits, &response)) {
		check_list(&input, &response);
		if (!response.tunnel)
			check_again(&response, asked.method);
	}
	free(copy);
	return 0;
}
