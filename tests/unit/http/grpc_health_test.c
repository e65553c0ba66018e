/* grpc_health_test.c - requests and answers of gRPC's health service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/grpc_health.h"

/* Read bytes that end where readable memory ends. */
static enum grpc_health_request
read_bytes(const char *bytes, size_t len, char name[64])
{
	char *copy = malloc(len > 0 ? len : 1);
	struct slice service;
	enum grpc_health_request found;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	found = grpc_health_read((struct slice){copy, len}, &service);
	assert_true(service.len < 64);
	if (service.len > 0)
		memcpy(name, service.at, service.len);
	name[service.len] = '\0';
	free(copy);
	return found;
}

#define CONTENT(text) (text), sizeof(text) - 1

static void
names(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *name;
	} cases[] = {
	    {CONTENT("\0\0\0\0\0"), ""},
	    {CONTENT("\0\0\0\0\2\x0a\0"), ""},
	    {CONTENT("\0\0\0\0\x0a\x0a\x08liveness"), "liveness"},
	    {CONTENT("\0\0\0\0\6\x0a\1a\x0a\1b"), "b"},	   /* the last one counts */
	    {CONTENT("\0\0\0\0\6\x10\x96\1\x0a\1a"), "a"}, /* 2: varint */
	    {CONTENT("\0\0\0\0\7\x12\2xy\x0a\1a"), "a"},   /* 2: bytes */
	    {CONTENT("\0\0\0\0\x0c\x11"
		     "12345678\x0a\1a"),
		"a"}, /* 2: 64 bits */
	    {CONTENT("\0\0\0\0\x08\x15"
		     "1234\x0a\1a"),
		"a"},			       /* 2: 32 bits */
	    {CONTENT("\0\0\0\0\2\x08\1"), ""}, /* 1, but as a varint: unknown */
	    {CONTENT("\0\0\0\0\x0c\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0"), NULL},
	    {CONTENT("\0\0\0\0\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), ""},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum grpc_health_request found = read_bytes(cases[i].bytes, cases[i].len, name);

		assert_int_equal(
		    found, cases[i].name != NULL ? GRPC_HEALTH_OK : GRPC_HEALTH_BROKEN);
		if (cases[i].name != NULL)
			assert_string_equal(name, cases[i].name);
	}
}

static void
broken(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {CONTENT("")},
	    {CONTENT("\0\0\0\0")},	       /* half a prefix */
	    {CONTENT("\0\0\0\0\1")},	       /* half a message */
	    {CONTENT("\0\0\0\0\0\0")},	       /* more than a message */
	    {CONTENT("\0\0\0\0\0\0\0\0\0\0")}, /* two messages */
	    {CONTENT("\0\1\0\0\0")},	       /* 16 MiB */
	    {CONTENT("\0\xff\xff\xff\xff")},
	    {CONTENT("\2\0\0\0\0")},	    /* a flag that does not exist */
	    {CONTENT("\0\0\0\0\1\x0a")},    /* no length */
	    {CONTENT("\0\0\0\0\3\x0a\2a")}, /* cut text */
	    {CONTENT("\0\0\0\0\x0b\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")}, /* 2^64 - 1 */
	    {CONTENT("\0\0\0\0\2\2\0")},					 /* field 0 */
	    {CONTENT("\0\0\0\0\1\x0b")},					 /* groups */
	    {CONTENT("\0\0\0\0\1\x0c")},
	    {CONTENT("\0\0\0\0\2\x0e\0")}, /* wire types that do not exist */
	    {CONTENT("\0\0\0\0\2\x0f\0")},
	    {CONTENT("\0\0\0\0\2\x10\x80")},		   /* cut number */
	    {CONTENT("\0\0\0\0\6\x8a\x80\x80\x80\x80\0")}, /* a tag in a long form, and no length */
	    {CONTENT("\0\0\0\0\x0c\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0")}, /* 11 bytes */
	    {CONTENT("\0\0\0\0\7\x88\x80\x80\x80\x10\1\1")}, /* a tag of more than 32 bits */
	    {CONTENT("\0\0\0\0\5\x11"
		     "1234")},
	    {CONTENT("\0\0\0\0\4\x15"
		     "123")},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    read_bytes(cases[i].bytes, cases[i].len, name), GRPC_HEALTH_BROKEN);
	assert_int_equal(read_bytes(CONTENT("\1\0\0\0\1x"), name), GRPC_HEALTH_COMPRESSED);
	assert_int_equal(read_bytes(CONTENT("\1\0\0\0\2x"), name), GRPC_HEALTH_BROKEN);
}

static void
answers(void **state)
{
	char out[GRPC_HEALTH_ANSWER_LEN];

	(void)state;
	assert_int_equal(grpc_health_write(true, out), sizeof(out));
	assert_memory_equal(out, "\0\0\0\0\2\x08\1", sizeof(out));
	assert_int_equal(grpc_health_write(false, out), sizeof(out));
	assert_memory_equal(out, "\0\0\0\0\2\x08\2", sizeof(out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(broken),
	    cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
