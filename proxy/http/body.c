/* body.c - the grammar of chunked bodies, and plain counting for the others. */
#include "http/body.h"

#include "http/bytes.h"

/* Bytes of extensions that one chunk's line may carry. */
#define EXTENSION_MAX 1024

/*
 * Where in the chunked grammar (RFC 9112 section 7.1) the next byte stands.
 * Extensions are checked byte by byte and dropped; white space around ';' and
 * '=' ("bad white space") is not let through, for no sender needs it.
 */
enum chunk_state {
	CHUNK_SIZE,	  /* hex digits */
	CHUNK_NAME_FIRST, /* behind ';' */
	CHUNK_NAME,
	CHUNK_VALUE_FIRST, /* behind '=' */
	CHUNK_VALUE,
	CHUNK_QUOTED,
	CHUNK_ESCAPED, /* behind '\' in a quoted string */
	CHUNK_QUOTED_END,
	CHUNK_SIZE_LF, /* behind the CR of the size's line */
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILERS,
	CHUNK_ENDED,
};

void
body_decoder_init(
    struct body_decoder *decoder, enum body_kind kind, uint64_t length, uint32_t trailer_max)
{
	*decoder = (struct body_decoder){
	    .kind = kind,
	    .state = CHUNK_SIZE,
	    .left = kind == BODY_LENGTH ? length : 0,
	    .trailer_max = trailer_max,
	};
}

bool
body_ended(const struct body_decoder *decoder)
{
	switch (decoder->kind) {
	case BODY_NONE:
		return true;
	case BODY_LENGTH:
		return decoder->left == 0;
	case BODY_CHUNKED:
		return decoder->state == CHUNK_ENDED;
	case BODY_UNTIL_CLOSE:
		break;
	}
	return false;
}

/* Hand out content: at most `left` bytes of input. */
static enum body_status
take_content(struct body_decoder *decoder, struct slice input, struct slice *data)
{
	data->at = input.at;
	data->len = input.len < decoder->left ? input.len : (size_t)decoder->left;
	decoder->left -= data->len;
	return BODY_DATA;
}

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* The line of a size has ended with CR: extensions and digits are complete. */
static bool
size_line_ends(struct body_decoder *decoder)
{
	if (decoder->digits == 0)
		return false;
	decoder->state = CHUNK_SIZE_LF;
	return true;
}

static bool
take_size_byte(struct body_decoder *decoder, unsigned char c)
{
	int value = hex_value(c);

	if (value >= 0) {
		/* 16 digits fill 64 bits exactly, so the sixteenth cannot overflow; a seventeenth
		 * is refused. */
		if (decoder->digits == 16)
			return false;
		decoder->digits++;
		decoder->left = decoder->left << 4 | (unsigned)value;
		return decoder->left <= INT64_MAX;
	}
	if (c == '\r')
		return size_line_ends(decoder);
	if (c != ';' || decoder->digits == 0)
		return false;
	decoder->state = CHUNK_NAME_FIRST;
	return true;
}

/* Behind a complete name or value: the next extension, a value, or the line's end. */
static bool
take_extension_end(struct body_decoder *decoder, unsigned char c, bool may_have_value)
{
	if (c == ';') {
		decoder->state = CHUNK_NAME_FIRST;
		return true;
	}
	if (c == '=' && may_have_value) {
		decoder->state = CHUNK_VALUE_FIRST;
		return true;
	}
	return c == '\r' && size_line_ends(decoder);
}

/* One byte of the extensions. False when it does not fit the grammar. */
static bool
take_extension_byte(struct body_decoder *decoder, unsigned char c)
{
	if (++decoder->extension_bytes > EXTENSION_MAX)
		return false;
	switch ((enum chunk_state)decoder->state) {
	case CHUNK_NAME_FIRST:
		decoder->state = CHUNK_NAME;
		return byte_is(c, BYTE_TOKEN);
	case CHUNK_NAME:
		return byte_is(c, BYTE_TOKEN) || take_extension_end(decoder, c, true);
	case CHUNK_VALUE_FIRST:
		decoder->state = c == '"' ? CHUNK_QUOTED : CHUNK_VALUE;
		return c == '"' || byte_is(c, BYTE_TOKEN);
	case CHUNK_VALUE:
		return byte_is(c, BYTE_TOKEN) || take_extension_end(decoder, c, false);
	case CHUNK_QUOTED:
		if (c == '"')
			decoder->state = CHUNK_QUOTED_END;
		else if (c == '\\')
			decoder->state = CHUNK_ESCAPED;
		return byte_is(c, BYTE_VALUE);
	case CHUNK_ESCAPED:
		decoder->state = CHUNK_QUOTED;
		return byte_is(c, BYTE_VALUE);
	case CHUNK_QUOTED_END:
		return take_extension_end(decoder, c, false);
	case CHUNK_SIZE:
	case CHUNK_SIZE_LF:
	case CHUNK_DATA:
	case CHUNK_DATA_CR:
	case CHUNK_DATA_LF:
	case CHUNK_TRAILERS:
	case CHUNK_ENDED:
		break;
	}
	return false;
}

