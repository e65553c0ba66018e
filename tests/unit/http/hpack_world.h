/* hpack_world.h - a decoder with storage, blocks as hexadecimal digits, and fields as text. */
#ifndef JOBGATE_TESTS_HTTP_HPACK_WORLD_H
#define JOBGATE_TESTS_HTTP_HPACK_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/hpack.h"
#include "tests/plain_memory.h"

#define FIELDS 128
#define BYTES 65536

struct world {
	struct hpack_decoder decoder;
	struct hpack_block block;
	struct field fields[FIELDS];
	char bytes[BYTES];
	size_t fields_max, size_max;
	size_t consumed; /* of the last block or piece */
	bool no_memory;
	bool unwanted; /* begin blocks as too large */
};

static inline int
set_up_world(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	hpack_decoder_init(&world->decoder, HPACK_TABLE_MAX, plain_memory(&world->no_memory));
	world->fields_max = FIELDS;
	world->size_max = BYTES;
	*state = world;
	return 0;
}

static inline int
tear_down_world(void **state)
{
	struct world *world = *state;

	hpack_decoder_free(&world->decoder);
	free(world);
	return 0;
}

/* The bytes of hexadecimal digits, between which there may be spaces; their number. */
static inline size_t
from_hex(const char *hex, char *out)
{
	size_t n = 0;

	for (; *hex != '\0'; hex++) {
		char two[3] = {hex[0], hex[1], '\0'};

		if (*hex == ' ')
			continue;
		out[n++] = (char)strtoul(two, NULL, 16);
		hex++;
	}
	return n;
}

/* A copy that ends with its allocation, for AddressSanitizer. */
static inline enum hpack_status
decode_bytes(struct world *world, struct slice bytes)
{
	char *copy = malloc(bytes.len > 0 ? bytes.len : 1);
	enum hpack_status status;

	assert_non_null(copy);
	memcpy(copy, bytes.at, bytes.len);
	hpack_block_init(&world->block, world->fields, world->fields_max, world->bytes,
	    sizeof(world->bytes), world->size_max);
	world->block.too_large = world->unwanted;
	status = hpack_decode(&world->decoder, (struct slice){copy, bytes.len}, true, &world->block,
	    &world->consumed);
	free(copy);
	return status;
}

static inline enum hpack_status
decode_hex(struct world *world, const char *hex)
{
	char bytes[4096];

	assert_true(strlen(hex) / 2 <= sizeof(bytes));
	return decode_bytes(world, (struct slice){bytes, from_hex(hex, bytes)});
}

/* The fields of the last block, each as "name: value\n". */
static inline void
expect_fields(const struct world *world, const char *expected)
{
	char text[BYTES];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < world->block.count; i++) {
		const struct field *field = &world->fields[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s: %.*s\n",
		    (int)field->name.len, field->name.at, (int)field->value.len, field->value.at);
	}
	assert_string_equal(text, expected);
}

/* A literal with indexing, raw strings; its length. */
static inline size_t
literal(char *out, unsigned char first, const char *name, const char *value)
{
	size_t n = 0;

	out[n++] = (char)first;
	out[n++] = (char)strlen(name);
	memcpy(out + n, name, strlen(name));
	n += strlen(name);
	out[n++] = (char)strlen(value);
	memcpy(out + n, value, strlen(value));
	return n + strlen(value);
}

static inline enum hpack_status
decode_literal_of(struct world *world, unsigned char first, const char *name, const char *value)
{
	char block[512];

	return decode_bytes(world, (struct slice){block, literal(block, first, name, value)});
}

#endif
