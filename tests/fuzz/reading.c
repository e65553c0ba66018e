/* reading.c - reads messages with our own codec, and compares what was read. */
#include "reading.h"

#include "fuzz.h"
#include "http/framing.h"

#define TRAILER_MAX 4096

const struct head_limits reading_limits = {16384, 8192, HEAD_FIELDS_MAX};

void
reading_add_content(struct reading *reading, struct slice data)
{
	for (size_t i = 0; i < data.len; i++)
		reading->content_sum = reading->content_sum * 31 + (unsigned char)data.at[i];
	reading->content_len += data.len;
}

/* Decode the body that begins at out->end. */
static void
read_body(
    struct slice bytes, enum body_kind kind, uint64_t length, bool closed, struct reading *out)
{
	struct body_decoder decoder;

	body_decoder_init(&decoder, kind, length, TRAILER_MAX);
	for (;;) {
		struct slice data;
		size_t consumed;
		enum body_status status =
		    body_next(&decoder, slice_after(bytes, out->end), &consumed, &data);

		out->end += consumed;
		CHECK(out->end <= bytes.len && slice_within(data, bytes));
		switch (status) {
		case BODY_DATA:
			reading_add_content(out, data);
			continue;
		case BODY_TRAILERS:
			if (fields_parse(data, out->fields + out->field_count, HEAD_FIELDS_MAX,
				&out->trailer_count) == HEAD_COMPLETE)
				continue;
			break;
		case BODY_MORE:
			out->status =
			    closed && kind == BODY_UNTIL_CLOSE ? READING_WHOLE : READING_BODY;
			out->in_trailers = kind == BODY_CHUNKED && out->end < bytes.len;
			return;
		case BODY_END:
			out->status = READING_WHOLE;
			return;
		case BODY_BAD:
			break;
		}
		out->status = READING_REFUSED;
		return;
	}
}

static enum head_status
find_head(struct slice bytes, bool is_request, struct slice *head, struct reading *out)
{
	uint32_t scanned = 0;
	size_t start;
	enum head_status status =
	    head_find(bytes, is_request, &reading_limits, &scanned, &start, &out->end);

	if (status == HEAD_COMPLETE)
		*head = (struct slice){bytes.at + start, out->end - start};
	else if (status == HEAD_INCOMPLETE)
		out->status = READING_HEAD;
	return status;
}

void
reading_of_request(struct slice bytes, struct reading *out)
{
	static struct request_head head;
	struct request_framing framing;
	struct slice text;

	*out = (struct reading){.status = READING_REFUSED};
	if (find_head(bytes, true, &text, out) != HEAD_COMPLETE ||
	    head_parse_request(text, &reading_limits, &head) != HEAD_COMPLETE)
		return;
	out->method = head.method;
	out->target = head.target;
	out->minor = head.minor;
	out->field_count = head.field_count;
	memcpy(out->fields, head.fields, head.field_count * sizeof(head.fields[0]));
	if (request_framing(&head, &framing) == FRAMING_OK)
		read_body(bytes, framing.body, framing.length, false, out);
}

void
reading_of_response(struct slice bytes, enum method_id method, bool closed, struct reading *out)
{
	static struct response_head head;
	struct response_framing framing;
	struct slice text;

	*out = (struct reading){.status = READING_REFUSED};
	if (find_head(bytes, false, &text, out) != HEAD_COMPLETE ||
	    head_parse_response(text, &reading_limits, &head) != HEAD_COMPLETE)
		return;
	out->code = head.status;
	out->reason = head.reason;
	out->minor = head.minor;
	out->field_count = head.field_count;
	memcpy(out->fields, head.fields, head.field_count * sizeof(head.fields[0]));
	if (response_framing(&head, method, &framing) == FRAMING_OK)
		read_body(bytes, framing.body, framing.length, closed, out);
}

void
readings_compare(const struct reading *ours, const struct reading *peers)
{
	static const char *const names[] = {
	    "refused", "head not complete", "body not complete", "whole"};

	/* We judge trailers when all of them are there, the peer at each byte. */
	if (ours->in_trailers && peers->status != READING_BODY)
		return;
	if (ours->status != peers->status)
		fprintf(stderr, "our codec: %s; libhttp-parser: %s, error %u\n",
		    names[ours->status], names[peers->status], peers->error);
	CHECK(ours->status == peers->status);
	CHECK(slice_equal(ours->method, peers->method));
	CHECK(slice_equal(ours->target, peers->target));
	CHECK(ours->code == peers->code && ours->minor == peers->minor);
	CHECK(slice_equal(ours->reason, peers->reason));
	CHECK(ours->field_count == peers->field_count);
	CHECK(ours->trailer_count == peers->trailer_count);
	for (size_t i = 0; i < ours->field_count + ours->trailer_count; i++) {
		CHECK(slice_equal(ours->fields[i].name, peers->fields[i].name));
		CHECK(slice_equal(ours->fields[i].value, peers->fields[i].value));
	}
	CHECK(ours->content_len == peers->content_len);
	CHECK(ours->content_sum == peers->content_sum);
	CHECK(ours->status != READING_WHOLE || ours->end == peers->end);
}
