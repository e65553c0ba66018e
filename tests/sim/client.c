/* client.c - connections of a client, and the answers that come on them. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_state.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

struct sim_exchange *
client_first_exchange(const struct client *client)
{
	return exchanges_get(&client->world->exchanges, client->waiting[0]);
}

/* ---- endings ---- */

static void
rest(struct client *client)
{
	uint64_t think_ns = client->world->scenario.think_ns;

	client->state = CLIENT_RESTING;
	alarm_set(&client->act, schedule_now_ns() + random_below(&client->random, 2 * think_ns));
}

/* The first of those that wait has come to this. */
static void
conclude(struct client *client, enum result result)
{
	struct sim_exchange *exchange = client_first_exchange(client);
	uint32_t mark = client->waiting[0];

	exchange->result = result;
	exchange->received = client->marked ? client->message.length : 0;
	/* Any connection that was used before may close just when the next request sets out. */
	if (result == RESULT_LOST && client->reused && exchange->plan.desertion == STAYS)
		exchange->plan.desertion = LOST_ITS_CONNECTION;
	client->waiting_count--;
	for (unsigned i = 0; i < client->waiting_count; i++)
		client->waiting[i] = client->waiting[i + 1];
	judge_result(client->world, mark);
}

/* Without the connection; what waits comes to nothing. */
void
client_leave(struct client *client, bool reset, enum result result)
{
	if (reset)
		client->end->linger_none = true;
	end_close(client->end);
	client->end = NULL;
	bytes_drop(&client->out, client->out.len);
	while (client->waiting_count > 0)
		conclude(client, result);
	rest(client);
}

void
client_violation(struct client *client, const char *what)
{
	judge_violation(client->world, "%s: %s; exchange %u; head: %.300s", client->host.name, what,
	    client->waiting_count > 0 ? client->waiting[0] : 0, client->message.head);
}

/* ---- answers ---- */

static void
keep_refusal(struct client *client, const char *content, size_t len)
{
	size_t left = sizeof(client->refusal) - client->refusal_len;

	memcpy(client->refusal + client->refusal_len, content, len < left ? len : left);
	client->refusal_len += len < left ? len : left;
}

void
client_read_title(const char *text, size_t len, char *out, size_t cap)
{
	static const char before[] = "\"title\":\"";
	const char *at = memmem(text, len, before, sizeof(before) - 1);
	const char *end = text + len;
	size_t n = 0;

	if (at != NULL)
		for (at += sizeof(before) - 1; at + n < end && at[n] != '"' && n + 1 < cap; n++)
			out[n] = at[n];
	out[n] = '\0';
}

static void
take_head(struct client *client)
{
	struct message *message = &client->message;
	struct sim_exchange *exchange;
	const char *mark = message_field(message, "X-Mark"), *cookie;

	if (client->waiting_count == 0) {
		client_violation(client, "an answer that it did not ask for");
		message->part = PART_BAD;
		return;
	}
	exchange = client_first_exchange(client);
	client->marked = mark != NULL;
	if (client->marked && strtoul(mark, NULL, 16) != client->waiting[0]) {
		client_violation(client, "another one's answer");
		message->part = PART_BAD;
		return;
	}
	if (message->status == 101 && exchange->plan.tunnel && client->marked) {
		client->state = CLIENT_TUNNEL;
		client->world->exchanges.tunnels++;
		alarm_set(&client->act, schedule_now_ns() + exchange->plan.pause_ns);
		return;
	}
	if (message->status >= 100 && message->status < 200) {
		message_begin(message);
		return;
	}
	exchange->status = message->status;
	client->refusal_len = 0;
	cookie = message_field(message, "Set-Cookie");
	if (client->marked && cookie != NULL)
		client_take_cookie(client, exchange, (struct slice){cookie, strcspn(cookie, "\r")});
	message_frame(message, exchange->plan.head_only, true);
}

const struct stamp *
client_stamp_at(struct client *client, uint64_t offset)
{
	return end_stamp(client->end->peer, offset);
}

static void
take_content(struct client *client, const char *content, size_t len, uint64_t at)
{
	struct message *message = &client->message;

	if (!client->marked) {
		keep_refusal(client, content, len);
		return;
	}
	if (content_compare(content, len, client->waiting[0], false, message->length - len) < len)
		client_violation(client, "content that is not its answer's");
	judge_came(client->world, client->waiting[0], client->end, client_stamp_at(client, at),
	    &(struct content_place){message->length - len, len, CLIENT_BUFFERED_MAX});
}

