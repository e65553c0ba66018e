/* hpack_rfc_test.c - the examples of RFC 7541 appendix C, as data. */
#include "hpack_world.h"

struct example {
	const char *hex, *fields;
	unsigned table_size, entries; /* afterwards */
};

/* One after the other on one connection. */
static void
play(void **state, unsigned limit, const struct example *examples, size_t count)
{
	struct world *world = *state;

	hpack_decoder_init(&world->decoder, limit, plain_memory(&world->no_memory));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(decode_hex(world, examples[i].hex), HPACK_OK);
		expect_fields(world, examples[i].fields);
		assert_false(world->block.malformed);
		assert_false(world->block.too_large);
		assert_int_equal(world->decoder.table.size, examples[i].table_size);
		assert_int_equal(world->decoder.table.count, examples[i].entries);
	}
}

#define PLAY(state, limit, examples) \
	play(state, limit, examples, sizeof(examples) / sizeof((examples)[0]))

/* Of 10 and 1337 with 5 bits: as sizes of the table. 42 with 8 bits: no integer of HPACK has 8, so
 * it is the length of a string, with 7. */
static void
c1_integers(void **state)
{
	static const struct example lengths[] = {
	    {"002a 7878787878787878787878787878787878787878787878787878787878787878"
	     "78787878787878787878 00",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: \n", 0, 0},
	};
	struct world *world = *state;

	assert_int_equal(decode_hex(world, "2a"), HPACK_OK);
	assert_int_equal(world->decoder.table.max, 10);
	assert_int_equal(decode_hex(world, "3f9a0a"), HPACK_OK);
	assert_int_equal(world->decoder.table.max, 1337);
	PLAY(state, 4096, lengths);
}

static void
c2_fields(void **state)
{
	static const struct example c2_1[] = {{"400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d"
					       "6865 6164 6572",
	    "custom-key: custom-header\n", 55, 1}};
	static const struct example c2_2[] = {
	    {"040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path\n", 0, 0}};
	static const struct example c2_3[] = {
	    {"1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\n", 0, 0}};
	static const struct example c2_4[] = {{"82", ":method: GET\n", 0, 0}};
	struct world *world = *state;

	PLAY(state, 4096, c2_2);
	assert_false(world->fields[0].never_indexed);
	PLAY(state, 4096, c2_3);
	assert_true(world->fields[0].never_indexed);
	PLAY(state, 4096, c2_4);
	PLAY(state, 4096, c2_1);
	assert_false(world->fields[0].never_indexed);
}

#define REQUEST_1 ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
#define REQUEST_2 REQUEST_1 "cache-control: no-cache\n"
#define REQUEST_3                                                                         \
	":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n" \
	"custom-key: custom-value\n"

static void
c3_requests(void **state)
{
	static const struct example requests[] = {
	    {"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUEST_1, 57, 1},
	    {"8286 84be 5808 6e6f 2d63 6163 6865", REQUEST_2, 110, 2},
	    {"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", REQUEST_3,
		164, 3},
	};

	PLAY(state, 4096, requests);
}

static void
c4_requests_with_huffman(void **state)
{
	static const struct example requests[] = {
	    {"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUEST_1, 57, 1},
	    {"8286 84be 5886 a8eb 1064 9cbf", REQUEST_2, 110, 2},
	    {"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUEST_3, 164, 3},
	};

	PLAY(state, 4096, requests);
}

#define ANSWER_1                                                                      \
	":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n" \
	"location: https://www.example.com\n"
#define ANSWER_2                                                                      \
	":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n" \
	"location: https://www.example.com\n"
#define ANSWER_3                                                                      \
	":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n" \
	"location: https://www.example.com\ncontent-encoding: gzip\n"                 \
	"set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n"

/* With evictions: the table has 256 bytes. */
static void
c5_answers(void **state)
{
	static const struct example answers[] = {
	    {"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032"
	     "303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63"
	     "6f6d",
		ANSWER_1, 222, 4},
	    {"4803 3330 37c1 c0bf", ANSWER_2, 222, 4},
	    {"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0"
	     "5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851"
	     "5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
		ANSWER_3, 215, 3},
	};

	PLAY(state, 256, answers);
}

static void
c6_answers_with_huffman(void **state)
{
	static const struct example answers[] = {
	    {"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b"
	     "ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
		ANSWER_1, 222, 4},
	    {"4883 640e ffc1 c0bf", ANSWER_2, 222, 4},
	    {"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad"
	     "94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160"
	     "65c0 03ed 4ee5 b106 3d50 07",
		ANSWER_3, 215, 3},
	};

	PLAY(state, 256, answers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(c1_integers, set_up_world, tear_down_world),
	    cmocka_unit_test_setup_teardown(c2_fields, set_up_world, tear_down_world),
	    cmocka_unit_test_setup_teardown(c3_requests, set_up_world, tear_down_world),
	    cmocka_unit_test_setup_teardown(
		c4_requests_with_huffman, set_up_world, tear_down_world),
	    cmocka_unit_test_setup_teardown(c5_answers, set_up_world, tear_down_world),
	    cmocka_unit_test_setup_teardown(c6_answers_with_huffman, set_up_world, tear_down_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
