/* election_cluster_test.c - which master of a cluster is elected, and replies to CLUSTER SLOTS. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/redis/cluster_slot.h"
#include "auth/redis/election_state.h"

struct world {
	struct event_base *base;
	struct redis_election *election;
};

static void
world_open(struct world *world, bool for_changes)
{
	struct redis_url url;
	char error[128];

	assert_true(redis_url_parse("redis+cluster://10.0.0.1", &url, error, sizeof(error)));
	world->base = event_base_new();
	world->election = redis_election_new(&(struct redis_election_options){
	    .base = world->base, .url = &url, .prefix = "{jobgate}:", .for_changes = for_changes});
	assert_non_null(world->election);
}

static void
world_close(struct world *world)
{
	redis_election_free(world->election);
	event_base_free(world->base);
}

/* Read this reply as that of a voter. */
static const char *
hear(struct voter *voter, const char *wire, size_t len)
{
	static char trouble[256];
	redisReader *reader = redisReaderCreate();
	const char *why;
	void *reply = NULL;

	assert_int_equal(redisReaderFeed(reader, wire, len), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	why = cluster_read_slots(voter, reply);
	snprintf(trouble, sizeof(trouble), "%s", why != NULL ? why : "");
	voter->voted = why == NULL;
	freeReplyObject(reply);
	redisReaderFree(reader);
	return why != NULL ? trouble : NULL;
}

/*
 * What a node says of three masters at 10.0.0.1 to 10.0.0.3 and beyond: the store's slot is
 * the one's at `owner`; masters that are left out have no slots.
 */
static size_t
table(char *out, size_t cap, unsigned owner, const unsigned *masters, unsigned count)
{
	size_t len = (size_t)snprintf(out, cap, "*%u\r\n", count);

	for (unsigned i = 0; i < count; i++) {
		char host[32];
		int host_len = snprintf(host, sizeof(host), "10.0.0.%u", masters[i]);

		len += (size_t)snprintf(out + len, cap - len,
		    "*3\r\n:%u\r\n:%u\r\n*4\r\n$%d\r\n%s\r\n:6379\r\n$40\r\n%040u\r\n*0\r\n",
		    masters[i] == owner ? 0 : 16000 + i, masters[i] == owner ? 15999 : 16000 + i,
		    host_len, host, masters[i]);
	}
	return len;
}

static struct voter *
voter_at(struct world *world, unsigned number)
{
	struct redis_place place = {.port = 6379};

	snprintf(place.host, sizeof(place.host), "10.0.0.%u", number);
	for (unsigned i = 0; i < world->election->voter_count; i++)
		if (world->election->voters[i].used &&
		    redis_same_place(&world->election->voters[i].place, &place))
			return &world->election->voters[i];
	return NULL;
}

static void
says(struct world *world, unsigned number, unsigned owner, const unsigned *masters, unsigned count)
{
	char wire[4096];
	size_t len = table(wire, sizeof(wire), owner, masters, count);

	assert_non_null(voter_at(world, number));
	assert_null(hear(voter_at(world, number), wire, len));
	snprintf(voter_at(world, number)->said, CLUSTER_ID_LEN + 1, "%040u", number);
}

static void
assert_elected(struct world *world, unsigned number)
{
	struct redis_url primary = {0};
	char host[32], id[CLUSTER_ID_LEN + 1];

	snprintf(host, sizeof(host), "10.0.0.%u", number);
	snprintf(id, sizeof(id), "%040u", number);
	assert_int_equal(
	    world->election->kind->elected(world->election, true, &primary), number != 0);
	if (number == 0)
		return;
	assert_string_equal(primary.host, host);
	assert_string_equal(primary.node_id, id);
	assert_int_equal(primary.port, 6379);
}

static bool
is_decided(const struct world *world)
{
	return world->election->kind->elected(world->election, false, NULL);
}

static const unsigned old[] = {1, 2, 3}, new[] = {4, 2, 3};

static void
the_slot_of_a_key(void **state)
{
	(void)state;
	/* From the specification of Redis Cluster: CRC16("123456789") is 0x31C3. */
	assert_int_equal(cluster_slot(SLICE("123456789")), 0x31c3 % CLUSTER_SLOTS);
	assert_int_equal(cluster_slot(SLICE("{user1000}.following")),
	    cluster_slot(SLICE("{user1000}.followers")));
	assert_int_equal(cluster_slot(SLICE("foo{{bar}}zap")), cluster_slot(SLICE("{bar")));
	assert_int_equal(cluster_slot(SLICE("foo{bar}{zap}")), cluster_slot(SLICE("bar")));
	assert_true(cluster_prefix_has_tag(SLICE("a{b}")));
	assert_false(cluster_prefix_has_tag(SLICE("foo{}{bar}")));
	assert_false(cluster_prefix_has_tag(SLICE("jobgate:")));
	assert_false(cluster_prefix_has_tag(SLICE("{jobgate:")));
}

static void
most_masters_and_the_owner_itself_must_agree(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, false);
	says(&world, 1, 1, old, 3);
	assert_elected(&world, 0);
	says(&world, 2, 1, old, 3);
	assert_elected(&world, 1);
	world_close(&world);

	world_open(&world, false);
	says(&world, 1, 2, old, 3); /* the owner has not answered */
	says(&world, 3, 2, old, 3);
	assert_elected(&world, 0);
	says(&world, 2, 2, old, 3);
	assert_elected(&world, 2);
	world_close(&world);
}

