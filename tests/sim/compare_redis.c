/* compare_redis.c - each command goes to both servers; both must say the same. */
#include "compare_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "auth/redis/record_script.h"
#include "auth/redis/reply_scan.h"
#include "redis.h"

#define CONNECTIONS 4
#define PUSHED 0 /* the connection that is told; the others track */

/* One connection to each. */
struct pair {
	int fd;
	struct end *end;
	int64_t ids[2];
};

struct comparison {
	struct host client_host, server_host;
	struct redis redis;
	struct random random;
	struct pair pairs[CONNECTIONS];
	unsigned commands, differences;
};

/* ---- one server or the other ---- */

/* Bytes of one of the two; waits until some come. */
static size_t
receive(struct pair *pair, bool real, char *into, size_t cap)
{
	struct iovec piece = {into, cap};
	ssize_t n;

	if (real) {
		n = read(pair->fd, into, cap);
	} else {
		while ((n = end_receive(pair->end, &piece, 1, false)) < 0)
			if (!schedule_step(UINT64_MAX))
				break;
	}
	if (n > 0)
		return (size_t)n;
	fprintf(stderr, "sim: the %s does not answer\n", real ? "redis-server" : "model");
	exit(2);
}

/* One whole reply, or push. What comes behind it waits in rest. */
static void
read_reply(struct pair *pair, bool real, struct bytes *rest, struct bytes *reply)
{
	struct reply_scan scan = {0};
	enum reply_scan_state state = REPLY_UNFINISHED;
	char bytes[4096];

	reply->len = reply->from = 0;
	while (state == REPLY_UNFINISHED) {
		size_t taken;

		if (rest->len == 0)
			bytes_append(rest, bytes, receive(pair, real, bytes, sizeof(bytes)));
		taken = reply_scan(&scan, bytes_first(rest), rest->len, &state);
		bytes_append(reply, bytes_first(rest), taken);
		bytes_drop(rest, taken);
	}
	bytes_append(reply, "", 1);
}

static void
format(struct bytes *out, const char *const *words)
{
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	bytes_print(out, "*%zu\r\n", count);
	for (size_t i = 0; i < count; i++) {
		bytes_print(out, "$%zu\r\n", strlen(words[i]));
		bytes_append(out, words[i], strlen(words[i]));
		bytes_append(out, "\r\n", 2);
	}
}

static void
transmit(struct pair *pair, bool real, const char *const *words)
{
	struct bytes text = {0};
	struct iovec piece;

	format(&text, words);
	piece = (struct iovec){(char *)bytes_first(&text), text.len};
	if (real ? write(pair->fd, piece.iov_base, text.len) != (ssize_t)text.len
		 : end_send(pair->end, &piece, 1, NULL) != (long)text.len)
		abort();
	bytes_free(&text);
}

/* ---- comparing ---- */

static void
differ(struct comparison *comparison, const char *const *words, const char *real, const char *model)
{
	comparison->differences++;
	printf("DIFFERS:");
	for (; *words != NULL; words++)
		printf(" %.40s", *words);
	printf("\n  redis-server: %s\n  model:        %s\n", real, model);
}

/* A number may differ by the time that passes for real. */
static bool
is_same(const char *real, const char *model)
{
	if (real[0] == ':' && atoll(real + 1) > 1000 && atoll(model + 1) > 1000)
		return llabs(atoll(real + 1) - atoll(model + 1)) < 60000;
	return strcmp(real, model) == 0;
}

/* All that is pushed up to now: PONG comes behind it. */
static void
read_pushes(struct comparison *comparison, bool real, struct bytes *out)
{
	struct pair *pair = &comparison->pairs[PUSHED];
	struct bytes rest = {0}, reply = {0};

	out->len = out->from = 0;
	transmit(pair, real, (const char *[]){"PING", NULL});
	do {
		read_reply(pair, real, &rest, &reply);
		bytes_append(out, bytes_first(&reply), reply.len - 1);
	} while (strcasestr(bytes_first(&reply), "pong") == NULL);
	bytes_append(out, "", 1);
	bytes_free(&rest);
	bytes_free(&reply);
}

static void
compare(struct comparison *comparison, unsigned which, const char *const *words)
{
	struct pair *pair = &comparison->pairs[which];
	struct bytes replies[2] = {{0}, {0}}, rest = {0};

	for (int real = 0; real < 2; real++) {
		transmit(pair, real, words);
		read_reply(pair, real, &rest, &replies[real]);
	}
	if (!is_same(bytes_first(&replies[1]), bytes_first(&replies[0])))
		differ(comparison, words, bytes_first(&replies[1]), bytes_first(&replies[0]));
	for (int real = 0; real < 2; real++)
		read_pushes(comparison, real, &replies[real]);
	if (strcmp(bytes_first(&replies[0]), bytes_first(&replies[1])) != 0)
		differ(comparison, words, bytes_first(&replies[1]), bytes_first(&replies[0]));
	bytes_free(&replies[0]);
	bytes_free(&replies[1]);
	bytes_free(&rest);
}

/* ---- commands ---- */

