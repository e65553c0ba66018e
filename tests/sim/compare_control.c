/* compare_control.c - the scripts by which the control process creates and changes records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/redis/cascade_script.h"
#include "auth/redis/limit_script.h"
#include "auth/redis/register_script.h"
#include "auth/redis/store_scripts.h"
#include "auth/redis/token_script.h"
#include "auth/redis/uses_script.h"
#include "compare_state.h"

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_KEY "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NAMES "expires_at from rate burst concurrency"

static const char *const tokens[] = {"t1", "t2", "t3", "t4"};
static const char *const jobs[] = {"a", "b", "a-80", "b-443"};
static const char *const marks[] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"};

#define DRAW(...)                                                        \
	compare_draw(&comparison->random, (const char *[]){__VA_ARGS__}, \
	    sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *))

/* A word in whose place comes what CALLER_SCRIPT takes, and a scope: none, or one of these. */
#define CALLER "(caller)"

static const char *const scopes[][5] = {
    {"0"}, {"0"}, {"1", "team", "1"}, {"2", "team", "1", "kind", "x"}};

static size_t
add_caller(struct comparison *comparison, const char **all, size_t count)
{
	static const char *const more[] = {"1", "2", "3", "4", "5"};
	const char *const *scope = scopes[random_below(&comparison->random, 4)];

	if (random_chance(&comparison->random, 500)) {
		all[2] = more[strtoul(all[2], NULL, 10)];
		all[count++] = DRAW("token:t1", "token:t2", "token:none");
		all[count++] = DRAW("aa", "bb");
	} else {
		all[count++] = "";
	}
	for (size_t i = 0; i < 5 && scope[i] != NULL; i++)
		all[count++] = scope[i];
	return count;
}

/* On a replica and on a full server only what refuses is the same, not its details. */
static void
run(struct comparison *comparison, unsigned which, const char *const *words)
{
	const char *all[REDIS_WORDS_MAX + 1];
	size_t count = 0;

	for (; *words != NULL; words++) {
		if (strcmp(*words, CALLER) != 0)
			all[count++] = *words;
		else
			count = add_caller(comparison, all, count);
	}
	all[count] = NULL;
	compare_before(comparison, which, all, " script: ");
}

/* ---- tokens ---- */

static void
set_token(struct comparison *comparison, unsigned which, const char *record, const char *id)
{
	compare(comparison, which,
	    (const char *[]){"HSET", record, "role", DRAW("read", "read needs rate"), "version",
		DRAW("1", "2"), "selector", DRAW("", "team=1", "team=2", "kind=x,team=1"), "hash",
		DRAW("aa", "bb", "AA"), NULL});
	compare(comparison, which, (const char *[]){"ZADD", "used", DRAW("-5", "-6"), id, NULL});
}

static void
step_tokens(struct comparison *comparison, unsigned which, unsigned plain)
{
	const char *id = compare_draw(&comparison->random, tokens, 4);
	char record[16], set[16];

	snprintf(record, sizeof(record), "token:%s", id);
	snprintf(set, sizeof(set), "made:%s", compare_draw(&comparison->random, tokens, 4));
	switch (random_below(&comparison->random, 9)) {
	case 0:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_delete_token, "2", record, "tokens", CALLER, id,
			DRAW("0", "1"), "quota:", "made:", "used", "token:", NULL});
		return;
	case 1:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_renew, "4", record, "mint", "enforced", "used",
			CALLER, DRAW("1", "2"), "3", DRAW("", KEY, OTHER_KEY), DRAW("=", NAMES),
			"2", "previous_hash", "rate", "hash", DRAW("aa", "bb"), "version", "3",
			NULL});
		return;
	case 2:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_limit, "1", record, CALLER, DRAW("1", "2"),
			NAMES, "used", "1", DRAW("rate", "from"), DRAW("rate", "burst"), "7",
			"from", "::", NULL});
		return;
	case 3:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_create_token, "5", record, "tokens", "mint",
			"enforced", DRAW("token:t1", "token:t2", "token:none"),
			DRAW("", "aa", "bb"), DRAW("0", "1", "2"), "quota:", "token:",
			DRAW("", set), id, DRAW("5", "7"), DRAW("", KEY, OTHER_KEY), "1", "name",
			"n", "role", "read", "selector", DRAW("team=1", "kind=x,team=1"), NULL});
		return;
	case 4:
		run(comparison, plain,
		    (const char *[]){"EVAL_RO", script_get, "1", record, id, "used", NULL});
		return;
	case 5:
		run(comparison, plain,
		    (const char *[]){"EVAL_RO", script_know, "2", "mint", "enforced", NULL});
		return;
	case 6:
		compare(comparison, which, (const char *[]){"DEL", "mint", "enforced", NULL});
		return;
	default:
		set_token(comparison, which, record, id);
	}
}

