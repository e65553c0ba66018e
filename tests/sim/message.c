/* message.c - parses heads, lengths and chunks. */
#include "message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Parts of chunked content. */
enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

void
message_begin(struct message *message)
{
	message->part = PART_HEAD;
	message->head_len = 0;
	message->length = message->left = 0;
	message->chunk = CHUNK_SIZE;
	message->line_len = 0;
}

const char *
message_field(const struct message *message, const char *name)
{
	size_t len = strlen(name);
	const char *line = strchr(message->head, '\n');

	for (; line != NULL; line = strchr(line + 1, '\n'))
		if (strncasecmp(line + 1, name, len) == 0 && line[1 + len] == ':')
			return line + 1 + len + 1 + strspn(line + 1 + len + 1, " \t");
	return NULL;
}

bool
message_field_has(const struct message *message, const char *name, const char *word)
{
	const char *value = message_field(message, name);

	return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

void
message_frame(struct message *message, bool no_content, bool until_close)
{
	const char *length = message_field(message, "Content-Length");

	message->part = PART_CONTENT;
	message->left = 0;
	if (no_content) {
		message->framing = FRAMING_NONE;
	} else if (message_field_has(message, "Transfer-Encoding", "chunked")) {
		message->framing = FRAMING_CHUNKS;
	} else if (length != NULL) {
		message->framing = FRAMING_LENGTH;
		message->left = strtoull(length, NULL, 10);
	} else {
		message->framing = until_close ? FRAMING_CLOSE : FRAMING_NONE;
	}
	if (message->framing == FRAMING_NONE ||
	    (message->framing == FRAMING_LENGTH && message->left == 0))
		message->part = PART_DONE;
}

static size_t
read_head(struct message *message, const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && message->head_len < MESSAGE_HEAD_MAX) {
		const char *end = memchr(bytes + i, '\n', len - i);
		size_t n = end != NULL ? (size_t)(end - bytes) + 1 - i : len - i;

		if (n > MESSAGE_HEAD_MAX - message->head_len)
			n = MESSAGE_HEAD_MAX - message->head_len;
		memcpy(message->head + message->head_len, bytes + i, n);
		message->head_len += n;
		i += n;
		if (message->head_len >= 4 &&
		    memcmp(message->head + message->head_len - 4, "\r\n\r\n", 4) == 0) {
			message->head[message->head_len] = '\0';
			message->part = PART_CONTENT;
			message->status = strncmp(message->head, "HTTP/1.1 ", 9) == 0
					      ? (unsigned)strtoul(message->head + 9, NULL, 10)
					      : 0;
			return i;
		}
	}
	if (message->head_len == MESSAGE_HEAD_MAX)
		message->part = PART_BAD;
	return i;
}

/* A line of the framing of chunks. */
static size_t
read_line(struct message *message, const char *bytes, size_t len, bool *whole)
{
	size_t i = 0;

	*whole = false;
	while (i < len && !*whole) {
		if (message->line_len == sizeof(message->line) - 1) {
			message->part = PART_BAD;
			break;
		}
		*whole = bytes[i] == '\n';
		message->line[message->line_len++] = bytes[i++];
		message->line[message->line_len] = '\0';
	}
	return i;
}

static void
take_line(struct message *message)
{
	const char *line = message->line;
	bool empty = strcmp(line, "\r\n") == 0;

	switch (message->chunk) {
	case CHUNK_SIZE:
		message->left = strtoull(line, NULL, 16);
		message->chunk = message->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		if (strspn(line, "0123456789abcdefABCDEF") == 0)
			message->part = PART_BAD;
		break;
	case CHUNK_DATA_END:
		message->chunk = CHUNK_SIZE;
		if (!empty)
			message->part = PART_BAD;
		break;
	default:
		if (empty)
			message->part = PART_DONE;
	}
	message->line_len = 0;
}

static size_t
read_data(struct message *message, size_t len)
{
	size_t n =
	    message->framing != FRAMING_CLOSE && message->left < len ? (size_t)message->left : len;

	message->length += n;
	if (message->framing == FRAMING_CLOSE)
		return n;
	message->left -= n;
	if (message->left == 0 && message->framing == FRAMING_LENGTH)
		message->part = PART_DONE;
	if (message->left == 0 && message->framing == FRAMING_CHUNKS)
		message->chunk = CHUNK_DATA_END;
	return n;
}

size_t
message_read(struct message *message, const char *bytes, size_t len, const char **content,
    size_t *content_len)
{
	bool whole;
	size_t n;

	*content = NULL;
	*content_len = 0;
	if (message->part == PART_HEAD)
		return read_head(message, bytes, len);
	if (message->part != PART_CONTENT)
		return 0;
	if (message->framing == FRAMING_CHUNKS && message->chunk != CHUNK_DATA) {
		n = read_line(message, bytes, len, &whole);
		if (whole)
			take_line(message);
		return n;
	}
	n = read_data(message, len);
	*content = bytes;
	*content_len = n;
	return n;
}

void
message_end(struct message *message)
{
	if (message->part == PART_CONTENT && message->framing == FRAMING_CLOSE)
		message->part = PART_DONE;
	else if (message->part != PART_DONE)
		message->part = PART_BAD;
}
