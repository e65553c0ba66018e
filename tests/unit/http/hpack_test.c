/* hpack_test.c - the rules of decoding: integers, size updates, limits, eviction, pieces. */
#include "hpack_world.h"
#include "http/head.h"

/* 61 fields, with the ids that their names have in HTTP/1. */
static void
static_table(void **state)
{
	struct world *world = *state;

	for (unsigned index = 1; index < HPACK_STATIC_COUNT; index++) {
		char block = (char)(0x80 | index);

		assert_int_equal(decode_bytes(world, (struct slice){&block, 1}), HPACK_OK);
		assert_int_equal(world->block.count, 1);
		assert_true(slice_equal(world->fields[0].name, hpack_static[index].name));
		assert_true(slice_equal(world->fields[0].value, hpack_static[index].value));
		if (world->fields[0].name.at[0] != ':')
			assert_int_equal(
			    world->fields[0].id, field_identify(hpack_static[index].name));
		assert_false(world->block.malformed);
	}
}

struct refusal {
	const char *what, *hex;
	enum hpack_status status;
};

static void
blocks_refused(void **state)
{
	static const struct refusal refusals[] = {
	    {"index 0", "80", HPACK_BAD},
	    {"an index behind the static table", "be", HPACK_BAD},
	    {"the last index of one byte", "fe", HPACK_BAD},
	    {"a cut index", "ff", HPACK_BAD},
	    {"a large index", "ffffffff7f", HPACK_BAD},
	    {"an integer of six bytes", "ff8080808000", HPACK_BAD},
	    {"an integer that overflows 32 bits", "ffffffffffff0f", HPACK_BAD},
	    {"a name behind the static table", "7e0161", HPACK_BAD},
	    {"a name behind it, never indexed", "1f2f0161", HPACK_BAD},
	    {"a name without length", "40", HPACK_BAD},
	    {"a cut name", "400261", HPACK_BAD},
	    {"no value", "400161", HPACK_BAD},
	    {"a cut value", "4001610262", HPACK_BAD},
	    {"a cut length of a value", "400161ff", HPACK_BAD},
	    {"no length of an indexed name's value", "44", HPACK_BAD},
	    {"a value of 256 MiB", "4001617f81ffff7f", HPACK_BAD},
	    {"EOS in a name", "4084ffffffff0161", HPACK_BAD},
	    {"EOS in a value", "40016184ffffffff", HPACK_BAD},
	    {"a value padded with zeros", "4001618118", HPACK_BAD},
	    {"an update behind a field", "8220", HPACK_BAD},
	    {"an update behind another one and a field", "208220", HPACK_BAD},
	    {"three updates", "202020", HPACK_BAD},
	    {"an update above the limit", "3fe21f", HPACK_BAD},
	    {"a cut update", "3fe1", HPACK_BAD},
	    {"an update to the limit", "3fe11f", HPACK_OK},
	    {"two updates", "203fe11f82", HPACK_OK},
	    {"an empty block", "", HPACK_OK},
	    {"an empty value", "40016100", HPACK_OK},
	    {"zeros behind an integer", "ff808000", HPACK_BAD},
	    {"an index with zeros behind it", "0f808080000161", HPACK_OK},
	    {"and with one zero more", "0f80808080000161", HPACK_BAD},
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		tear_down_world(state);
		set_up_world(state);
		if (decode_hex(*state, refusals[i].hex) != refusals[i].status)
			fail_msg("%s: %s", refusals[i].what, refusals[i].hex);
	}
}

/* RFC 7541 section 4.2. */
static void
lower_limit(void **state)
{
	struct world *world = *state;

	assert_int_equal(decode_literal_of(world, 0x40, "a", "b"), HPACK_OK);
	hpack_decoder_set_limit(&world->decoder, 64);
	assert_int_equal(decode_hex(world, "82"), HPACK_BAD);
	assert_int_equal(decode_hex(world, ""), HPACK_BAD);
	assert_int_equal(decode_hex(world, "3f2282"), HPACK_BAD); /* to 65 */
	assert_int_equal(decode_hex(world, "3f21be"), HPACK_OK);
	expect_fields(world, "a: b\n");
	assert_int_equal(decode_hex(world, "be"), HPACK_OK); /* needed only once */
	assert_int_equal(decode_hex(world, "3f22"), HPACK_BAD);
}

