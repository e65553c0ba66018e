/* compare_replica.c - compares a real primary and its real replica with those of the model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compare_state.h"

/* The replica has what the primary has after this many milliseconds, or the comparison ends. */
#define CAUGHT_UP_MAX 30000

static bool
read_number(const struct bytes *reply, const char *name, long long *out)
{
	const char *at = strstr(bytes_first(reply), name);

	if (at != NULL)
		*out = strtoll(at + strlen(name), NULL, 10);
	return at != NULL;
}

/* Until the real replica has all that the real primary has. */
static bool
real_is_equal(struct comparison *comparison)
{
	static const char *const info[] = {"INFO", "replication", NULL};
	struct bytes primary = {0}, replica = {0};
	long long has = -1, all = -2;
	bool equal;

	compare_ask(&comparison->pairs[FIRST], true, info, &primary);
	compare_ask(&comparison->pairs[REPLICA_PLAIN], true, info, &replica);
	equal = read_number(&primary, "master_repl_offset:", &all) &&
		read_number(&replica, "slave_repl_offset:", &has) && has == all &&
		strstr(bytes_first(&replica), "master_link_status:up") != NULL;
	bytes_free(&primary);
	bytes_free(&replica);
	return equal;
}

static void
catch_up(struct comparison *comparison)
{
	const struct timespec nap = {0, 1000000};

	redis_catch_up(&comparison->replica);
	for (unsigned i = 0; i < CAUGHT_UP_MAX; i++) {
		if (real_is_equal(comparison))
			return;
		nanosleep(&nap, NULL);
	}
	fprintf(stderr, "sim: the replica of redis-server does not catch up\n");
	exit(2);
}

static void
ask_role(struct comparison *comparison)
{
	/* Addresses, their lengths and offsets differ. */
	compare_before(comparison, REPLICA, (const char *[]){"ROLE", NULL},
	    comparison->replica.link.primary != NULL ? "slave\r\n" : "\r\n:");
	compare_before(comparison, FIRST, (const char *[]){"ROLE", NULL}, "\r\n:");
}

/* A key has ended, but its primary has not deleted it yet, perhaps. */
static void
read_ended(struct comparison *comparison, const char *key)
{
	const struct timespec nap = {0, 3000000};
	uint64_t until_ns;

	compare(comparison, FIRST, (const char *[]){"PEXPIRE", key, "1", NULL});
	catch_up(comparison);
	nanosleep(&nap, NULL);
	until_ns = schedule_now_ns() + 3 * NS_PER_MS;
	while (schedule_step(until_ns))
		;
	schedule_pass(until_ns);
	for (int real = 0; real < 2; real++) {
		struct bytes reply = {0};

		compare_ask(&comparison->pairs[REPLICA_PLAIN], real,
		    (const char *[]){"EXISTS", key, NULL}, &reply);
		comparison->differences += strcmp(bytes_first(&reply), ":0\r\n") != 0;
		bytes_free(&reply);
	}
	compare(comparison, FIRST, (const char *[]){"EXISTS", key, NULL});
	catch_up(comparison);
}

/* The replica is promoted, changed, and made a replica again, which drops all that it had. */
static void
promote(struct comparison *comparison, const char *key)
{
	struct bytes reply = {0};
	char port[8] = "";

	compare_ask(&comparison->pairs[FIRST], true,
	    (const char *[]){"CONFIG", "GET", "port", NULL}, &reply);
	sscanf(bytes_first(&reply), "*2 $4 port $%*u %7s", port);
	compare_ask(&comparison->pairs[REPLICA_PLAIN], true,
	    (const char *[]){"REPLICAOF", "NO", "ONE", NULL}, &reply);
	redis_promote(&comparison->replica);
	ask_role(comparison);
	compare(comparison, REPLICA, (const char *[]){"DEL", key, NULL});
	compare(comparison, REPLICA, (const char *[]){"HGETALL", key, NULL});
	compare(comparison, REPLICA, (const char *[]){"HSET", key, "lost", "1", NULL});
	compare(comparison, REPLICA, (const char *[]){"GET", key, NULL});
	compare_ask(&comparison->pairs[REPLICA_PLAIN], true,
	    (const char *[]){"REPLICAOF", "127.0.0.1", port, NULL}, &reply);
	redis_follow(&comparison->replica, &comparison->redis);
	bytes_free(&reply);
	catch_up(comparison);
	ask_role(comparison);
}

static void
step(struct comparison *comparison)
{
	static const char *const keys[] = {"a", "b", "c", "d"};
	struct random *random = &comparison->random;
	const char *key = keys[random_below(random, 4)], *other = keys[random_below(random, 4)];
	const char *const reads[][4] = {{"HGETALL", key}, {"EXISTS", key, other}, {"PTTL", key},
	    {"GET", key}, {"SET", key, "x"}, {"HSET", key, "x", "1"}, {"DEL", key}, {"PING"}};
	const size_t count = sizeof(reads) / sizeof(reads[0]);

	if (random_chance(random, 100)) {
		compare_scripts(comparison, REPLICA, REPLICA_PLAIN);
	} else if (random_chance(random, 100)) {
		const char *wait = random_chance(random, 500) ? "1" : "2";

		catch_up(comparison);
		compare(comparison, PLAIN, (const char *[]){"WAIT", wait, "3", NULL});
		compare(comparison, REPLICA_PLAIN, (const char *[]){"WAIT", "0", "3", NULL});
	} else if (random_chance(random, 500)) {
		const char *words[5] = {NULL};

		memcpy(words, reads[random_below(random, count)], sizeof(reads[0]));
		compare(comparison, REPLICA, words);
	} else {
		compare_step(comparison);
		catch_up(comparison);
		compare(comparison, REPLICA, (const char *[]){"PING", NULL});
	}
	if (random_chance(random, 20))
		read_ended(comparison, key);
	if (random_chance(random, 10))
		ask_role(comparison);
	if (random_chance(random, 5))
		promote(comparison, key);
}

void
compare_replica(struct comparison *comparison, const char *path, unsigned commands)
{
	const struct place place = {0x0a000301u, 6379};

	host_init(&comparison->replica_host, "redis", 1, place.address, 1);
	comparison->replica.host = &comparison->replica_host;
	random_init(&comparison->replica.random, 1, "redis", 1);
	redis_start(&comparison->replica, place.port);
	redis_follow(&comparison->replica, &comparison->redis);
	for (unsigned i = REPLICA_PUSHED; i <= REPLICA_PLAIN; i++)
		compare_connect(comparison, i, path, place);
	catch_up(comparison);
	compare_track(comparison, REPLICA, REPLICA_PUSHED);
	for (unsigned i = 0; i < commands; i++)
		step(comparison);
}
