/* events_test.c - who may read events, how many of them, and until when. */
#include "events_world.h"

static const char *
id_of(unsigned number)
{
	static char id[TOKEN_ID_LEN + 1];

	snprintf(id, sizeof(id), "token%011u", number);
	return id;
}

/* A scope that has no label in common with those of other numbers. */
static const struct label_set *
scope_of(unsigned number)
{
	static char text[12];
	static struct label label;
	static const struct label_set set = {1, &label};

	snprintf(text, sizeof(text), "team%u", number);
	label = (struct label){SLICE("team"), slice_of(text)};
	return &set;
}

static void
is_refused(const char *id, const struct label_set *scope)
{
	assert_null(reader_of(id, scope));
	assert_int_equal(status, 429);
	assert_non_null(strstr(last, "try again when one of them has ended"));
}

/* Its workers are freed before its readers. */
static void
while_the_gateway_ends(void **state)
{
	(void)state;
	control.workers = NULL;
	assert_null(reader_of(NULL, NULL));
	assert_int_equal(status, 503);
	assert_non_null(strstr(last, "shutting down: read the events again"));
}

static void
places_without_a_selector(void **state)
{
	unsigned number = 0;

	(void)state;
	while (number < READERS_UNSCOPED_MAX)
		assert_non_null(reader_of(id_of(number++), NULL));
	is_refused(id_of(number), NULL);
	/* The rest is for those with a selector. */
	while (number < READERS_MAX) {
		assert_non_null(reader_of(id_of(number), scope_of(number)));
		number++;
	}
	is_refused(id_of(number), scope_of(number));
	assert_non_null(reader_of(NULL, NULL)); /* and the local socket has its own */
	assert_int_equal(begun, READERS_MAX + 1);
}

static void
places_with_a_selector(void **state)
{
	unsigned number = 0;

	(void)state;
	while (number < READERS_SCOPED_MAX) {
		assert_non_null(reader_of(id_of(number), scope_of(number)));
		number++;
	}
	is_refused(id_of(number), scope_of(number));
	assert_non_null(reader_of(id_of(number), NULL));
}

/* Operators that a scoped one has created cannot take the places of other teams. */
static void
places_of_one_team(void **state)
{
	unsigned number = 0;

	(void)state;
	while (number < READERS_RELATED_MAX)
		assert_non_null(reader_of(id_of(number++), scope_of(1)));
	is_refused(id_of(number), scope_of(1));
	assert_non_null(reader_of(id_of(number), scope_of(2)));
}

static void
places_of_one_token(void **state)
{
	struct call *first = reader_of(id_of(1), NULL);

	(void)state;
	assert_non_null(reader_of(id_of(1), NULL));
	is_refused(id_of(1), NULL);
	assert_non_null(reader_of(id_of(2), NULL));
	leave(first); /* its place is free at once */
	assert_non_null(reader_of(id_of(1), NULL));
	is_refused(id_of(1), NULL);
}

static void
places_at_the_local_socket(void **state)
{
	(void)state;
	for (unsigned i = 0; i < READERS_LOCAL_MAX; i++)
		assert_non_null(reader_of(NULL, NULL));
	is_refused(NULL, NULL);
	assert_non_null(reader_of(id_of(1), NULL));
}

static void
without_memory(void **state)
{
	struct call *call;

	(void)state;
	call = call_new(SLICE("/v1/events"), SLICE(""));
	*call = (struct call){.ctx = &control,
	    .target = call->target,
	    .caller = CALLER_LOCAL,
	    .send = send_answer,
	    .stream = &stream,
	    .connection = (struct connection *)&control};
	memory_is_short = true;
	events_read(call); /* jansson has memory of its own */
	memory_is_short = false;
	assert_int_equal(status, 500);
	assert_true(TAILQ_EMPTY(&control.events->readers));
	assert_non_null(reader_of(NULL, NULL));
}

/* ---- the beginning ---- */

static void
starts_when_changes_are_followed(void **state)
{
	(void)state;
	feed_up = false;
	listen_to(reader_of(NULL, NULL));
	tick();
	assert_null(strstr(news(), "start"));
	feed_up = true;
	feed.up(feed.ctx);
	assert_non_null(strstr(news(), "event: start\ndata: {\"changes\":true,\"sessions\":true}"));
	feed.down(feed.ctx);
	assert_string_equal(news(), "event: store\ndata: {\"up\":false}\n\n");
}

/* The store is out of reach: a reader is not left without a word. */
static void
starts_without_the_store(void **state)
{
	struct reader *reader;

	(void)state;
	feed_up = false;
	listen_to(reader_of(NULL, NULL));
	reader = listened->state;
	reader->began_ms -= 2000;
	tick();
	assert_non_null(
	    strstr(news(), "event: start\ndata: {\"changes\":false,\"sessions\":true}"));
	feed_up = true;
	feed.up(feed.ctx);
	assert_string_equal(news(),
	    "event: store\ndata: {\"up\":true}\n\nevent: missed\ndata: {\"what\":\"records\"}\n\n");
}