/* Down and up again before the next block: the table must have been made that small. */
static void
lower_limit_and_higher(void **state)
{
	struct world *world = *state;

	assert_int_equal(decode_literal_of(world, 0x40, "a", "b"), HPACK_OK);
	hpack_decoder_set_limit(&world->decoder, 64);
	hpack_decoder_set_limit(&world->decoder, 0);
	hpack_decoder_set_limit(&world->decoder, 4096);
	assert_int_equal(decode_hex(world, "3fe11f82"), HPACK_BAD);
	assert_int_equal(decode_hex(world, "203fe11f82"), HPACK_OK);
	assert_int_equal(decode_hex(world, "be"), HPACK_BAD); /* evicted */
	assert_int_equal(world->decoder.table.max, 4096);
}

/* A limit that is not less than the present maximum needs no update. */
static void
limit_that_changes_nothing(void **state)
{
	struct world *world = *state;

	assert_int_equal(decode_hex(world, "3f09"), HPACK_OK); /* to 40 */
	hpack_decoder_set_limit(&world->decoder, 64);
	assert_int_equal(decode_hex(world, "82"), HPACK_OK);
	assert_int_equal(decode_hex(world, "3f2182"), HPACK_OK);
}

/* Section 4.4: a field's name may be that of an entry which its own arrival evicts. */
static void
name_of_evicted_entry(void **state)
{
	struct world *world = *state;
	char value[2] = "0";

	assert_int_equal(decode_hex(world, "3f09"), HPACK_OK); /* to 40: one entry */
	assert_int_equal(decode_literal_of(world, 0x40, "name", "0"), HPACK_OK);
	for (int digit = '1'; digit <= '9'; digit++) {
		char block[] = {0x7e, 1, (char)digit, (char)0xbe}, expected[32];

		value[0] = (char)digit;
		snprintf(expected, sizeof(expected), "name: %s\nname: %s\n", value, value);
		assert_int_equal(decode_bytes(world, (struct slice){block, 4}), HPACK_OK);
		expect_fields(world, expected);
		assert_int_equal(world->decoder.table.count, 1);
	}
}

/* What was found stays as it was when later fields of the block evict its entry. */
static void
fields_outlive_their_entries(void **state)
{
	struct world *world = *state;
	char block[256], expected[128];
	size_t n = 0;

	assert_int_equal(decode_hex(world, "3f33"), HPACK_OK); /* to 82: two entries */
	assert_int_equal(decode_literal_of(world, 0x40, "first", "one"), HPACK_OK);
	block[n++] = (char)0xbe;
	for (int i = 0; i < 4; i++)
		n += literal(block + n, 0x40, "x-other", "2");
	assert_int_equal(decode_bytes(world, (struct slice){block, n}), HPACK_OK);
	strcpy(expected, "first: one\nx-other: 2\nx-other: 2\nx-other: 2\nx-other: 2\n");
	expect_fields(world, expected);
}

/* A field that is larger than the table empties it, and is no error (section 4.4). */
static void
field_larger_than_table(void **state)
{
	struct world *world = *state;
	static char block[8192];
	static const char head[] = "\x40\x01x\x7f\xe2\x1e"; /* a value of 4,065 bytes */
	const size_t len = sizeof(head) - 1;

	assert_int_equal(decode_literal_of(world, 0x40, "a", "b"), HPACK_OK);
	memcpy(block, head, len);
	memset(block + len, 'v', 4065);
	assert_int_equal(decode_bytes(world, (struct slice){block, len + 4065}), HPACK_OK);
	assert_int_equal(world->fields[0].value.len, 4065);
	assert_int_equal(world->decoder.table.count, 0);

	block[4] = (char)0xe0; /* two less: it fills the table */
	assert_int_equal(decode_bytes(world, (struct slice){block, len + 4063}), HPACK_OK);
	assert_int_equal(world->decoder.table.size, HPACK_TABLE_MAX);
	assert_int_equal(decode_hex(world, "be"), HPACK_OK);
	assert_int_equal(world->fields[0].value.len, 4063);
}

