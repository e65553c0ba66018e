/*
 * fuzz_hpack_encode.c - fields that we encode: libnghttp2 and our own decoder read them back, with
 * names in lower case, and no table takes them. A field that does not fit is left out as a whole. A
 * text that is Huffman-coded and decoded is the same text.
 *
 * Input: fields; each has a byte of flags, the length of its name (one byte), that of its value
 * (one byte), and both.
 */
#include <nghttp2/nghttp2.h>

#include "fuzz.h"
#include "http/hpack.h"
#include "http/huffman.h"
#include "tests/plain_memory.h"

#define FIELDS 64
#define BYTES 32768

struct list {
	struct field fields[FIELDS];
	struct slice lower[FIELDS];
	size_t count;
};

static char
lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* The fields of an input; names of the static table come from it now and then. */
static void
read_list(struct slice rest, struct list *list, char *names)
{
	list->count = 0;
	while (rest.len >= 3 && list->count < FIELDS) {
		unsigned char flags = (unsigned char)rest.at[0];
		size_t name_len = (unsigned char)rest.at[1], value_len = (unsigned char)rest.at[2];
		struct field *field = &list->fields[list->count];

		rest = slice_after(rest, 3);
		name_len = name_len < rest.len ? name_len : rest.len;
		*field = (struct field){.name = {rest.at, name_len}};
		rest = slice_after(rest, name_len);
		value_len = value_len < rest.len ? value_len : rest.len;
		field->value = (struct slice){rest.at, value_len};
		rest = slice_after(rest, value_len);
		field->never_indexed = flags & 1;
		field->dropped = (flags & 6) == 6;
		if ((flags & 8) || name_len == 0)
			field->name = hpack_static[1 + (flags >> 4) + name_len % 46].name;
		list->lower[list->count++] = (struct slice){names, field->name.len};
		for (size_t i = 0; i < field->name.len; i++)
			*names++ = lower(field->name.at[i]);
	}
}

static void
check_huffman(struct slice text)
{
	size_t code_len = huffman_len(text), len;
	char *code = malloc(code_len + 1), *out = malloc(text.len + 1);

	CHECK(code != NULL && out != NULL);
	CHECK(huffman_encode(text, code) == code_len);
	CHECK(huffman_decode((struct slice){code, code_len}, out, text.len, &len) == HUFFMAN_OK);
	CHECK(slice_equal((struct slice){out, len}, text));
	free(code);
	free(out);
}

static void
check_field(const struct list *list, size_t i, struct slice name, struct slice value, bool never)
{
	CHECK(i < list->count);
	CHECK(slice_equal(name, list->lower[i]));
	CHECK(slice_equal(value, list->fields[i].value));
	CHECK(never == list->fields[i].never_indexed);
}

/* The next field of the list that is sent. */
static size_t
next_sent(const struct list *list, size_t i)
{
	while (i < list->count && list->fields[i].dropped)
		i++;
	return i;
}

static void
check_peer(const struct list *list, struct slice block, const char status[3])
{
	nghttp2_hd_inflater *peer;
	size_t count = 0, i = 0;
	int flags = 0;

	CHECK(nghttp2_hd_inflate_new(&peer) == 0);
	while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
		nghttp2_nv nv;
		ssize_t n = nghttp2_hd_inflate_hd2(
		    peer, &nv, &flags, (const uint8_t *)block.at, block.len, 1);

		CHECK(n >= 0);
		block = slice_after(block, (size_t)n);
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
			continue;
		if (count++ == 0) {
			CHECK(nv.namelen == 7 && memcmp(nv.name, ":status", 7) == 0);
			CHECK(nv.valuelen == 3 && memcmp(nv.value, status, 3) == 0);
			continue;
		}
		i = next_sent(list, i);
		check_field(list, i++, (struct slice){(const char *)nv.name, nv.namelen},
		    (struct slice){(const char *)nv.value, nv.valuelen},
		    nv.flags & NGHTTP2_NV_FLAG_NO_INDEX);
	}
	CHECK(next_sent(list, i) == list->count);
	CHECK(nghttp2_hd_inflate_get_dynamic_table_size(peer) == 0);
	nghttp2_hd_inflate_del(peer);
}

static void
check_ours(const struct list *list, struct slice input)
{
	static char bytes[BYTES];
	struct field fields[FIELDS + 1];
	struct hpack_decoder decoder;
	struct hpack_block block;
	size_t consumed, i = 0;

	hpack_decoder_init(&decoder, 0, plain_memory(NULL));
	hpack_block_init(&block, fields, FIELDS + 1, bytes, BYTES, BYTES * 2);
	CHECK(hpack_decode(&decoder, input, true, &block, &consumed) == HPACK_OK);
	CHECK(!block.too_large && fields[0].id == FIELD_PSEUDO_STATUS);
	for (size_t j = 1; j < block.count; j++) {
		i = next_sent(list, i);
		check_field(list, i++, fields[j].name, fields[j].value, fields[j].never_indexed);
	}
	CHECK(next_sent(list, i) == list->count);
	CHECK(decoder.table.entries == NULL);
}

static size_t
write_list(struct list *list, unsigned status, char *out, size_t cap, bool *full)
{
	struct writer writer = writer_of(out, cap);
	struct fields fields = {list->fields, list->count};

	hpack_write_start(&writer);
	hpack_write_status(&writer, status);
	hpack_write_fields(&writer, &fields);
	*full = writer.full;
	CHECK((size_t)(writer.at - out) <= cap);
	return (size_t)(writer.at - out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char names[BYTES];
	struct list list;
	char *copy = exact_copy(data, size), *out, status_text[4];
	unsigned status = size > 0 ? 100 + data[0] * 3u : 200;
	size_t cap = 1 + 3 + HPACK_WRITE_OVERHEAD, len;
	bool full;

	read_list((struct slice){copy, size}, &list, names);
	snprintf(status_text, sizeof(status_text), "%u", status);
	for (size_t i = 0; i < list.count; i++) {
		cap += list.fields[i].name.len + list.fields[i].value.len + HPACK_WRITE_OVERHEAD;
		check_huffman(list.fields[i].value);
	}
	out = malloc(cap);
	CHECK(out != NULL);
	len = write_list(&list, status, out, cap, &full);
	CHECK(!full);
	check_peer(&list, (struct slice){out, len}, status_text);
	check_ours(&list, (struct slice){out, len});
	free(out);

	/* In less room than it takes. */
	cap = size > 1 ? len * data[1] / 256 : len - 1;
	out = malloc(cap + 1);
	CHECK(out != NULL);
	write_list(&list, status, out, cap, &full);
	CHECK(full);
	free(out);
	free(copy);
	return 0;
}