/* One byte of framing. False when it breaks the grammar. */
static bool
take_framing_byte(struct body_decoder *decoder, unsigned char c)
{
	switch ((enum chunk_state)decoder->state) {
	case CHUNK_SIZE:
		return take_size_byte(decoder, c);
	case CHUNK_SIZE_LF:
		decoder->state = decoder->left > 0 ? CHUNK_DATA : CHUNK_TRAILERS;
		decoder->digits = 0;
		decoder->extension_bytes = 0;
		return c == '\n';
	case CHUNK_DATA_CR:
		decoder->state = CHUNK_DATA_LF;
		return c == '\r';
	case CHUNK_DATA_LF:
		decoder->state = CHUNK_SIZE;
		return c == '\n';
	case CHUNK_NAME_FIRST:
	case CHUNK_NAME:
	case CHUNK_VALUE_FIRST:
	case CHUNK_VALUE:
	case CHUNK_QUOTED:
	case CHUNK_ESCAPED:
	case CHUNK_QUOTED_END:
		return take_extension_byte(decoder, c);
	case CHUNK_DATA:
	case CHUNK_TRAILERS:
	case CHUNK_ENDED:
		break;
	}
	return false;
}

/*
 * The trailer section: lines up to the empty one, seen only once it is here
 * whole. *consumed goes behind it.
 */
static enum body_status
take_trailers(
    struct body_decoder *decoder, struct slice input, size_t *consumed, struct slice *data)
{
	size_t line = *consumed;

	for (;;) {
		struct slice rest = slice_after(input, line);
		const char *lf = rest.len > 0 ? memchr(rest.at, '\n', rest.len) : NULL;
		size_t end;

		if (lf == NULL)
			return input.len - *consumed > decoder->trailer_max ? BODY_BAD : BODY_MORE;
		end = (size_t)(lf - input.at) + 1;
		if (end - line < 2 || input.at[end - 2] != '\r' ||
		    end - *consumed > decoder->trailer_max)
			return BODY_BAD;
		if (end - line == 2) {
			*data = (struct slice){input.at + *consumed, end - *consumed};
			*consumed = end;
			decoder->state = CHUNK_ENDED;
			return data->len > 2 ? BODY_TRAILERS : BODY_END;
		}
		line = end;
	}
}

static enum body_status
chunked_next(struct body_decoder *decoder, struct slice input, size_t *consumed, struct slice *data)
{
	while (decoder->state != CHUNK_TRAILERS) {
		if (decoder->state == CHUNK_ENDED)
			return BODY_END;
		if (*consumed == input.len)
			return BODY_MORE;
		if (decoder->state == CHUNK_DATA) {
			take_content(decoder, slice_after(input, *consumed), data);
			*consumed += data->len;
			if (decoder->left == 0)
				decoder->state = CHUNK_DATA_CR;
			return BODY_DATA;
		}
		if (!take_framing_byte(decoder, (unsigned char)input.at[(*consumed)++]))
			return BODY_BAD;
	}
	return take_trailers(decoder, input, consumed, data);
}

enum body_status
body_next(struct body_decoder *decoder, struct slice input, size_t *consumed, struct slice *data)
{
	enum body_status status = BODY_MORE;

	*consumed = 0;
	*data = (struct slice){0};
	switch (decoder->kind) {
	case BODY_NONE:
		return BODY_END;
	case BODY_LENGTH:
		if (decoder->left == 0)
			return BODY_END;
		if (input.len > 0)
			status = take_content(decoder, input, data);
		*consumed = data->len;
		return status;
	case BODY_CHUNKED:
		return chunked_next(decoder, input, consumed, data);
	case BODY_UNTIL_CLOSE:
		*data = input;
		*consumed = input.len;
		return input.len > 0 ? BODY_DATA : BODY_MORE;
	}
	return BODY_BAD;
}