/* Blocks of many sizes: more fields than allowed, or more bytes; the table is as without limits. */
static void
too_large(void **state)
{
	struct world *world = *state;
	char block[512];
	size_t n;

	world->fields_max = 3;
	assert_int_equal(decode_hex(world, "828486"), HPACK_OK);
	assert_false(world->block.too_large);
	assert_int_equal(decode_hex(world, "82848687"), HPACK_OK);
	assert_true(world->block.too_large);
	assert_int_equal(world->block.count, 0);

	world->fields_max = FIELDS;
	world->size_max = 2 * 34;
	n = literal(block, 0x40, "a", "1");
	n += literal(block + n, 0x40, "b", "2");
	assert_int_equal(decode_bytes(world, (struct slice){block, n}), HPACK_OK);
	assert_false(world->block.too_large);
	expect_fields(world, "a: 1\nb: 2\n");
	n += literal(block + n, 0x40, "c", "3");
	memcpy(block + n,
	    "\x7e\x01"
	    "4",
	    3); /* named by the entry before */
	n += 3;
	assert_int_equal(decode_bytes(world, (struct slice){block, n}), HPACK_OK);
	assert_true(world->block.too_large);
	assert_int_equal(world->block.count, 0);
	world->size_max = BYTES;
	assert_int_equal(decode_hex(world, "bebfc0c1c2c3"), HPACK_OK);
	expect_fields(world, "c: 4\nc: 3\nb: 2\na: 1\nb: 2\na: 1\n");
}

/* A block that its caller does not want changes the table alone. */
static void
unwanted(void **state)
{
	struct world *world = *state;

	world->unwanted = true;
	assert_int_equal(decode_literal_of(world, 0x40, "a", "b"), HPACK_OK);
	assert_int_equal(world->block.count, 0);
	assert_int_equal(decode_hex(world, "0001618118"), HPACK_OK); /* bad, and not looked at */
	assert_int_equal(decode_hex(world, "4001618118"), HPACK_BAD);
	world->unwanted = false;
	assert_int_equal(decode_hex(world, "be"), HPACK_OK);
	expect_fields(world, "a: b\n");
}

/* A string that fills the storage: the storage is then free for what the table needs. */
static void
storage_full(void **state)
{
	struct world *world = *state;
	static char block[3 * 4096];
	struct hpack_block *out = &world->block;
	size_t n = 0, consumed;

	for (int i = 0; i < 2; i++) { /* values of 3,000 bytes, of which one fits 4,096 */
		memcpy(block + n, "\x40\x01x\x7f\xb9\x16", 6);
		memset(block + n + 6, 'a' + i, 3000);
		n += 3006;
	}
	hpack_block_init(out, world->fields, FIELDS, world->bytes, HPACK_TABLE_MAX, BYTES);
	assert_int_equal(
	    hpack_decode(&world->decoder, (struct slice){block, n}, true, out, &consumed),
	    HPACK_OK);
	assert_true(out->too_large);
	assert_int_equal(decode_hex(world, "be"), HPACK_OK);
	assert_int_equal(world->fields[0].value.len, 3000);
	assert_int_equal(world->fields[0].value.at[2999], 'b');

	/* One that is larger than the storage is larger than the table. */
	memcpy(block, "\x40\x01x\x7f\xc1\x3d", 6); /* 8,000 bytes */
	hpack_block_init(out, world->fields, FIELDS, world->bytes, HPACK_TABLE_MAX, BYTES);
	assert_int_equal(
	    hpack_decode(&world->decoder, (struct slice){block, 8006}, true, out, &consumed),
	    HPACK_OK);
	assert_true(out->too_large);
	assert_int_equal(world->decoder.table.count, 0);
}

