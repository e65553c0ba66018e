/*
 * fuzz_hpack.c - field blocks of one connection: our decoder and libnghttp2's find the same fields
 * and have the same table, or both refuse the block. Ours also finds them in pieces, and its table
 * is the same when a block exceeds the limits.
 *
 * Input: blocks, each after a byte with its length. After a length of LIMIT, one byte sets
 * SETTINGS_HEADER_TABLE_SIZE to 16 times its value.
 *
 * Our decoder refuses what libnghttp2 accepts: more than two size updates in a row (RFC 7541
 * section 4.2 needs no third one), and integers with more than four bytes after the prefix (section
 * 5.1).
 */
#include <nghttp2/nghttp2.h>

#include "fuzz.h"
#include "http/bytes.h"
#include "http/head.h"
#include "http/hpack.h"
#include "tests/plain_memory.h"

#define LIMIT 255
#define FIELDS 4096
#define BYTES (4u << 20)

#define FEW_FIELDS 3
#define FEW_BYTES 200

static struct field fields[FIELDS], fields_in_pieces[FIELDS];
static char bytes[BYTES], bytes_in_pieces[BYTES], few_bytes[HPACK_TABLE_MAX];

/* ---- what only ours refuses, by a reading of its own ---- */

/* Skip an integer; -1 when it is cut or strange (*strange: too many bytes). */
static long
skip_integer(const unsigned char **at, const unsigned char *end, unsigned bits, bool *strange)
{
	long number = **at & ((1 << bits) - 1), weight = 1;
	int more = 0;

	if ((*at)++, number < (1 << bits) - 1)
		return number;
	for (; *at < end; (*at)++) {
		if (++more > 4) {
			*strange = true;
			return -1;
		}
		number += (**at & 127) * weight;
		weight *= 128;
		if (**at < 128) {
			(*at)++;
			return number;
		}
	}
	return -1;
}

static bool
skip_string(const unsigned char **at, const unsigned char *end, bool *strange)
{
	long len = *at < end ? skip_integer(at, end, 7, strange) : -1;

	if (len < 0 || len > end - *at)
		return false;
	*at += len;
	return true;
}

static bool
only_ours_refuses(struct slice block)
{
	const unsigned char *at = (const unsigned char *)block.at, *end = at + block.len;
	bool strange = false;
	int updates = 0;

	while (at < end) {
		unsigned char first = *at;
		unsigned bits = first >= 0x80 ? 7 : first >= 0x40 ? 6 : first >= 0x20 ? 5 : 4;
		long number = skip_integer(&at, end, bits, &strange);

		if (strange)
			return true;
		if (number < 0)
			return false;
		if (bits == 5 && ++updates > 2)
			return true;
		if (bits != 5 && bits != 7 &&
		    ((number == 0 && !skip_string(&at, end, &strange)) ||
			!skip_string(&at, end, &strange)))
			return strange;
	}
	return false;
}

/* ---- comparisons ---- */

/* RFC 9113 section 8.2.1, read byte by byte. */
static bool
is_bad_name(struct slice name)
{
	static const char *const pseudo[] = {
	    ":authority", ":method", ":path", ":protocol", ":scheme", ":status"};

	for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++)
		if (slice_equal(name, slice_of(pseudo[i])))
			return false;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is((unsigned char)name.at[i], BYTE_TOKEN) ||
		    (name.at[i] >= 'A' && name.at[i] <= 'Z'))
			return true;
	return name.len == 0;
}

static bool
is_bad_value(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] != '\t' && ((unsigned char)value.at[i] < ' ' || value.at[i] == 127))
			return true;
	return slice_trim(value).len != value.len;
}

static void
check_fields(const struct hpack_block *block)
{
	bool malformed = false;
	size_t size = 0;

	for (size_t i = 0; i < block->count; i++) {
		const struct field *field = &block->fields[i];
		bool bad_name = is_bad_name(field->name);

		malformed |= bad_name || is_bad_value(field->value);
		size += field->name.len + field->value.len + HPACK_FIELD_OVERHEAD;
		if (bad_name)
			CHECK(field->id == FIELD_OTHER);
		else if (field->name.at[0] != ':')
			CHECK(field->id == field_identify(field->name));
	}
	CHECK(block->malformed == malformed);
	CHECK(block->size == size);
}

static void
check_same(const struct hpack_block *a, const struct hpack_block *b)
{
	CHECK(a->count == b->count && a->malformed == b->malformed);
	for (size_t i = 0; i < a->count; i++) {
		CHECK(slice_equal(a->fields[i].name, b->fields[i].name));
		CHECK(slice_equal(a->fields[i].value, b->fields[i].value));
		CHECK(a->fields[i].id == b->fields[i].id);
		CHECK(a->fields[i].never_indexed == b->fields[i].never_indexed);
	}
}

static void
check_same_table(const struct hpack_table *a, const struct hpack_table *b)
{
	CHECK(a->size == b->size && a->count == b->count && a->max == b->max);
	for (unsigned i = 0; i < a->count; i++) {
		const struct hpack_entry *x = hpack_table_get(a, HPACK_STATIC_COUNT + i);
		const struct hpack_entry *y = hpack_table_get(b, HPACK_STATIC_COUNT + i);
		size_t len = hpack_entry_stored(x);
		char text[2][HPACK_TABLE_MAX];

		CHECK(len == hpack_entry_stored(y) && x->name_len == y->name_len);
		CHECK(x->id == y->id && x->static_name == y->static_name);
		CHECK(x->bad_name == y->bad_name && x->bad_value == y->bad_value);
		hpack_table_copy(a, x, text[0], len);
		hpack_table_copy(b, y, text[1], len);
		CHECK(memcmp(text[0], text[1], len) == 0);
	}
}

