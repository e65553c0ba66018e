/* http2_ready.h - tests that begin after the preface of a client of HTTP/2. */
#ifndef JOBGATE_HTTP2_READY_H
#define JOBGATE_HTTP2_READY_H

#include "http2_world.h"

static int
setup(void **state)
{
	(void)state;
	http2_world_open();
	send_preface();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	http2_world_close();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
