/* redis_scripts_uses.c - the script that writes when tokens and jobs were last used, as C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobgate/record_use.h"
#include "redis_script.h"

#define LOOKS 4 /* USES_LOOKS */
#define MEMBERS_MAX 256

static int64_t
minute_now(void)
{
	return (int64_t)(redis_now_ms() / RECORD_USE_MS);
}

static bool
has_record(struct call *call, const char *prefix, const char *member)
{
	bool of_job = strncmp(member, RECORD_USE_JOB, strlen(RECORD_USE_JOB)) == 0;

	return script_exists(call, script_join(prefix, of_job ? "" : "token:", member).at);
}

static void
write_use(struct call *call, const char *set, const char *member, int64_t minute)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)minute);
	DO(call, "ZADD", set, text, member);
}

/* ZRANDMEMBER: up to so many of the set. */
static size_t
draw_members(struct call *call, const char *set, struct text *out, size_t count)
{
	const struct redis_key *key = redis_find(call->redis, set);
	size_t left = key != NULL ? key->field_count : 0, drawn = 0;
	const struct redis_field *field;

	if (count > MEMBERS_MAX)
		abort();
	if (key == NULL)
		return 0;
	TAILQ_FOREACH(field, &key->fields, link)
	{
		if (left <= count - drawn ||
		    random_below(&call->redis->random, left) < count - drawn)
			out[drawn++] = script_join(field->name, "", "");
		left--;
	}
	return drawn;
}

void
script_uses_run(struct call *call)
{
	static struct text members[MEMBERS_MAX];
	const char *set = call->words[3], *prefix = call->words[4];
	int64_t now = minute_now();
	struct text score;
	size_t count;

	for (size_t i = 5; i + 1 < call->count; i += 2) {
		int64_t minute = strtoll(call->words[i + 1], NULL, 10);

		if (minute > now)
			minute = now;
		if (!has_record(call, prefix, call->words[i]))
			continue;
		/* GT: a later use stays, and a replica refuses that, too */
		if (script_score(call, set, call->words[i], &score) &&
		    strtoll(score.at, NULL, 10) > minute)
			minute = strtoll(score.at, NULL, 10);
		write_use(call, set, call->words[i], minute);
		if (call->error != NULL) { /* the script returns it, as text but for READONLY */
			if (strncmp(call->error, "-READONLY", 9) == 0)
				bytes_print(&call->client->out, "%s\r\n", call->error);
			else
				redis_reply_text(call, call->error + 1);
			call->error = NULL;
			return;
		}
	}
	count = draw_members(call, set, members, LOOKS + call->count - 4);
	for (size_t i = 0; i < count; i++) {
		script_score(call, set, members[i].at, &score);
		if (!has_record(call, prefix, members[i].at))
			DO(call, "ZREM", set, members[i].at);
		else if (strtoll(score.at, NULL, 10) > now)
			write_use(call, set, members[i].at, now);
	}
	call->error = NULL; /* of pcall */
	redis_reply_number(call, 1);
}