static void
one_that_is_cut_off_is_not_elected(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, false);
	says(&world, 1, 1, old, 3);
	says(&world, 2, 4, new, 3);
	says(&world, 3, 4, new, 3);
	assert_elected(&world, 0);
	says(&world, 4, 4, new, 3);
	assert_elected(&world, 4);
	world_close(&world);
}

/* The old owner and one master that has not heard of the new one, or the new one and the other. */
static void
changes_need_a_majority_that_all_others_share(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, true);
	says(&world, 1, 1, old, 3);
	says(&world, 2, 1, old, 3);
	assert_elected(&world, 0);
	says(&world, 3, 1, old, 3);
	assert_elected(&world, 1);
	says(&world, 3, 4, new, 3);
	says(&world, 4, 4, new, 3);
	assert_elected(&world, 0);
	says(&world, 2, 4, new, 3);
	assert_elected(&world, 4);
	world_close(&world);
}

static void
a_cluster_of_one(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, true);
	says(&world, 1, 1, old, 1);
	assert_false(is_decided(&world)); /* another server of the URL may know better */
	assert_elected(&world, 1);
	world_close(&world);
}

/* A replica took over, and the old master of a cluster of one has not heard of it. */
static void
two_that_own_the_slot_elect_none(void **state)
{
	static const unsigned other[] = {2};
	struct redis_place place = {"10.0.0.2", 6379};
	struct world world;

	(void)state;
	world_open(&world, false);
	assert_non_null(election_add(world.election, &place));
	says(&world, 1, 1, old, 1);
	says(&world, 2, 2, other, 1);
	assert_elected(&world, 0);
	world.election->kind->ended(world.election);
	assert_non_null(voter_at(&world, 2));
	world_close(&world);
}

static void
another_node_at_the_address_has_no_vote(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, false);
	says(&world, 1, 1, old, 3);
	says(&world, 2, 1, old, 3);
	says(&world, 3, 1, old, 3);
	assert_true(is_decided(&world));
	snprintf(voter_at(&world, 2)->said, CLUSTER_ID_LEN + 1, "%040u", 1U);
	snprintf(voter_at(&world, 3)->said, CLUSTER_ID_LEN + 1, "%040u", 1U);
	assert_elected(&world, 0);
	snprintf(voter_at(&world, 2)->said, CLUSTER_ID_LEN + 1, "%040u", 2U);
	assert_elected(&world, 1);
	snprintf(voter_at(&world, 1)->said, CLUSTER_ID_LEN + 1, "%040u", 2U);
	assert_elected(&world, 0);
	world_close(&world);
}

static void
masters_with_one_address_are_no_vote(void **state)
{
	static const char wire[] = "*2\r\n*3\r\n:0\r\n:8000\r\n*3\r\n$-1\r\n:6379\r\n$40\r\n"
				   "0123456789012345678901234567890123456789\r\n"
				   "*3\r\n:8001\r\n:16383\r\n*3\r\n$-1\r\n:6379\r\n$40\r\n"
				   "1123456789012345678901234567890123456789\r\n";
	struct world world;

	(void)state;
	world_open(&world, false);
	assert_string_equal(hear(voter_at(&world, 1), wire, sizeof(wire) - 1),
	    "two masters of the cluster announce the same address");
	world_close(&world);
}

