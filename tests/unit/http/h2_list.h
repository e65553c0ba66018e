/* h2_list.h - for tests of HTTP/2's field blocks: a block as the decoder would give it. */
#ifndef JOBGATE_TESTS_H2_LIST_H
#define JOBGATE_TESTS_H2_LIST_H

#include "http/head.h"
#include "http/hpack.h"
#include "http/names.h"

#define H2_LIST_ROOM 300 /* fields */

/* names and values take turns; NULL ends them. The fields are in storage of this function. */
static inline struct hpack_block
h2_block_of(const char *const *texts)
{
	static struct field fields[H2_LIST_ROOM];
	struct hpack_block block = {.fields = fields, .fields_max = H2_LIST_ROOM};

	for (; texts[0] != NULL; texts += 2) {
		struct field *field = &fields[block.count++];

		*field = (struct field){.name = slice_of(texts[0]), .value = slice_of(texts[1])};
		if (!h2_name_identify(field->name, &field->id) || !h2_value_is_good(field->value))
			block.malformed = true;
	}
	return block;
}

#define H2_TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