static bool
wants_close(const struct client *client)
{
	return message_field_has(&client->message, "Connection", "close") ||
	       client->message.framing == FRAMING_CLOSE;
}

/* The answer is whole. */
static void
finish(struct client *client)
{
	struct sim_exchange *exchange = client_first_exchange(client);
	const struct exchange_plan *plan = &exchange->plan;
	bool close = wants_close(client) || (client->waiting_count == 1 && client->left == 0) ||
		     (client->waiting_count == 1 && client->content_sent < plan->request_len);

	bool is_short =
	    client->marked && !plan->head_only && client->message.length != plan->answer_len;

	/* Where the backend's content ends with its connection, nothing shows that it is cut. */
	if (is_short && plan->answer_framing != FRAMING_CLOSE)
		client_violation(client, "an answer of another length");
	if (!client->marked) {
		/* A gateway has no credential to ask for there, and no title where there is no
		 * content. */
		client_read_title(
		    client->refusal, client->refusal_len, exchange->title, sizeof(exchange->title));
		if (!plan->head_only)
			judge_refusal(client->world, client->waiting[0],
			    client_stamp_at(client, client->head_offset));
		conclude(client, RESULT_REFUSED);
	} else if (is_short) {
		conclude(client, RESULT_CUT);
	} else {
		conclude(client, RESULT_ANSWERED);
	}
	client->reused = true;
	message_begin(&client->message);
	client->was = PART_HEAD;
	if (close)
		client_leave(client, false, RESULT_LOST);
	else if (client->waiting_count == 0)
		rest(client);
}

/* ---- bytes ---- */

static bool
deserts(struct client *client)
{
	const struct exchange_plan *plan = &client_first_exchange(client)->plan;

	if (plan->desertion < LEAVES_IN_ANSWER || client->message.part != PART_CONTENT)
		return false;
	client_leave(client, plan->desertion == RESETS_IN_ANSWER, RESULT_NONE);
	return true;
}

/* False: the connection is gone, or is not to be read any more. */
static bool
take_bytes(struct client *client, const char *bytes, size_t len, uint64_t at)
{
	struct message *message = &client->message;
	size_t done = 0;

	while (done < len) {
		const char *content;
		size_t content_len, n;

		if (client->state == CLIENT_TUNNEL)
			return client_tunnel_take(client, bytes + done, len - done, at + done);
		if (message->part == PART_HEAD && message->head_len == 0)
			client->head_offset = at + done;
		n = message_read(message, bytes + done, len - done, &content, &content_len);
		if (content != NULL)
			take_content(client, content, content_len, at + done);
		else if (client->was == PART_HEAD && message->part == PART_CONTENT)
			take_head(client);
		done += n;
		if (message->part == PART_BAD) {
			client_violation(client, "an answer that is not HTTP");
			client_leave(client, true, RESULT_LOST);
			return false;
		}
		client->was = message->part;
		if (message->part == PART_DONE)
			finish(client);
		if (client->end == NULL)
			return false;
		if (client->waiting_count > 0 && client->state != CLIENT_TUNNEL && deserts(client))
			return false;
	}
	return true;
}

/* The connection has come to its end from the other side. */
static void
ended(struct client *client, bool reset)
{
	bool begun = client->message.part != PART_HEAD || client->message.head_len > 0;

	if (client->state == CLIENT_TUNNEL && !reset) {
		client->tunnel_ended = true;
		if (client->tunnel_closing ||
		    client->tunnel_in < client_first_exchange(client)->plan.answer_len)
			client_leave(client, false, RESULT_ANSWERED);
		return;
	}
	if (client->waiting_count > 0 && begun && client->message.part == PART_CONTENT && !reset) {
		message_end(&client->message);
		if (client->message.part == PART_DONE) {
			finish(client);
			if (client->end != NULL)
				client_leave(client, false, RESULT_LOST);
			return;
		}
	}
	client_leave(client, false, begun ? RESULT_CUT : RESULT_LOST);
}

static void
read_all(struct client *client)
{
	struct end *end = client->end;
	char bytes[8192];
	struct iovec piece = {bytes, client->slow ? 700 : sizeof(bytes)};
	uint64_t at = end->received;
	long got = -EAGAIN;

	while (client->end == end && (got = end_receive(end, &piece, 1, false)) > 0) {
		if (!take_bytes(client, bytes, (size_t)got, at))
			return;
		at = end->received;
		if (client->slow && client->state == CLIENT_WAITING) {
			alarm_set(&client->act,
			    schedule_now_ns() +
				random_skewed(&client->random, NS_PER_MS, 100 * NS_PER_MS));
			return;
		}
	}
	if (client->end != end)
		return;
	if (got == -EAGAIN)
		client_send(client);
	else
		ended(client, got < 0);
}

