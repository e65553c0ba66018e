/* rewrite_world.h - a client's request, what the gateway knows of it, and what a backend gets. */
#ifndef JOBGATE_TEST_EXCHANGE_REWRITE_WORLD_H
#define JOBGATE_TEST_EXCHANGE_REWRITE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/rewrite.h"
#include "http/framing.h"

static const struct head_limits limits = {64 * 1024, 1024, 100};
static const struct token token = {
    .id = SLICE("0123456789abcdef"), .name = SLICE("tester"), .role = ROLE_READ};
static struct request_head head;
static struct request request;
static struct rewrite facts;
static struct rewritten rewritten;

/* A request as a connection hands it on: parsed, its framing read. fields end with CR LF each. */
static inline void
receive(const char *fields)
{
	static char text[64 * 1024];
	struct request_framing framing;
	int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h:80\r\n%s\r\n", fields);

	assert_int_equal(
	    head_parse_request((struct slice){text, (size_t)len}, &limits, &head), HEAD_COMPLETE);
	assert_int_equal(request_framing(&head, &framing), FRAMING_OK);
	request = (struct request){.authority = framing.host,
	    .version = HTTP_1_1,
	    .fields = {head.fields, head.field_count}};
}

static inline bool
rewrite(const char *fields)
{
	receive(fields);
	return rewrite_request(&request, &facts, &rewritten);
}

static inline int
reset(void **state)
{
	(void)state;
	facts = (struct rewrite){.traced = true,
	    .peer = SLICE("192.0.2.7"),
	    .request_id = SLICE("id-1"),
	    .job = SLICE("demo"),
	    .token = &token};
	return 0;
}

/* The value added under a name; it must be there once. */
static inline struct slice
added(const char *name)
{
	struct slice value = {0};
	unsigned found = 0;

	for (size_t i = 0; i < rewritten.extra.count; i++) {
		const struct field *field = &rewritten.extra.items[i];

		assert_false(field->dropped);
		if (slice_equal_nocase(field->name, slice_of(name))) {
			value = field->value;
			found++;
		}
	}
	assert_true(found <= 1);
	return value;
}

static inline void
expect_added(const char *name, const char *value)
{
	struct slice got = added(name);

	if (!slice_equal(got, slice_of(value)))
		fail_msg("%s: %.*s", name, (int)got.len, got.at);
}

/* How many of the client's own fields of this name travel on. */
static inline unsigned
passed(const char *name)
{
	unsigned count = 0;

	for (size_t i = 0; i < request.fields.count; i++)
		count += !request.fields.items[i].dropped &&
			 slice_equal_nocase(request.fields.items[i].name, slice_of(name));
	return count;
}

#endif
