/* h2_response.c - makes answers from field blocks. */
#include "http/h2_response.h"

#include "http/framing.h"

/* Three digits, 100 to 599, as in HTTP/1, but never 101 (RFC 9113 section 8.6). */
static bool
read_status(struct slice text, unsigned *out)
{
	uint64_t status;

	if (text.len != 3 || !slice_to_number(text, 599, &status) || status < 100 || status == 101)
		return false;
	*out = (unsigned)status;
	return true;
}

/*
 * An answer to an extended CONNECT that opens the tunnel (RFC 8441 section 4). Its Content-Length,
 * if any, has no meaning (RFC 9110 section 9.3.6).
 */
static void
become_tunnel(struct response *out, struct slice upgrade)
{
	out->status = 101;
	out->tunnel = true;
	out->keyless = true;
	out->upgrade = upgrade;
	out->content = CONTENT_UNKNOWN;
}

/* Set the length of the content. False: the Content-Length is impossible. */
static bool
set_content(struct response *out, const struct response_framing *framing, bool end_stream)
{
	out->length = framing->length;
	out->length_known = framing->length_known;
	switch (framing->body) {
	case BODY_NONE:
		out->content = CONTENT_NONE;
		return true;
	case BODY_LENGTH:
		out->content = CONTENT_LENGTH;
		return !end_stream || framing->length == 0;
	case BODY_CHUNKED:
	case BODY_UNTIL_CLOSE:
		break;
	}
	out->content = end_stream ? CONTENT_LENGTH : CONTENT_UNKNOWN;
	return true;
}

bool
h2_response_read(const struct hpack_block *block, bool end_stream, const struct h2_asked *asked,
    const struct head_limits *limits, struct response *out)
{
	struct response_framing framing;
	struct h2_list parts;

	*out = (struct response){0};
	if (block->too_large || !h2_list_read(block, 1U << H2_STATUS, &parts) ||
	    !h2_has(&parts, H2_STATUS) || !read_status(parts.pseudo[H2_STATUS], &out->status) ||
	    parts.fields.count > limits->fields || parts.bytes > limits->head_bytes)
		return false;
	if (response_fields_framing(parts.fields, out->status, HTTP_2, asked->method, &framing) !=
	    FRAMING_OK)
		return false;
	out->fields = parts.fields;
	if (asked->upgrade.len > 0 && out->status >= 200 && out->status < 300) {
		become_tunnel(out, asked->upgrade);
		return true;
	}
	if (out->status < 200 && end_stream)
		return false; /* RFC 9113 section 8.1: an interim answer ends no stream */
	return set_content(out, &framing, end_stream);
}
