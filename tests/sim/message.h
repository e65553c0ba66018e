/* message.h - reads HTTP/1 messages for the models: strict, and with no code of the gateway. */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exchanges.h"

#define MESSAGE_HEAD_MAX 8192

enum message_part { PART_HEAD, PART_CONTENT, PART_DONE, PART_BAD };

struct message {
	enum message_part part;
	char head[MESSAGE_HEAD_MAX + 1];
	size_t head_len;
	unsigned status; /* of an answer */
	enum framing framing;
	uint64_t left;	 /* of the content, or of a chunk */
	uint64_t length; /* content so far */
	unsigned chunk;	 /* where in the framing of chunks */
	char line[64];	 /* of that framing */
	size_t line_len;
};

/* The next message begins. */
void message_begin(struct message *message);

/*
 * Read on until the head is whole, or content has come, or the message is. Returns how many bytes
 * were read; *content is set to content among them, or to NULL. With the head whole, the caller
 * sets the framing by message_frame before it goes on.
 */
size_t message_read(struct message *message, const char *bytes, size_t len, const char **content,
    size_t *content_len);

/* The framing as the head says. no_content: there is none, whatever it says. until_close: where it
 * says nothing, the content ends with the connection; else there is none. */
void message_frame(struct message *message, bool no_content, bool until_close);

/* The connection has ended. */
void message_end(struct message *message);

/* The value of a field, or NULL; ends with \r. */
const char *message_field(const struct message *message, const char *name);
bool message_field_has(const struct message *message, const char *name, const char *word);

#endif
