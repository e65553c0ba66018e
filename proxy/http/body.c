/* body.c - the grammar of chunked bodies, and plain counting for the others. */
#include "http/body.h"

#include "http/bytes.h"

/* Bytes of one chunk's line besides the digits that count: extensions and leading zeros. */
#define LINE_EXTRA_MAX 8192

/*
 * The place of the next byte in the chunked grammar (RFC 9112 section 7.1). Extensions are checked
 * byte by byte and dropped. White space is allowed around ';' and '=', and nowhere else ("bad white
 * space", section 7.1.1).
 */
enum chunk_state {
	CHUNK_SIZE,	  /* hex digits */
	CHUNK_GAP,	  /* white space after the size or a value: ';' follows */
	CHUNK_NAME_FIRST, /* after ';' */
	CHUNK_NAME,
	CHUNK_NAME_GAP,	   /* white space after a name: '=' or ';' follows */
	CHUNK_VALUE_FIRST, /* after '=' */
	CHUNK_VALUE,
	CHUNK_QUOTED,
	CHUNK_ESCAPED, /* after '\' in a quoted string */
	CHUNK_QUOTED_END,
	CHUNK_SIZE_LF, /* after the CR of the size's line */
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

/* Return content: at most `left` bytes of input. */
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

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool
move_to(struct body_decoder *decoder, enum chunk_state state)
{
	decoder->state = (unsigned char)state;
	return true;
}

/* Count one more byte of the line besides the size. */
static bool
count_extra(struct body_decoder *decoder)
{
	return ++decoder->line_extra <= LINE_EXTRA_MAX;
}

static bool
take_size_byte(struct body_decoder *decoder, unsigned char c)
{
	int value = hex_value(c);

	if (value >= 0) {
		if (decoder->left > INT64_MAX >> 4)
			return false;
		decoder->has_size = true;
		decoder->left = decoder->left << 4 | (unsigned)value;
		return decoder->left > 0 || count_extra(decoder); /* zeros in front */
	}
	if (!decoder->has_size)
		return false;
	if (c == '\r')
		return move_to(decoder, CHUNK_SIZE_LF);
	if (is_blank(c))
		return move_to(decoder, CHUNK_GAP) && count_extra(decoder);
	return c == ';' && move_to(decoder, CHUNK_NAME_FIRST) && count_extra(decoder);
}

/* After a complete name or value: white space, the next extension, or the end of the line. */
static bool
take_extension_end(struct body_decoder *decoder, unsigned char c, enum chunk_state gap)
{
	if (is_blank(c))
		return move_to(decoder, gap);
	if (c == ';')
		return move_to(decoder, CHUNK_NAME_FIRST);
	return c == '\r' && move_to(decoder, CHUNK_SIZE_LF);
}

/* Read one byte of the extensions. False when it does not fit the grammar. */
static bool
take_extension_byte(struct body_decoder *decoder, unsigned char c)
{
	switch ((enum chunk_state)decoder->state) {
	case CHUNK_GAP:
		return is_blank(c) || (c == ';' && move_to(decoder, CHUNK_NAME_FIRST));
	case CHUNK_NAME_FIRST:
		return is_blank(c) || (byte_is(c, BYTE_TOKEN) && move_to(decoder, CHUNK_NAME));
	case CHUNK_NAME:
		if (byte_is(c, BYTE_TOKEN))
			return true;
		if (c == '=')
			return move_to(decoder, CHUNK_VALUE_FIRST);
		return take_extension_end(decoder, c, CHUNK_NAME_GAP);
	case CHUNK_NAME_GAP:
		if (c == '=')
			return move_to(decoder, CHUNK_VALUE_FIRST);
		return is_blank(c) || (c == ';' && move_to(decoder, CHUNK_NAME_FIRST));
	case CHUNK_VALUE_FIRST:
		if (c == '"')
			return move_to(decoder, CHUNK_QUOTED);
		return is_blank(c) || (byte_is(c, BYTE_TOKEN) && move_to(decoder, CHUNK_VALUE));
	case CHUNK_VALUE:
		return byte_is(c, BYTE_TOKEN) || take_extension_end(decoder, c, CHUNK_GAP);
	case CHUNK_QUOTED:
		if (c == '"')
			return move_to(decoder, CHUNK_QUOTED_END);
		if (c == '\\')
			return move_to(decoder, CHUNK_ESCAPED);
		return byte_is(c, BYTE_VALUE);
	case CHUNK_ESCAPED:
		return byte_is(c, BYTE_VALUE) && move_to(decoder, CHUNK_QUOTED);
	case CHUNK_QUOTED_END:
		return take_extension_end(decoder, c, CHUNK_GAP);
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

/* Read one byte of framing. False when it breaks the grammar. */
static bool
take_framing_byte(struct body_decoder *decoder, unsigned char c)
{
	switch ((enum chunk_state)decoder->state) {
	case CHUNK_SIZE:
		return take_size_byte(decoder, c);
	case CHUNK_SIZE_LF:
		decoder->has_size = false;
		decoder->line_extra = 0;
		return c == '\n' &&
		       move_to(decoder, decoder->left > 0 ? CHUNK_DATA : CHUNK_TRAILERS);
	case CHUNK_DATA_CR:
		return c == '\r' && move_to(decoder, CHUNK_DATA_LF);
	case CHUNK_DATA_LF:
		return c == '\n' && move_to(decoder, CHUNK_SIZE);
	case CHUNK_GAP:
	case CHUNK_NAME_FIRST:
	case CHUNK_NAME:
	case CHUNK_NAME_GAP:
	case CHUNK_VALUE_FIRST:
	case CHUNK_VALUE:
	case CHUNK_QUOTED:
	case CHUNK_ESCAPED:
	case CHUNK_QUOTED_END:
		return (c == '\r' || count_extra(decoder)) && take_extension_byte(decoder, c);
	case CHUNK_DATA:
	case CHUNK_TRAILERS:
	case CHUNK_ENDED:
		break;
	}
	return false;
}

/*
 * The trailer section: lines up to the empty one. It is returned only when all of it has come;
 * *consumed then includes it.
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