/* ---- the end ---- */

static void
who_does_not_read_is_ended(void **state)
{
	struct reader *reader;

	(void)state;
	listen_to(reader_of(NULL, NULL));
	reader = listened->state;
	waits = 100;
	tick();
	assert_non_null(listened);
	reader->moved_ms -= 60001;
	tick();
	assert_null(listened);
	assert_int_equal(status, 503);
	assert_non_null(strstr(last, "the events are not read"));
}

/* The feed goes with the last reader. */
static void
who_leaves_is_forgotten(void **state)
{
	struct call *one = reader_of(NULL, NULL), *other = reader_of(NULL, NULL);

	(void)state;
	assert_int_equal(feeds, 1);
	leave(one);
	tick();
	assert_int_equal(feeds, 1);
	leave(other);
	tick();
	assert_int_equal(feeds, 0);
	assert_true(TAILQ_EMPTY(&control.events->readers));
	assert_non_null(reader_of(NULL, NULL));
	assert_int_equal(feeds, 1);
}

/* The token is read again about once a second, and nothing else is asked meanwhile. */
static void
a_token_that_is_gone(void **state)
{
	struct record token = operator_token(id_of(1), NULL);

	(void)state;
	listen_to(reader_of(id_of(1), NULL));
	tick();
	assert_int_equal(read_count, 0); /* it is young */
	listened->confirmed_ms -= 1000;
	tick();
	tick();
	assert_int_equal(read_count, 1);
	answer_read(STORE_OK, &token);
	assert_non_null(listened);
	listened->confirmed_ms -= 1000;
	tick();
	answer_read(STORE_ABSENT, NULL);
	assert_null(listened);
	assert_int_equal(status, 401);
}

static void
a_store_that_cannot_say(void **state)
{
	(void)state;
	listen_to(reader_of(id_of(1), NULL));
	listened->confirmed_ms -= 1000;
	tick();
	answer_read(STORE_UNAVAILABLE, NULL);
	assert_null(listened);
	assert_int_equal(status, 503);
}

/* A change of its token comes while the token is read: that answer is of the time before. */
static void
a_token_that_changes_while_it_is_read(void **state)
{
	struct record token = operator_token(id_of(1), NULL);
	struct slice id = token.token.id;

	(void)state;
	listen_to(reader_of(id_of(1), NULL));
	news();
	feed.changed(feed.ctx, RECORD_TOKEN, id); /* read as the caller's, then as a record */
	feed.changed(feed.ctx, RECORD_TOKEN, id);
	feed.missed(feed.ctx);
	assert_string_equal(news(), ""); /* it is in doubt */
	assert_int_equal(read_count, 2);
	answer_read(STORE_OK, &token); /* as before, but it is read again */
	assert_string_equal(news(), "");
	answer_read(STORE_UNAVAILABLE, NULL);
	assert_string_equal(news(), "");
	while (listened != NULL && read_count > 0)
		answer_read(STORE_ABSENT, NULL);
	assert_null(listened);
	assert_int_equal(status, 401);
	assert_string_equal(news(), "");
}

static void
all_end_with_the_gateway(void **state)
{
	(void)state;
	reader_of(NULL, NULL);
	listen_to(reader_of(id_of(1), NULL));
	events_free(control.events);
	control.events = NULL;
	assert_null(listened);
	assert_int_equal(status, 503);
	assert_non_null(strstr(last, "shutting down: read the events again"));
}

static bool
drains(void *ctx)
{
	(void)ctx;
	return true;
}

/* Workers end before the control process does, and would wait for readers of events. */
static void
all_end_when_the_gateway_is_told_to(void **state)
{
	(void)state;
	listen_to(reader_of(id_of(1), NULL));
	control_setup.drains = drains;
	tick();
	assert_null(listened);
	assert_int_equal(status, 503);
	assert_null(reader_of(NULL, NULL));
	control_setup.drains = NULL;
	assert_int_equal(status, 503);
	assert_non_null(strstr(last, "shutting down: read the events again"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(while_the_gateway_ends),
	    TEST(places_without_a_selector),
	    TEST(places_with_a_selector),
	    TEST(places_of_one_team),
	    TEST(places_of_one_token),
	    TEST(places_at_the_local_socket),
	    TEST(without_memory),
	    TEST(starts_when_changes_are_followed),
	    TEST(starts_without_the_store),
	    TEST(who_does_not_read_is_ended),
	    TEST(who_leaves_is_forgotten),
	    TEST(a_token_that_is_gone),
	    TEST(a_store_that_cannot_say),
	    TEST(a_token_that_changes_while_it_is_read),
	    TEST(all_end_with_the_gateway),
	    TEST(all_end_when_the_gateway_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
