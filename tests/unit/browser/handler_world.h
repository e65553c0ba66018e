/*
 * handler_world.h - one request to a handler of this room, without an exchange: what the handler
 * may know, and what it has answered.
 */
#ifndef JOBGATE_TEST_HANDLER_WORLD_H
#define JOBGATE_TEST_HANDLER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "browser/code.h"
#include "browser/pages.h"
#include "browser/session.h"
#include "jobgate/control_fields.h"

#define JOB_HOST "demo.jobs.test"
#define SIGN_IN_HOST "auth.jobs.test"
#define NOW_S 1000
#define SESSION_S 60

/* As in URLs of the sign-in host; NONCE_HEX is its digest. */
#define NONCE "abcdefghijklmnopqrstuvwxyz012345"

static const unsigned char key[SESSION_KEY_LEN] = "a key for tests, 32 bytes of it";
static const unsigned char sign_in_id[SIGN_IN_ID_LEN] = {0xab, 1, 2};
#define SIGN_IN_ID_TEXT "ab010200000000000000000000000000"

static char *room;
static struct request request;
static struct field fields[4];
static struct local_call call;
static struct local_answer answer;

static inline int
setup(void **state)
{
	(void)state;
	room = malloc(LOCAL_ROOM); /* so that a byte too many is found */
	assert_non_null(room);
	memset(room, 0xa5, LOCAL_ROOM);
	request = (struct request){
	    .method_id = METHOD_GET, .authority = SLICE(JOB_HOST), .fields = {.items = fields}};
	call = (struct local_call){.request = &request,
	    .request_id = SLICE("id"),
	    .job = SLICE("demo"),
	    .tls = true,
	    .session_key = key,
	    .session_ms = SESSION_S * 1000,
	    .sign_in_host = SLICE(SIGN_IN_HOST),
	    .now_s = NOW_S,
	    .room = room};
	answer = (struct local_answer){0};
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	free(room);
	return 0;
}

static inline void
add_field(enum field_id id, const char *name, const char *value)
{
	fields[request.fields.count++] =
	    (struct field){.name = slice_of(name), .value = slice_of(value), .id = id};
}

/* A form of a page of this origin is sent. */
static inline void
come_from(const char *origin)
{
	request.method_id = METHOD_POST;
	request.fields.count = 0;
	add_field(FIELD_ORIGIN, "Origin", origin);
}

/* The Cookie of a sign-in, bound to this purpose. */
static inline void
add_sign_in_cookie(struct slice purpose, int64_t expires_s)
{
	static char cookie[128];
	struct sign_in_cookie sign_in = {.expires_s = expires_s};
	char text[SIGN_IN_COOKIE_LEN];

	memcpy(sign_in.id, sign_in_id, SIGN_IN_ID_LEN);
	assert_true(sign_in_seal(key, purpose, &sign_in, text));
	snprintf(cookie, sizeof(cookie), "a=b; " SESSION_COOKIE "=%.*s", SIGN_IN_COOKIE_LEN, text);
	add_field(FIELD_COOKIE, "Cookie", cookie);
}

/* The digest of NONCE, in hex. */
static inline const char *
nonce_hex(void)
{
	static char hex[2 * NONCE_DIGEST_LEN + 1];
	unsigned char digest[NONCE_DIGEST_LEN];

	assert_true(nonce_digest(SLICE(NONCE), digest));
	jg_token_hash_format(digest, hex);
	return hex;
}

static inline bool
page_has(const char *text)
{
	return answer.page.len > 0 &&
	       memmem(answer.page.at, answer.page.len, text, strlen(text)) != NULL;
}

/* The value of a field of the answer; at is NULL when it is missing. */
static inline struct slice
value_of(const char *name)
{
	for (size_t i = 0; i < answer.field_count; i++)
		if (slice_equal(answer.fields[i].name, slice_of(name)))
			return answer.fields[i].value;
	return (struct slice){0};
}

#define ASSERT_GOES_TO(place) assert_true(slice_equal(value_of("Location"), slice_of(place)))

/* The answer is a page that leads nowhere, and does not sign the browser in. */
#define ASSERT_PAGE(its_status, text)                                      \
	do {                                                               \
		assert_int_equal(answer.status, its_status);               \
		assert_true(page_has(text));                               \
		assert_int_equal(answer.field_count, 0);                   \
		assert_int_equal(answer.ask_path.len + answer.ask.len, 0); \
	} while (0)

/* The answer is a plain refusal. */
#define ASSERT_REFUSED(its_status)                                         \
	do {                                                               \
		assert_int_equal(answer.status, its_status);               \
		assert_int_equal(answer.page.len, 0);                      \
		assert_int_equal(answer.field_count, 0);                   \
		assert_int_equal(answer.ask_path.len + answer.ask.len, 0); \
	} while (0)

#define SITE "https://" JOB_HOST
#define SITE_ENCODED "https%3A%2F%2F" JOB_HOST

static char query[24 * 1024];

/* As setup, but at the sign-in host. */
static inline int
setup_host(void **state)
{
	setup(state);
	request.authority = SLICE(SIGN_IN_HOST);
	request.path = SLICE("/sign-in");
	return 0;
}

/* The query of a visit from this page of a job. */
static inline const char *
visit_from(const char *to)
{
	snprintf(query, sizeof(query), "?to=%s&nonce=%s", to, nonce_hex());
	request.query = slice_of(query);
	return query + 1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
