/* walk_test.c - places for walks, with fakes for the store and for the calls' answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/control/call.h"
#include "auth/control/walk.h"

#define CALLS_MAX 10

static char happened[256]; /* "a" began, "!a" was refused */

/* A call with its walk; its request_id is its name. */
struct one {
	struct call call;
	struct walk walk;
	struct record *token;
};

static struct one ones[CALLS_MAX];
static struct walks walks;
static struct control_tuning tuning;

struct store *
store_new(const struct store_options *options)
{
	static char places[WALKS_MAX];
	static size_t count;

	assert_true(options->for_lists);
	return (struct store *)&places[count++ % WALKS_MAX];
}

void
store_free(struct store *store)
{
	(void)store;
}

void
call_refuse(struct call *call, unsigned status, const char *field, const char *detail, ...)
{
	(void)field;
	(void)detail;
	assert_true(status == 429 || status == 503);
	strcat(strcat(happened, status == 429 ? "!" : "-"), call->request_id);
}

static void
begins(struct call *call)
{
	strcat(happened, call->request_id);
}

static void
expect(const char *text)
{
	assert_string_equal(happened, text);
	happened[0] = '\0';
}

static int
setup(void **state)
{
	const struct store_options options = {0};

	(void)state;
	memset(ones, 0, sizeof(ones));
	tuning = (struct control_tuning){.walk_ms = 1000000, .walks_waiting_max = 3};
	for (size_t i = 0; i < CALLS_MAX; i++)
		snprintf(ones[i].call.request_id, sizeof(ones[i].call.request_id), "%c",
		    (char)('a' + i));
	happened[0] = '\0';
	return walks_open(&walks, &options, &tuning) ? 0 : -1;
}

static struct one *
begin(char name, enum caller caller, bool local, const char *token_id)
{
	struct one *one = &ones[name - 'a'];

	one->call.caller = caller;
	one->call.local = local;
	if (token_id != NULL) {
		struct record record = {
		    .kind = RECORD_TOKEN, .token = {.id = slice_of(token_id), .name = SLICE("t")}};

		one->call.token = one->token = record_copy(&record);
		assert_non_null(one->token);
	}
	walk_begin(&walks, &one->walk, &one->call, begins);
	return one;
}

static struct one *
remote(char name)
{
	const char id[] = {name, '\0'};

	return begin(name, CALLER_TOKEN, false, id);
}

static struct one *
local(char name)
{
	return begin(name, CALLER_LOCAL, true, NULL);
}

static void
ends(struct one *one)
{
	walk_end(&one->walk);
	walk_end(&one->walk); /* harmless */
	free(one->token);
	one->token = NULL;
}

static void
each_has_its_turn(void **state)
{
	struct one *a = remote('a'), *b = remote('b'), *c = remote('c'), *d = remote('d'),
		   *e = remote('e'), *f = remote('f'), *g;

	(void)state;
	expect("ab!f"); /* three may wait */
	assert_true(
	    walk_goes_on(&a->walk) && a->walk.state == WALK_GOING && b->walk.state == WALK_GOING);
	ends(f);
	ends(a);
	expect("c");
	g = remote('g'); /* behind those that wait already */
	expect("");
	ends(d); /* its client left */
	ends(b);
	expect("e");
	ends(c);
	expect("g");
	ends(e);
	ends(g);
	a = remote('a');
	expect("a");
	ends(a);
}

static void
one_for_each_token(void **state)
{
	struct one *a = begin('a', CALLER_TOKEN, false, "same"),
		   *b = begin('b', CALLER_TOKEN, false, "same"), *c = remote('c'),
		   *d = begin('d', CALLER_TOKEN, false, "waits"),
		   *e = begin('e', CALLER_TOKEN, true, "waits");

	(void)state;
	expect("a!bc!e");
	ends(b);
	ends(e);
	ends(a);
	expect("d");
	ends(c);
	ends(d);
}

/* Local callers come first, and the walks of remote callers give way to them, one by one. */
static void
local_callers_first(void **state)
{
	struct one *a = remote('a'), *b = remote('b'), *c = remote('c'), *d, *e, *f;

	(void)state;
	assert_true(walk_goes_on(&a->walk) && walk_goes_on(&b->walk));
	d = local('d');
	e = local('e');
	f = remote('f');
	expect("ab");
	assert_true(walk_goes_on(&a->walk));
	assert_false(walk_goes_on(&b->walk));
	ends(b);
	expect("d");
	assert_false(walk_goes_on(&a->walk));
	ends(a);
	expect("e");
	assert_true(walk_goes_on(&d->walk) && walk_goes_on(&e->walk));
	assert_true(walk_goes_on(&d->walk) && walk_goes_on(&e->walk));
	ends(d);
	ends(e);
	expect("cf");
	assert_true(walk_goes_on(&c->walk) && walk_goes_on(&f->walk));
	assert_true(walk_goes_on(&c->walk) && walk_goes_on(&f->walk)); /* no local caller waits */
	ends(c);
	ends(f);
}

/* A first step is made, whatever happens, so that each page leads on. */
static void
ends_by_the_clock(void **state)
{
	struct one *a, *b, *c;

	(void)state;
	tuning.walk_ms = 0;
	a = local('a');
	b = remote('b');
	c = local('c');
	expect("ab");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(walk_goes_on(&a->walk), i == 0);
		assert_int_equal(walk_goes_on(&b->walk), i == 0);
	}
	ends(b);
	expect("c");
	assert_true(walk_goes_on(&c->walk));
	ends(a);
	ends(c);
}

static void
closed_while_some_wait(void **state)
{
	struct one *a = remote('a'), *b = remote('b'), *c = remote('c'), *d = local('d');

	(void)state;
	walks_close(&walks);
	expect("ab-d-c");
	ends(a);
	ends(b);
	ends(c);
	ends(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(each_has_its_turn, setup),
	    cmocka_unit_test_setup(one_for_each_token, setup),
	    cmocka_unit_test_setup(local_callers_first, setup),
	    cmocka_unit_test_setup(ends_by_the_clock, setup),
	    cmocka_unit_test_setup(closed_while_some_wait, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
