/* hpack_write_test.c - blocks that we write: read back, byte by byte, and without room for them. */
#include "hpack_world.h"

/* Every name of the static table, in upper case, takes the first index that has it. */
static void
static_names(void **state)
{
	struct world *world = *state;

	for (unsigned i = 1; i < HPACK_STATIC_COUNT; i++) {
		char out[64], name[32];
		struct writer writer = writer_of(out, sizeof(out));
		struct slice known = hpack_static[i].name;
		unsigned first = 1;

		while (!slice_equal(hpack_static[first].name, known))
			first++;
		for (size_t j = 0; j < known.len; j++)
			name[j] =
			    (char)(known.at[j] >= 'a' && known.at[j] <= 'z' ? known.at[j] - 0x20
									    : known.at[j]);
		hpack_write_field(&writer, (struct slice){name, known.len}, SLICE("v"));
		assert_int_equal(writer.at - out, first < 15 ? 3 : 4);
		assert_int_equal(out[0], first < 15 ? first : 15);
		assert_int_equal(first < 15 ? 0 : out[1], first < 15 ? 0 : first - 15);
		assert_int_equal(
		    decode_bytes(world, (struct slice){out, (size_t)(writer.at - out)}), HPACK_OK);
		assert_true(slice_equal(world->fields[0].name, known));
		assert_true(slice_equal(world->fields[0].value, SLICE("v")));
	}
}

/* Names that are not in the table, of all lengths: only letters change. */
static void
other_names(void **state)
{
	struct world *world = *state;

	for (size_t len = 1; len < 80; len++) {
		char name[80], lower[80], out[256];
		struct writer writer = writer_of(out, sizeof(out));

		for (size_t i = 0; i < len; i++) {
			name[i] = "@AZ[`az{_^X-m~!9"[(i + len) % 16];
			lower[i] = "@az[`az{_^x-m~!9"[(i + len) % 16];
		}
		hpack_write_field(&writer, (struct slice){name, len}, SLICE(""));
		assert_int_equal(
		    decode_bytes(world, (struct slice){out, (size_t)(writer.at - out)}), HPACK_OK);
		assert_true(slice_equal(world->fields[0].name, (struct slice){lower, len}));
		assert_int_equal(world->fields[0].value.len, 0);
		assert_int_equal(world->decoder.table.count, 0);
	}
}

/* A name that is not in the table has room or is left out. */
static void
other_name_without_room(void **state)
{
	static const struct slice name = SLICE("X-A-Name-That-Is-Longer-Than-What-All-Fields-Need");

	(void)state;
	for (size_t cap = 0; cap <= name.len + 1 + HPACK_WRITE_OVERHEAD; cap++) {
		char *out = malloc(cap + 1);
		struct writer writer = writer_of(out, cap);

		assert_non_null(out);
		hpack_write_field(&writer, name, SLICE("v"));
		assert_int_equal(writer.full, cap < name.len + 1 + HPACK_WRITE_OVERHEAD);
		assert_int_equal(writer.at - out, writer.full ? 0 : 3 + name.len + 1);
		free(out);
	}
}

/* Lengths at each step of the integers. */
static void
value_lengths(void **state)
{
	static const size_t lens[] = {
	    0, 1, 126, 127, 128, 254, 255, 256, 16510, 16511, 16512, 60000};
	static char value[60000], out[61000];
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct writer writer = writer_of(out, sizeof(out));

		memset(value, 'a' + (int)i, lens[i]);
		hpack_write_named(&writer, HPACK_WWW_AUTHENTICATE, (struct slice){value, lens[i]});
		assert_false(writer.full);
		assert_int_equal(
		    decode_bytes(world, (struct slice){out, (size_t)(writer.at - out)}), HPACK_OK);
		assert_int_equal(world->fields[0].id, FIELD_HEAD_ONLY);
		assert_true(slice_equal(world->fields[0].value, (struct slice){value, lens[i]}));
	}
}

static void
statuses(void **state)
{
	struct world *world = *state;

	for (unsigned status = 100; status <= 999; status++) {
		char out[32], text[8];
		struct writer writer = writer_of(out, sizeof(out));

		hpack_write_status(&writer, status);
		assert_int_equal(
		    decode_bytes(world, (struct slice){out, (size_t)(writer.at - out)}), HPACK_OK);
		snprintf(text, sizeof(text), "%u", status);
		assert_int_equal(world->fields[0].id, FIELD_PSEUDO_STATUS);
		assert_true(slice_equal(world->fields[0].value, slice_of(text)));
		assert_int_equal(writer.at - out, status == 200 || status == 204 || status == 206 ||
							  status == 304 || status == 400 ||
							  status == 404 || status == 500
						      ? 1
						      : 5);
	}
}

/* A whole answer; its first block makes the peer's table empty. */
static void
answer(void **state)
{
	static struct field items[] = {
	    {.name = {"Content-Type", 12}, .value = {"a/b", 3}},
	    {.name = {"Connection", 10}, .value = {"close", 5}, .dropped = true},
	    {.name = {"Set-Cookie", 10}, .value = {"c=d", 3}, .never_indexed = true},
	    {.name = {"X-Other", 7}, .value = {"e", 1}, .never_indexed = true},
	};
	static const char expected[] = "\x20\x88"
				       "\x0f\x10\x03"
				       "a/b"
				       "\x1f\x28\x03"
				       "c=d"
				       "\x10\x07"
				       "x-other\x01"
				       "e"
				       "\x1f\x08\x06"
				       "Bearer";
	struct world *world = *state;
	const size_t len = sizeof(expected) - 1;

	for (size_t cap = 0; cap <= len + HPACK_WRITE_OVERHEAD; cap++) {
		char *out = malloc(cap + 1);
		struct writer writer = writer_of(out, cap);
		struct fields fields = {items, 4};

		assert_non_null(out);
		hpack_write_start(&writer);
		hpack_write_status(&writer, 200);
		hpack_write_fields(&writer, &fields);
		hpack_write_never_indexed(&writer, SLICE("Authorization"), SLICE("Bearer"));
		assert_true(writer.full || (size_t)(writer.at - out) == len);
		assert_true(!writer.full || cap < len + HPACK_WRITE_OVERHEAD);
		if (!writer.full) {
			assert_memory_equal(out, expected, len);
			assert_int_equal(decode_bytes(world, (struct slice){out, len}), HPACK_OK);
			assert_int_equal(world->decoder.table.max, 0);
		}
		free(out);
	}
	expect_fields(world, ":status: 200\ncontent-type: a/b\nset-cookie: c=d\nx-other: "
			     "e\nauthorization: Bearer\n");
	assert_true(world->fields[2].never_indexed && world->fields[3].never_indexed);
	assert_false(world->fields[1].never_indexed);
}

static void
indexed(void **state)
{
	char out[2];
	struct writer writer = writer_of(out, 1);

	(void)state;
	hpack_write_indexed(&writer, HPACK_SCHEME_HTTPS);
	assert_false(writer.full);
	assert_int_equal((unsigned char)out[0], 0x87);
	hpack_write_indexed(&writer, HPACK_METHOD_GET);
	assert_true(writer.full);
	assert_int_equal(writer.at - out, 1);
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, set_up_world, tear_down_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    RULE(static_names),
	    RULE(other_names),
	    RULE(other_name_without_room),
	    RULE(value_lengths),
	    RULE(statuses),
	    RULE(answer),
	    RULE(indexed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