/* Have libnghttp2 decode a block and compare each field. */
static bool
peer_agrees(nghttp2_hd_inflater *peer, struct slice input, const struct hpack_block *block,
    enum hpack_status status)
{
	size_t count = 0;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(
		    peer, &nv, &flags, (const uint8_t *)input.at, input.len, 1);

		if (n < 0)
			return false;
		input = slice_after(input, (size_t)n);
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) && status == HPACK_OK) {
			struct slice name = {(const char *)nv.name, nv.namelen};
			struct slice value = {(const char *)nv.value, nv.valuelen};

			CHECK(count < block->count);
			CHECK(slice_equal(block->fields[count].name, name));
			CHECK(slice_equal(block->fields[count].value, value));
			CHECK(block->fields[count].never_indexed ==
			      ((nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0));
			count++;
		}
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(peer);
	CHECK(status != HPACK_OK || count == block->count);
	return true;
}

struct connection {
	struct hpack_decoder whole, in_pieces, limited;
	nghttp2_hd_inflater *peer;
};

static enum hpack_status
decode_in_pieces(
    struct hpack_decoder *decoder, struct slice input, size_t piece, struct hpack_block *block)
{
	size_t from = 0, known = 0, consumed;

	hpack_block_init(block, fields_in_pieces, FIELDS, bytes_in_pieces, BYTES, BYTES);
	for (;;) {
		bool end = input.len - known <= piece;
		enum hpack_status status;

		known = end ? input.len : known + piece;
		status = hpack_decode(
		    decoder, (struct slice){input.at + from, known - from}, end, block, &consumed);
		from += consumed;
		if (end || status == HPACK_BAD)
			return status;
		CHECK(status == HPACK_CUT || (status == HPACK_OK && from == known));
	}
}

/* True when the connection goes on. */
static bool
play_block(struct connection *connection, struct slice input)
{
	struct field few[FEW_FIELDS];
	struct hpack_block block, pieces, limited;
	enum hpack_status status;
	size_t consumed;
	bool agreed;

	hpack_block_init(&block, fields, FIELDS, bytes, BYTES, BYTES);
	status = hpack_decode(&connection->whole, input, true, &block, &consumed);
	CHECK(status == HPACK_OK || status == HPACK_BAD);
	CHECK(status == HPACK_BAD || consumed == input.len);
	CHECK(!block.too_large);
	agreed = peer_agrees(connection->peer, input, &block, status);
	if (status == HPACK_BAD)
		CHECK(!agreed || only_ours_refuses(input));
	else
		CHECK(agreed);
	CHECK(
	    decode_in_pieces(&connection->in_pieces, input, 1 + input.len % 7, &pieces) == status);

	hpack_block_init(&limited, few, FEW_FIELDS, few_bytes, sizeof(few_bytes), FEW_BYTES);
	if (hpack_decode(&connection->limited, input, true, &limited, &consumed) != status)
		CHECK(limited.too_large && status == HPACK_BAD);
	if (status == HPACK_BAD)
		return false;
	check_fields(&block);
	check_same(&block, &pieces);
	CHECK(limited.too_large == (block.count > FEW_FIELDS || block.size > FEW_BYTES));
	if (limited.too_large)
		CHECK(limited.count == 0);
	else
		check_same(&block, &limited);
	check_same_table(&connection->whole.table, &connection->in_pieces.table);
	check_same_table(&connection->whole.table, &connection->limited.table);
	CHECK(connection->whole.table.size ==
	      nghttp2_hd_inflate_get_dynamic_table_size(connection->peer));
	return true;
}

static void
set_limit(struct connection *connection, unsigned limit)
{
	hpack_decoder_set_limit(&connection->whole, limit);
	hpack_decoder_set_limit(&connection->in_pieces, limit);
	hpack_decoder_set_limit(&connection->limited, limit);
	CHECK(nghttp2_hd_inflate_change_table_size(connection->peer, limit) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection connection;
	bool alive = true;

	hpack_decoder_init(&connection.whole, HPACK_TABLE_MAX, plain_memory(NULL));
	hpack_decoder_init(&connection.in_pieces, HPACK_TABLE_MAX, plain_memory(NULL));
	hpack_decoder_init(&connection.limited, HPACK_TABLE_MAX, plain_memory(NULL));
	CHECK(nghttp2_hd_inflate_new(&connection.peer) == 0);
	while (alive && size > 1) {
		size_t len = data[0] == LIMIT ? 1 : data[0] < size ? data[0] : size - 1;
		char *copy = exact_copy(data + 1, len);

		if (data[0] == LIMIT)
			set_limit(&connection, data[1] * 16u);
		else
			alive = play_block(&connection, (struct slice){copy, len});
		free(copy);
		data += 1 + len;
		size -= 1 + len;
	}
	nghttp2_hd_inflate_del(connection.peer);
	hpack_decoder_free(&connection.whole);
	hpack_decoder_free(&connection.in_pieces);
	hpack_decoder_free(&connection.limited);
	return 0;
}
