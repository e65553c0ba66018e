/* compare_family.c - tokens that have created others, and the scripts that delete them. */
#include <stdio.h>

#include "auth/redis/cascade_script.h"
#include "auth/redis/revoke_script.h"
#include "compare_state.h"

static const char *const family[] = {"t1", "t2", "t3", "t4"};

/* One of them is made, or made again, by another one or by none. */
static void
make_one(struct comparison *comparison, unsigned which)
{
	struct random *random = &comparison->random;
	size_t i = (size_t)random_below(random, 4), maker = (size_t)random_below(random, i + 1);
	char record[16], set[16];

	snprintf(record, sizeof(record), "token:%s", family[i]);
	snprintf(set, sizeof(set), "made:%s", family[maker]);
	compare(comparison, which,
	    (const char *[]){"HSET", record, "hash",
		compare_draw(random, (const char *[]){"aa", "bb"}, 2), "selector",
		compare_draw(random, (const char *[]){"", "team=1", "team=2"}, 3),
		maker < i ? "created_by" : "x", family[maker], NULL});
	if (maker < i)
		compare(comparison, which, (const char *[]){"SADD", set, family[i], NULL});
	compare(comparison, which, (const char *[]){"ZADD", "tokens", "1", family[i], NULL});
}

static void
run_script(struct comparison *comparison, const char *text, const char *const *first)
{
	const char *id = compare_draw(&comparison->random, family, 4);
	const char *writes = compare_draw(&comparison->random, (const char *[]){"0", "1"}, 2);
	char record[16];
	const char *words[16] = {"EVAL", text, "2", record, "tokens"};
	const char *const rest[] = {id, writes, "quota:", "made:", "used", "token:"};
	size_t count = 5;

	snprintf(record, sizeof(record), "token:%s", id);
	while (*first != NULL)
		words[count++] = *first++;
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		words[count++] = rest[i];
	compare(comparison, PLAIN, words);
}

/* What there is of all of them. */
static void
look_at_all(struct comparison *comparison, unsigned which)
{
	char name[24];

	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "token:%s", family[i]);
		compare(comparison, which, (const char *[]){"HGETALL", name, NULL});
		snprintf(name, sizeof(name), "made:%s", family[i]);
		compare(comparison, which, (const char *[]){"SCARD", name, NULL});
		snprintf(name, sizeof(name), "made:%s:of", family[i]);
		compare(comparison, which, (const char *[]){"HGETALL", name, NULL});
	}
}

void
compare_family(struct comparison *comparison, unsigned which)
{
	switch (random_below(&comparison->random, 8)) {
	case 0:
		comparison->unordered = true;
		run_script(comparison, script_cascade,
		    random_chance(&comparison->random, 500)
			? (const char *[]){"", "0", NULL}
			: (const char *[]){"", "1", "team", "1", NULL});
		comparison->unordered = false;
		break;
	case 1:
		run_script(comparison, script_revoke,
		    (const char *[]){
			compare_draw(&comparison->random, (const char *[]){"aa", "bb"}, 2), NULL});
		break;
	case 2:
		look_at_all(comparison, which);
		break;
	default:
		make_one(comparison, which);
	}
}