static const char *
draw(struct random *random, const char *const *words, size_t count)
{
	return words[random_below(random, count)];
}

/* A key is left to end, on both clocks. */
static void
let_end(struct comparison *comparison, unsigned which, const char *key)
{
	const struct timespec nap = {0, 3 * NS_PER_MS};
	uint64_t until_ns;

	compare(comparison, which, (const char *[]){"PEXPIRE", key, "1", NULL});
	nanosleep(&nap, NULL);
	until_ns = schedule_now_ns() + 3 * NS_PER_MS;
	while (schedule_step(until_ns))
		;
	schedule_pass(until_ns);
	compare(comparison, which, (const char *[]){"EXISTS", key, NULL});
}

static void
step(struct comparison *comparison)
{
	static const char *const keys[] = {"a", "b", "c", "d"};
	static const char *const fields[] = {"url", "label:team", "x"};
	static const char *const values[] = {"", "1", "some text"};
	static const char *const times[] = {"100000", "500000", "0", "-5"};
	struct random *random = &comparison->random;
	unsigned which = (unsigned)random_between(random, 1, CONNECTIONS - 1);
	const char *key = draw(random, keys, 4), *other = draw(random, keys, 4);
	const char *field = draw(random, fields, 3), *value = draw(random, values, 3);
	const char *const commands[][8] = {
	    {"GET", key},
	    {"MGET", key, other},
	    {"EXISTS", key, other},
	    {"HGETALL", key},
	    {"HGETALL", key},
	    {"PTTL", key},
	    {"EVAL_RO", RECORD_SCRIPT_GET, "1", key},
	    {"SET", key, value},
	    {"HSET", key, field, value},
	    {"HSET", key, "url", value, "x", value},
	    {"HDEL", key, field},
	    {"DEL", key, other},
	    {"PEXPIRE", key, draw(random, times, 4)},
	    {"PERSIST", key},
	    {"PING"},
	    {"ROLE"},
	};
	const size_t count = sizeof(commands) / sizeof(commands[0]);
	size_t choice = (size_t)random_below(random, count + 1);

	if (choice < count)
		compare(comparison, which, commands[choice]);
	else if (random_chance(random, 300))
		compare(comparison, which, (const char *[]){"FLUSHALL", NULL});
	else
		let_end(comparison, which, key);
}

/* ---- beginning ---- */

static int64_t
ask_id(struct pair *pair, bool real)
{
	struct bytes rest = {0}, reply = {0};
	int64_t id;

	transmit(pair, real, (const char *[]){"CLIENT", "ID", NULL});
	read_reply(pair, real, &rest, &reply);
	id = strtoll(bytes_first(&reply) + 1, NULL, 10);
	bytes_free(&reply);
	bytes_free(&rest);
	return id;
}

/* Each side has its own number for the connection that is told. */
static void
track(struct comparison *comparison, unsigned which)
{
	for (int real = 0; real < 2; real++) {
		struct bytes rest = {0}, reply = {0};
		char id[24];

		snprintf(id, sizeof(id), "%lld", (long long)comparison->pairs[PUSHED].ids[real]);
		transmit(&comparison->pairs[which], real,
		    (const char *[]){"CLIENT", "TRACKING", "ON", "REDIRECT", id, NULL});
		read_reply(&comparison->pairs[which], real, &rest, &reply);
		if (strcmp(bytes_first(&reply), "+OK\r\n") != 0)
			comparison->differences++;
		bytes_free(&reply);
		bytes_free(&rest);
	}
}

static int
connect_real(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static void
open_all(struct comparison *comparison, const char *path)
{
	const struct place place = {0x0a000300u, 6379};

	host_init(&comparison->client_host, "client", 0, 0x0a010000u, 1);
	host_init(&comparison->server_host, "redis", 0, place.address, 1);
	comparison->redis.host = &comparison->server_host;
	redis_start(&comparison->redis, place.port);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct pair *pair = &comparison->pairs[i];

		pair->fd = connect_real(path);
		pair->end = end_connect(&comparison->client_host, place);
		while (pair->end->state == END_CONNECTING && schedule_step(UINT64_MAX))
			;
		for (int real = 0; real < 2; real++)
			pair->ids[real] = ask_id(pair, real);
	}
	compare(comparison, 1, (const char *[]){"FLUSHALL", NULL});
}

int
compare_redis(const char *path, uint64_t seed, unsigned commands)
{
	static struct comparison comparison;

	random_init(&comparison.random, seed, "compare", 0);
	random_init(&comparison.redis.random, seed, "redis", 0);
	open_all(&comparison, path);
	compare(&comparison, PUSHED, (const char *[]){"SUBSCRIBE", "__redis__:invalidate", NULL});
	for (unsigned i = 1; i < CONNECTIONS; i++)
		track(&comparison, i);
	for (unsigned i = 0; i < commands; i++)
		step(&comparison);
	printf("%u random commands (seed %llu), %u differences from redis-server\n", commands,
	    (unsigned long long)seed, comparison.differences);
	return comparison.differences > 0;
}