static void
on_change(struct end *end)
{
	struct client *client = end->owner;

	if (schedule_now_ns() < client->frozen_ns) {
		if (!alarm_is_set(&client->act) || client->state != CLIENT_RESTING)
			alarm_set(&client->act, client->frozen_ns);
		return;
	}
	if (end->state == END_CONNECTED && client->slow && client->state == CLIENT_WAITING &&
	    alarm_is_set(&client->act))
		return;
	if (end->state == END_CONNECTED && end->in.len == 0 && !end->in_ended)
		client_send(client);
	else
		read_all(client);
}

/* ---- exchanges ---- */

static void
begin_exchanges(struct client *client)
{
	const struct world *world = client->world;
	struct random *random = &client->random;
	unsigned count = 1;

	if (world->scenario.pipelines && random_chance(random, 60))
		count = (unsigned)random_between(random, 2, CLIENT_PIPELINE_MAX);
	if (client->end == NULL) {
		client->end =
		    end_connect(&client->host, (struct place){world->gateway.host.address, 80});
		client->end->owner = client;
		client->end->changed = on_change;
		client->left = (unsigned)random_skewed(random, 1, 60);
		client->reused = false;
		client->slow = world->scenario.slow_readers && random_chance(random, 30);
		if (client->slow)
			client->end->in_max = 2048;
		message_begin(&client->message);
		client->was = PART_HEAD;
	}
	client->state = CLIENT_WAITING;
	for (unsigned i = 0; i < count; i++)
		client_put_request(client, i + 1 < count);
	client->left = client->left > count ? client->left - count : 0;
	client_send(client);
	if (client->end->state == END_CONNECTED &&
	    client_first_exchange(client)->plan.desertion == LEAVES_EARLY)
		client_leave(client, random_chance(random, 500), RESULT_NONE);
}

static void
on_act(struct alarm *alarm)
{
	struct client *client = container_of(alarm, struct client, act);

	if (schedule_now_ns() < client->frozen_ns) {
		alarm_set(alarm, client->frozen_ns);
		return;
	}
	switch (client->state) {
	case CLIENT_RESTING:
		if (!client->stopped)
			begin_exchanges(client);
		else if (client->end != NULL)
			client_leave(client, false, RESULT_NONE);
		return;
	case CLIENT_WAITING:
		read_all(client);
		return;
	case CLIENT_TUNNEL: /* what has come while it was frozen, too */
		if (client->end->in.len > 0 || client->end->in_ended ||
		    client->end->state == END_FAILED)
			read_all(client);
		if (client->end != NULL && client->state == CLIENT_TUNNEL)
			client_tunnel_send(client);
		return;
	}
}

void
client_start(struct client *client, struct world *world, unsigned number)
{
	*client = (struct client){.world = world};
	host_init(&client->host, "client", number, 0x0a010000u + number, world->seed);
	client->host.rules = world->scenario.rules[RULES_CLIENT];
	random_init(&client->random, world->seed, "client", number);
	client->act.fire = on_act;
	client->speaks_h2 = world->scenario.http2 && random_chance(&client->random, 500);
	if (client->speaks_h2)
		h2_client_start(&client->h2, client);
	else
		rest(client);
}

void
client_stop(struct client *client)
{
	client->stopped = true;
	if (client->speaks_h2)
		h2_client_stop(&client->h2);
	else if (client->state == CLIENT_RESTING)
		alarm_set(&client->act, schedule_now_ns());
}

uint32_t
client_waits_for(const struct client *client)
{
	if (client->speaks_h2)
		return h2_client_running(&client->h2);
	return client->waiting_count > 0 ? client->waiting[0] : 0;
}

void
client_check_ended(const struct client *client)
{
	uint32_t mark = client_waits_for(client);

	if (mark != 0)
		judge_violation(
		    client->world, "%s: exchange %u has no end", client->host.name, mark);
}

bool
client_break(struct client *client, bool reset)
{
	if (client->speaks_h2)
		return h2_client_break(&client->h2, reset);
	if (client->end == NULL)
		return false;
	client_leave(client, reset, RESULT_NONE);
	return true;
}