/* A name that its entry has from the static table. */
static void
name_of_entry_with_static_name(void **state)
{
	struct world *world = *state;

	assert_int_equal(decode_hex(world, "440161"), HPACK_OK);   /* :path: a */
	assert_int_equal(decode_hex(world, "7e0162be"), HPACK_OK); /* the same with b */
	expect_fields(world, ":path: b\n:path: b\n");
	assert_int_equal(world->fields[0].id, FIELD_PSEUDO_PATH);
	assert_int_equal(world->fields[1].id, FIELD_PSEUDO_PATH);
	assert_int_equal(world->decoder.table.used, 2);
}

/* An entry's name and value when the storage is full, and as one field too many. */
static void
entries_that_do_not_fit(void **state)
{
	struct world *world = *state;
	struct hpack_block *out = &world->block;
	static char block[4096];
	size_t consumed;

	memcpy(block, "\x40\x7f\xb9\x16", 4); /* a name of 3,000 bytes */
	memset(block + 4, 'n', 3000);
	memcpy(block + 3004, "\x01v\xbe", 3);
	hpack_block_init(out, world->fields, FIELDS, world->bytes, HPACK_TABLE_MAX, BYTES);
	assert_int_equal(
	    hpack_decode(&world->decoder, (struct slice){block, 3007}, true, out, &consumed),
	    HPACK_OK);
	assert_true(out->too_large);

	hpack_block_init(out, world->fields, FIELDS, world->bytes, HPACK_TABLE_MAX, BYTES);
	assert_int_equal(
	    hpack_decode(&world->decoder, SLICE("\xbe\x7e\x01w\xbe"), true, out, &consumed),
	    HPACK_OK);
	assert_true(out->too_large);
	assert_int_equal(decode_hex(world, "be"), HPACK_OK);
	assert_int_equal(world->fields[0].name.len, 3000);
	assert_true(slice_equal(world->fields[0].value, SLICE("w")));

	world->fields_max = 1;
	assert_int_equal(decode_hex(world, "be"), HPACK_OK);
	assert_false(out->too_large);
	assert_int_equal(decode_hex(world, "bebe"), HPACK_OK);
	assert_true(out->too_large);
}

static void
without_memory(void **state)
{
	struct world *world = *state;
	struct hpack_block *block = &world->block;
	size_t consumed;

	for (int unwanted_too = 0; unwanted_too < 2; unwanted_too++) {
		hpack_block_init(block, world->fields, FIELDS, world->bytes, BYTES, BYTES);
		block->too_large = unwanted_too;
		world->no_memory = true;
		assert_int_equal(
		    hpack_decode(&world->decoder, SLICE("\x40\x01x\x01y"), true, block, &consumed),
		    HPACK_NO_MEMORY);
		world->no_memory = false;
		assert_int_equal(world->decoder.table.count, 0);
	}
}

