/*
 * hpack_skip_test.c - a block that is too large, in pieces: the table is the same as after the
 * whole block, and little has to be kept between two pieces.
 */
#include "hpack_world.h"

#define BLOCK_MAX (256 * 1024)

static char block[BLOCK_MAX];
static size_t len;

static void
put(unsigned char byte)
{
	block[len++] = (char)byte;
}

/* A string of this many letters, raw. */
static void
put_string(char letter, size_t n)
{
	size_t left = n - 127;

	assert_true(len + n + 4 <= BLOCK_MAX);
	if (n < 127) {
		put((unsigned char)n);
	} else {
		put(127);
		for (; left >= 128; left /= 128)
			put((unsigned char)(128 | left % 128));
		put((unsigned char)left);
	}
	memset(block + len, letter, n);
	len += n;
}

static void
put_literal(unsigned char first, size_t name, size_t value)
{
	put(first);
	put_string('n', name);
	put_string('v', value);
}

/* Decode the block in pieces of this many bytes, as one that is too large; returns the most that
 * was kept between two. */
static size_t
decode_pieces(struct world *world, size_t piece)
{
	static char kept[BLOCK_MAX];
	size_t rest = 0, most = 0, consumed;

	for (size_t at = 0; at < len; at += piece) {
		size_t n = piece < len - at ? piece : len - at;
		bool end = at + n == len;
		enum hpack_status status;

		hpack_block_init(
		    &world->block, world->fields, FIELDS, world->bytes, BYTES, world->size_max);
		world->block.too_large = true;
		world->block.begun = at > 0;
		memcpy(kept + rest, block + at, n);
		status = hpack_decode(
		    &world->decoder, (struct slice){kept, rest + n}, end, &world->block, &consumed);
		assert_true(status == HPACK_OK || (status == HPACK_CUT && !end));
		rest += n - consumed;
		memmove(kept, kept + consumed, rest);
		most = rest > most ? rest : most;
	}
	assert_int_equal(rest, 0);
	return most;
}

/* Some letters of each entry, to compare tables. */
static size_t
entries(const struct world *world)
{
	size_t n = 0;

	while (hpack_table_get(&world->decoder.table, (uint32_t)(HPACK_STATIC_COUNT + n)) != NULL)
		n++;
	return n;
}

static const struct {
	size_t name, value;
} fields[] = {
    {1, 1},
    {3, 20000},
    {20000, 3},
    {20000, 20000},
    {20000, 5000},
    {HPACK_SKIP_MIN - 1, HPACK_SKIP_MIN - 1},
    {HPACK_SKIP_MIN, HPACK_SKIP_MIN},
    {HPACK_SKIP_MIN, 0},
    {47000, 14000}, /* one piece has the whole name, and some of the value */
    {47000, HPACK_SKIP_MIN},
};
static const size_t sizes[] = {1000, 1001, 4096, 16384, 16385, 30000, 48 * 1024};

/* What is indexed behind a long field is in the table; what was before it is in it unless the long
 * field was to be indexed, too. */
static void
long_fields(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		for (size_t n = 0; n < sizeof(sizes) / sizeof(*sizes); n++)
			for (unsigned char first = 0; first <= 0x40; first += 0x40) {
				bool fits = fields[i].value == 1;

				hpack_decoder_free(&world->decoder);
				hpack_decoder_init(&world->decoder, HPACK_TABLE_MAX,
				    plain_memory(&world->no_memory));
				len = 0;
				put_literal(0x40, 4, 4);
				put_literal(first, fields[i].name, fields[i].value);
				put_literal(first, fields[i].name, fields[i].value);
				put_literal(0x40, 5, 5);
				assert_in_range(decode_pieces(world, sizes[n]), 0, HPACK_REST_MAX);
				assert_int_equal(entries(world), first == 0 ? 2 : (fits ? 4 : 1));
				assert_int_equal(decode_hex(world, "be"), HPACK_OK);
				expect_fields(world, "nnnnn: vvvvv\n");
			}
}

/* A block that ends within what is skipped. */
static void
cut(void **state)
{
	struct world *world = *state;
	size_t consumed;

	for (size_t i = 1; i < sizeof(fields) / sizeof(*fields); i++) {
		len = 0;
		put_literal(0, fields[i].name, fields[i].value);
		for (size_t cut = 20000; cut < len; cut += 997) {
			hpack_decoder_free(&world->decoder);
			hpack_decoder_init(
			    &world->decoder, HPACK_TABLE_MAX, plain_memory(&world->no_memory));
			hpack_block_init(
			    &world->block, world->fields, FIELDS, world->bytes, BYTES, BYTES);
			world->block.too_large = true;
			assert_int_equal(hpack_decode(&world->decoder, (struct slice){block, cut},
					     true, &world->block, &consumed),
			    HPACK_BAD);
		}
	}
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, set_up_world, tear_down_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    RULE(long_fields),
	    RULE(cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
