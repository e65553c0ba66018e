/* h2_settings_test.c - which values SETTINGS may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/h2_frame.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* Frames of one setting each, one after the other. */
static struct h2_check
read_one(struct h2_settings *settings, unsigned id, uint32_t value, bool from_server)
{
	struct h2_setting setting = {(uint16_t)id, value};
	char frame[64];
	struct writer writer = writer_of(frame, sizeof(frame));

	h2_write_settings(&writer, &setting, 1);
	return h2_settings_read(settings,
	    (struct slice){
		frame + H2_FRAME_HEAD_LEN, (size_t)(writer.at - frame) - H2_FRAME_HEAD_LEN},
	    from_server);
}

static void
values(void **state)
{
	static const struct {
		unsigned id;
		uint32_t value;
		enum h2_error error, error_of_server;
	} rows[] = {
	    {0x1, 0, H2_NO_ERROR, H2_NO_ERROR},
	    {0x1, UINT32_MAX, H2_NO_ERROR, H2_NO_ERROR},
	    {0x2, 0, H2_NO_ERROR, H2_NO_ERROR},
	    {0x2, 1, H2_NO_ERROR, H2_PROTOCOL_ERROR},
	    {0x2, 2, H2_PROTOCOL_ERROR, H2_PROTOCOL_ERROR},
	    {0x3, 0, H2_NO_ERROR, H2_NO_ERROR},
	    {0x4, 0x7fffffff, H2_NO_ERROR, H2_NO_ERROR},
	    {0x4, 0x80000000, H2_FLOW_CONTROL_ERROR, H2_FLOW_CONTROL_ERROR},
	    {0x5, 16383, H2_PROTOCOL_ERROR, H2_PROTOCOL_ERROR},
	    {0x5, 16384, H2_NO_ERROR, H2_NO_ERROR},
	    {0x5, 0xffffff, H2_NO_ERROR, H2_NO_ERROR},
	    {0x5, 0x1000000, H2_PROTOCOL_ERROR, H2_PROTOCOL_ERROR},
	    {0x6, 0, H2_NO_ERROR, H2_NO_ERROR},
	    {0x7, 99, H2_NO_ERROR, H2_NO_ERROR},
	    {0x8, 1, H2_NO_ERROR, H2_NO_ERROR},
	    {0x8, 2, H2_PROTOCOL_ERROR, H2_PROTOCOL_ERROR},
	    {0x9, 1, H2_NO_ERROR, H2_NO_ERROR},
	    {0x9, 2, H2_PROTOCOL_ERROR, H2_PROTOCOL_ERROR},
	    {0xffff, UINT32_MAX, H2_NO_ERROR, H2_NO_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		for (int server = 0; server < 2; server++) {
			struct h2_settings settings;
			struct h2_check check;
			enum h2_error expected = server ? rows[i].error_of_server : rows[i].error;

			h2_settings_init(&settings);
			check = read_one(&settings, rows[i].id, rows[i].value, server);
			if (check.error != expected ||
			    check.scope != (expected ? H2_CONNECTION_BAD : H2_FINE))
				fail_msg("setting %u of %u", rows[i].id, rows[i].value);
		}
}

static void
effects(void **state)
{
	static const char payload[] = "\0\1\0\0\0\x40"
				      "\0\2\0\0\0\0"
				      "\0\3\0\0\0\7"
				      "\0\4\0\0\0\5"
				      "\0\5\0\1\0\0"
				      "\0\6\0\0\1\0"
				      "\0\x8\0\0\0\1"
				      "\0\x9\0\0\0\1"
				      "\0\3\0\0\0\x8";
	struct h2_settings settings;

	(void)state;
	h2_settings_init(&settings);
	assert_int_equal(settings.header_table_size, 4096);
	assert_int_equal(settings.max_concurrent_streams, UINT32_MAX);
	assert_int_equal(settings.initial_window_size, 65535);
	assert_int_equal(settings.max_frame_size, 16384);
	assert_int_equal(settings.max_header_list_size, UINT32_MAX);
	assert_true(settings.enable_push);
	assert_false(settings.enable_connect_protocol || settings.no_rfc7540_priorities);
	assert_int_equal(h2_settings_read(&settings, SLICE(""), false).scope, H2_FINE);
	assert_true(settings.received);

	h2_settings_init(&settings);
	assert_int_equal(h2_settings_read(&settings, SLICE(payload), false).scope, H2_FINE);
	assert_int_equal(settings.header_table_size, 64);
	assert_int_equal(settings.max_concurrent_streams, 8);
	assert_int_equal(settings.initial_window_size, 5);
	assert_int_equal(settings.max_frame_size, 65536);
	assert_int_equal(settings.max_header_list_size, 256);
	assert_false(settings.enable_push);
	assert_true(settings.enable_connect_protocol && settings.no_rfc7540_priorities);
}

/* RFC 8441 section 3, RFC 9218 section 2.1. */
static void
what_may_not_change(void **state)
{
	struct h2_settings settings;

	(void)state;
	h2_settings_init(&settings);
	assert_int_equal(read_one(&settings, 0x8, 0, false).scope, H2_FINE);
	assert_int_equal(read_one(&settings, 0x8, 1, false).scope, H2_FINE);
	assert_int_equal(read_one(&settings, 0x8, 1, false).scope, H2_FINE);
	assert_int_equal(read_one(&settings, 0x8, 0, false).error, H2_PROTOCOL_ERROR);

	h2_settings_init(&settings);
	assert_int_equal(read_one(&settings, 0x9, 1, false).scope, H2_FINE);
	assert_int_equal(read_one(&settings, 0x9, 1, false).scope, H2_FINE);
	assert_int_equal(read_one(&settings, 0x9, 0, false).error, H2_PROTOCOL_ERROR);
	h2_settings_init(&settings);
	assert_int_equal(read_one(&settings, 0x1, 1, false).scope, H2_FINE);
	assert_int_equal(read_one(&settings, 0x9, 1, false).error, H2_PROTOCOL_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values),
	    cmocka_unit_test(effects),
	    cmocka_unit_test(what_may_not_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