/* RFC 9113 section 8.2.1; remembered with the entry. */
static void
malformed(void **state)
{
	static const struct {
		const char *name, *value;
		bool malformed;
		enum field_id id;
	} rows[] = {
	    {"x-a", "v", false, FIELD_OTHER},
	    {"x-A", "v", true, FIELD_OTHER},
	    {"Content-length", "1", true, FIELD_OTHER},
	    {"content-length", "1", false, FIELD_CONTENT_LENGTH},
	    {"content_length", "1", false, FIELD_DISGUISED},
	    {"x a", "v", true, FIELD_OTHER},
	    {"x:a", "v", true, FIELD_OTHER},
	    {"", "v", true, FIELD_OTHER},
	    {":", "v", true, FIELD_OTHER},
	    {":paths", "v", true, FIELD_OTHER},
	    {":Path", "v", true, FIELD_OTHER},
	    {":path", "v", false, FIELD_PSEUDO_PATH},
	    {":protocol", "websocket", false, FIELD_PSEUDO_PROTOCOL},
	    {"x", "", false, FIELD_OTHER},
	    {"x", "a b", false, FIELD_OTHER},
	    {"x", "a\tb", false, FIELD_OTHER},
	    {"x", "\xc3\xa4", false, FIELD_OTHER},
	    {"x", " a", true, FIELD_OTHER},
	    {"x", "a ", true, FIELD_OTHER},
	    {"x", "a\t", true, FIELD_OTHER},
	    {"x", "a\rb", true, FIELD_OTHER},
	    {"x", "a\nb", true, FIELD_OTHER},
	    {"x", "longer than eight\r\nb: c", true, FIELD_OTHER},
	    {"x", "\x7f", true, FIELD_OTHER},
	    {":path", "/ ", true, FIELD_PSEUDO_PATH},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    decode_literal_of(world, 0x40, rows[i].name, rows[i].value), HPACK_OK);
		for (int again = 0; again < 2; again++) {
			if (world->block.malformed != rows[i].malformed ||
			    world->fields[0].id != rows[i].id)
				fail_msg("%s: %s", rows[i].name, rows[i].value);
			assert_int_equal(decode_hex(world, "be"), HPACK_OK);
		}
	}
	/* NUL; and a good value behind a bad name, a bad one behind a good name. */
	assert_int_equal(decode_hex(world, "4001780100"), HPACK_OK);
	assert_true(world->block.malformed);
	assert_int_equal(decode_literal_of(world, 0x40, "X", "v"), HPACK_OK);
	assert_int_equal(decode_hex(world, "0f2f0176"), HPACK_OK);
	assert_true(world->block.malformed);
	assert_int_equal(decode_literal_of(world, 0x40, "x", " "), HPACK_OK);
	assert_int_equal(decode_hex(world, "0f2f0176"), HPACK_OK);
	assert_false(world->block.malformed);
}

/* Any two pieces of a block are as good as the whole. */
static void
pieces(void **state)
{
	static const char hex[] = "203fe11f828684 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"
				  "0f2f03616263 be";
	struct world *world = *state;
	char bytes[128];
	size_t len = from_hex(hex, bytes);

	for (size_t first = 0; first <= len; first++) {
		struct hpack_block *block = &world->block;
		size_t consumed, more;
		enum hpack_status status;

		hpack_decoder_free(&world->decoder);
		hpack_decoder_init(
		    &world->decoder, HPACK_TABLE_MAX, plain_memory(&world->no_memory));
		hpack_block_init(block, world->fields, FIELDS, world->bytes, BYTES, BYTES);
		status = hpack_decode(
		    &world->decoder, (struct slice){bytes, first}, false, block, &consumed);
		assert_int_equal(status, consumed == first ? HPACK_OK : HPACK_CUT);
		assert_int_equal(
		    hpack_decode(&world->decoder, (struct slice){bytes + consumed, len - consumed},
			true, block, &more),
		    HPACK_OK);
		assert_int_equal(consumed + more, len);
		expect_fields(world,
		    ":method: GET\n:scheme: http\n:path: /\ncustom-key: custom-value\n"
		    "custom-key: abc\ncustom-key: custom-value\n");
	}
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, set_up_world, tear_down_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    RULE(static_table),
	    RULE(blocks_refused),
	    RULE(lower_limit),
	    RULE(lower_limit_and_higher),
	    RULE(limit_that_changes_nothing),
	    RULE(name_of_evicted_entry),
	    RULE(fields_outlive_their_entries),
	    RULE(field_larger_than_table),
	    RULE(too_large),
	    RULE(unwanted),
	    RULE(storage_full),
	    RULE(name_of_entry_with_static_name),
	    RULE(entries_that_do_not_fit),
	    RULE(without_memory),
	    RULE(malformed),
	    RULE(pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
