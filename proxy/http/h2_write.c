/* h2_write.c - writing frames. */
#include <endian.h>

#include "http/h2_frame.h"

static char *
put_32(char *at, uint32_t number)
{
	number = htobe32(number);
	memcpy(at, &number, sizeof(number));
	return at + sizeof(number);
}

static char *
put_16(char *at, uint16_t number)
{
	number = htobe16(number);
	memcpy(at, &number, sizeof(number));
	return at + sizeof(number);
}

void
h2_frame_put(char out[H2_FRAME_HEAD_LEN], const struct h2_frame *frame)
{
	put_32(out, frame->length << 8 | frame->type);
	out[4] = (char)frame->flags;
	put_32(out + 5, frame->stream);
}

/*
 * Write a frame's head if there is room for the whole frame. Returns where the payload goes, or
 * NULL.
 */
static char *
begin(
    struct writer *writer, enum h2_frame_type type, unsigned flags, uint32_t stream, size_t length)
{
	struct h2_frame frame = {.length = (uint32_t)length,
	    .stream = stream,
	    .type = (unsigned char)type,
	    .flags = (unsigned char)flags};
	char *payload = writer->at + H2_FRAME_HEAD_LEN;

	if (H2_FRAME_HEAD_LEN + length > (size_t)(writer->end - writer->at)) {
		writer->full = true;
		return NULL;
	}
	h2_frame_put(writer->at, &frame);
	writer->at = payload + length;
	return payload;
}

void
h2_write_frame_head(struct writer *writer, enum h2_frame_type type, unsigned flags, uint32_t stream,
    uint32_t length)
{
	struct h2_frame frame = {length, stream, (unsigned char)type, (unsigned char)flags};

	if (H2_FRAME_HEAD_LEN > writer->end - writer->at) {
		writer->full = true;
		return;
	}
	h2_frame_put(writer->at, &frame);
	writer->at += H2_FRAME_HEAD_LEN;
}

void
h2_write_settings(struct writer *writer, const struct h2_setting *settings, size_t count)
{
	char *at = begin(writer, H2_SETTINGS, 0, 0, 6 * count);

	for (size_t i = 0; at != NULL && i < count; i++)
		at = put_32(put_16(at, settings[i].id), settings[i].value);
}

void
h2_write_settings_ack(struct writer *writer)
{
	begin(writer, H2_SETTINGS, H2_ACK, 0, 0);
}

void
h2_write_ping(struct writer *writer, bool ack, const char payload[8])
{
	char *at = begin(writer, H2_PING, ack ? H2_ACK : 0, 0, 8);

	if (at != NULL)
		memcpy(at, payload, 8);
}

void
h2_write_rst_stream(struct writer *writer, uint32_t stream, enum h2_error error)
{
	char *at = begin(writer, H2_RST_STREAM, 0, stream, 4);

	if (at != NULL)
		put_32(at, error);
}

void
h2_write_window_update(struct writer *writer, uint32_t stream, uint32_t increment)
{
	char *at = begin(writer, H2_WINDOW_UPDATE, 0, stream, 4);

	if (at != NULL)
		put_32(at, increment);
}

void
h2_write_goaway(struct writer *writer, uint32_t last, enum h2_error error, struct slice debug)
{
	char *at = begin(writer, H2_GOAWAY, 0, 0, 8 + debug.len);

	if (at == NULL)
		return;
	at = put_32(put_32(at, last), error);
	if (debug.len > 0)
		memcpy(at, debug.at, debug.len);
}

/* The length of a block together with the heads of its frames. */
static size_t
framed_len(size_t len, uint32_t size_max)
{
	size_t frames = len > 0 ? (len + size_max - 1) / size_max : 1;

	return len + frames * H2_FRAME_HEAD_LEN;
}

void
h2_write_block(
    struct writer *writer, uint32_t stream, unsigned flags, struct slice block, uint32_t size_max)
{
	enum h2_frame_type type = H2_HEADERS;

	if (framed_len(block.len, size_max) > (size_t)(writer->end - writer->at)) {
		writer->full = true;
		return;
	}
	do {
		bool last = block.len <= size_max;
		size_t len = last ? block.len : size_max;
		char *at = begin(writer, type, flags | (last ? H2_END_HEADERS : 0), stream, len);

		if (at != NULL && len > 0)
			memcpy(at, block.at, len);
		block = slice_after(block, len);
		type = H2_CONTINUATION;
		flags = 0;
	} while (block.len > 0);
}