static void
masters_that_are_gone_are_forgotten(void **state)
{
	struct world world;

	(void)state;
	world_open(&world, false);
	says(&world, 1, 2, old, 3);
	says(&world, 2, 2, old, 3);
	assert_elected(&world, 2);
	for (unsigned i = 5; i < 200; i++) {
		const unsigned next[] = {2, 1, i};

		says(&world, 2, 2, next, 3);
		says(&world, 1, 2, next, 3);
		world.election->kind->ended(world.election);
		assert_non_null(voter_at(&world, i));
	}
	assert_null(voter_at(&world, 3));
	assert_true(world.election->voter_count < 10);
	world_close(&world);
}

static void
a_node_without_an_endpoint_is_the_one_that_was_asked(void **state)
{
	static const char nil[] = "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$-1\r\n:7000\r\n$40\r\n"
				  "0123456789012345678901234567890123456789\r\n*0\r\n";
	struct world world;

	(void)state;
	world_open(&world, false);
	assert_null(hear(voter_at(&world, 1), nil, sizeof(nil) - 1));
	assert_int_equal(world.election->voter_count, 2); /* at another port */
	assert_string_equal(world.election->voters[1].place.host, "10.0.0.1");
	assert_int_equal(world.election->voters[1].place.port, 7000);
	world_close(&world);
}

static void
what_is_no_vote(void **state)
{
#define NODE "*4\r\n$8\r\n10.0.0.1\r\n:6379\r\n$40\r\n" ID "\r\n*0\r\n"
#define ID "0123456789012345678901234567890123456789"
	static const char *const replies[] = {"-ERR This instance has cluster support disabled\r\n",
	    "+OK\r\n", "*0\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:16383\r\n",
	    "*1\r\n*3\r\n+a\r\n:16383\r\n" NODE, "*1\r\n*3\r\n:0\r\n:5\r\n" NODE, /* another slot */
	    "*1\r\n*3\r\n:0\r\n:16383\r\n:1\r\n",
	    "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:1\r\n",
	    "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\n?\r\n:1\r\n$40\r\n" ID "\r\n",
	    "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\na\r\n:0\r\n$40\r\n" ID "\r\n",
	    "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\na\r\n:65536\r\n$40\r\n" ID "\r\n",
	    "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\n01\r\n",
	    "*1\r\n*3\r\n:-1\r\n:16383\r\n" NODE,
	    "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\na\r\n:1\r\n$40\r\n"
	    "g123456789012345678901234567890123456789\r\n"};
	struct world world;

	(void)state;
	world_open(&world, false);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		assert_non_null(hear(voter_at(&world, 1), replies[i], strlen(replies[i])));
		assert_elected(&world, 0);
	}
	world_close(&world);
}

static void
too_many_masters_are_refused(void **state)
{
	unsigned masters[80];
	char wire[16384];
	struct world world;
	size_t len;

	(void)state;
	for (unsigned i = 0; i < 80; i++)
		masters[i] = i + 10 < 100 ? i + 10 : 0;
	world_open(&world, false);
	len = (size_t)snprintf(wire, sizeof(wire), "*80\r\n");
	for (unsigned i = 0; i < 80; i++)
		len += (size_t)snprintf(wire + len, sizeof(wire) - len,
		    "*3\r\n:%u\r\n:%u\r\n*3\r\n$9\r\n10.0.0.%u\r\n:6379\r\n$40\r\n%040u\r\n", i, i,
		    masters[i], masters[i]);
	assert_string_equal(
	    hear(voter_at(&world, 1), wire, len), "the cluster has too many masters (at most 57)");
	world_close(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_slot_of_a_key),
	    cmocka_unit_test(most_masters_and_the_owner_itself_must_agree),
	    cmocka_unit_test(one_that_is_cut_off_is_not_elected),
	    cmocka_unit_test(changes_need_a_majority_that_all_others_share),
	    cmocka_unit_test(a_cluster_of_one),
	    cmocka_unit_test(two_that_own_the_slot_elect_none),
	    cmocka_unit_test(another_node_at_the_address_has_no_vote),
	    cmocka_unit_test(masters_with_one_address_are_no_vote),
	    cmocka_unit_test(masters_that_are_gone_are_forgotten),
	    cmocka_unit_test(a_node_without_an_endpoint_is_the_one_that_was_asked),
	    cmocka_unit_test(what_is_no_vote),
	    cmocka_unit_test(too_many_masters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