/* ---- jobs ---- */

static void
patch(struct comparison *comparison, unsigned plain, const char *record)
{
	run(comparison, plain,
	    (const char *[]){"EVAL", script_patch, "2", record, "jobs", CALLER, DRAW("0", "0", "1"),
		DRAW("then", "now"), DRAW("2", "1"), DRAW("0", "1"), DRAW("2", "1"), DRAW("0", "1"),
		DRAW("0", "-1", "9"), "2", DRAW("url", "access", "port:80"), DRAW("1", "public"),
		DRAW("label:y", "port:443", "port:99"), DRAW("1", "2"),
		DRAW("label:team", "port:80"), NULL});
}

static void
step_jobs(struct comparison *comparison, unsigned which, unsigned plain)
{
	const char *id = compare_draw(&comparison->random, jobs, 4);
	char record[16];

	snprintf(record, sizeof(record), "job:%s", id);
	switch (random_below(&comparison->random, 8)) {
	case 0:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_delete_job, "2", record, "jobs", CALLER, id,
			DRAW("0", "1"), "quota:", "", "used", "token:", NULL});
		return;
	case 1:
	case 2:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_create, "3", record, "jobs",
			DRAW("token:t1", "token:t2", "token:none"), DRAW("", "aa", "bb"),
			DRAW("0", "1", "2"), "jobquota:", "job:", "", id, DRAW("1", "2"),
			DRAW("0", "30"), "url", "u", DRAW("label:team", "port:80", "port:443"),
			DRAW("x", "1"), "access", DRAW("public", "no"), "lease", DRAW("30", "no"),
			NULL});
		return;
	case 3:
		patch(comparison, plain, record);
		return;
	case 4:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_renew_job, "1", record, CALLER, NULL});
		return;
	case 5:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_register, "2", record, "jobs",
			compare_draw(&comparison->random, marks, 2), id, "1", "30", "url", "u",
			DRAW("label:team", "port:80"), "x", "created_at", DRAW("then", "now"),
			"lease", "30", NULL});
		return;
	case 6:
		run(comparison, plain,
		    (const char *[]){"EVAL", script_unregister, "2", record, "jobs",
			compare_draw(&comparison->random, marks, 2), id, NULL});
		return;
	default:
		compare(comparison, which, (const char *[]){"HGETALL", record, NULL});
		compare(comparison, which, (const char *[]){"PTTL", record, NULL});
		compare(comparison, which, (const char *[]){"SCARD", "public", NULL});
		compare(comparison, which,
		    (const char *[]){
			"SCARD", DRAW("jobquota:team=1", "quota:team=1", "quota:team=2"), NULL});
		snprintf(record, sizeof(record), "job:%s", id);
		compare(comparison, which,
		    (const char *[]){"ZADD", "used", DRAW("-5", "-6"), record, NULL});
	}
}

/* ---- pages of an index ---- */

static void
read_page(struct comparison *comparison, unsigned plain)
{
	bool of_jobs = random_chance(&comparison->random, 500);
	const char *id = compare_draw(&comparison->random, of_jobs ? jobs : tokens, 4);

	if (random_chance(&comparison->random, 300))
		id = "";
	run(comparison, plain,
	    (const char *[]){"EVAL", script_page, "1", of_jobs ? "jobs" : "tokens",
		of_jobs ? "job:" : "token:", DRAW("1", "2", "5", "7"), id, DRAW("1", "2", "9"),
		DRAW("0", "1"), "used", of_jobs ? "job:" : "", NULL});
}

/* With two uses, it looks at all members. Minutes are before 1970: the clocks of the two differ. */
static void
write_uses(struct comparison *comparison, unsigned plain)
{
	run(comparison, plain,
	    (const char *[]){"EVAL", script_uses, "1", "used", "", DRAW("t1", "t2", "t3", "t4"),
		DRAW("-4", "-5", "-6", "-7"), DRAW("job:a", "job:b", "job:a-80"),
		DRAW("-5", "-6", "-9"), NULL});
}

void
compare_scripts(struct comparison *comparison, unsigned which, unsigned plain)
{
	if (random_chance(&comparison->random, 150))
		read_page(comparison, plain);
	else if (random_chance(&comparison->random, 50))
		write_uses(comparison, plain);
	else if (random_chance(&comparison->random, 500))
		step_tokens(comparison, which, plain);
	else
		step_jobs(comparison, which, plain);
}
