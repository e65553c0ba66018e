/* client_request.c - draws a client's request from the seed, and makes its bytes. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "client_state.h"
#include "net/buffer.h"
#include "trace.h"
#include "world.h"

#define PIECE_MAX 4096

/* ---- drawing ---- */

static void
draw_credential(struct client *client, struct exchange_plan *plan)
{
	const struct world *world = client->world;
	const struct token_history *token;
	const struct token_state *state;

	plan->address = client->host.address;
	plan->token = (unsigned)random_below(&client->random, world->scenario.tokens);
	token = &world->records.token[plan->token];
	state = records_token_at(token, schedule_now_ns());
	plan->value = records_shown_value(token, state->value);
	if (state->previous != NO_VALUE && random_chance(&client->random, 400))
		/* it has not got the new one yet */
		plan->value = records_shown_value(token, (unsigned)state->previous);
	plan->credential_kind = CREDENTIAL_VALID;
	if (client_draw_stranger(client, plan))
		return;
	if (state->leftover != NO_VALUE && random_chance(&client->random, 100)) {
		plan->credential_kind = CREDENTIAL_OLD;
		plan->value = records_shown_value(token, (unsigned)state->leftover);
		return;
	}
	if (!world->scenario.wrong_tokens)
		return;
	switch (random_below(&client->random, 24)) {
	case 0:
		plan->credential_kind = CREDENTIAL_NOTHING;
		break;
	case 1:
		plan->credential_kind = CREDENTIAL_WRONG;
		break;
	case 2:
		plan->credential_kind = CREDENTIAL_UNKNOWN;
		break;
	case 3:
		plan->credential_kind = CREDENTIAL_GARBLED;
		break;
	case 4:
	case 5:
		plan->credential_kind = CREDENTIAL_OLD;
		plan->value = records_shown_value(
		    token, (unsigned)random_below(&client->random, token->value_count));
		break;
	default:
		break;
	}
}

static void
draw_answer(struct client *client, struct exchange_plan *plan)
{
	const struct scenario *scenario = &client->world->scenario;
	struct random *random = &client->random;

	plan->answer_framing = FRAMING_LENGTH;
	if (scenario->chunks && random_chance(random, 300))
		plan->answer_framing = random_chance(random, 800) ? FRAMING_CHUNKS : FRAMING_CLOSE;
	plan->answer_len = random_chance(random, 50) ? random_skewed(random, 0, 200000)
						     : random_skewed(random, 0, 2000);
	plan->piece = random_chance(random, 700) ? 4096 : random_skewed(random, 16, 4096);
	plan->interim = scenario->interim && random_chance(random, 50);
	plan->answer_closes = random_chance(random, 20);
	if (random_chance(random, client->slow ? 300 : 5)) {
		plan->fills = true;
		plan->interim = false;
		plan->answer_framing = FRAMING_LENGTH;
		plan->answer_len = random_between(random, 1, 4) * BUFFER_LARGE - BACKEND_HEAD_LEN;
		plan->piece = BACKEND_PIECE_MAX;
	}
	plan->think_ns = random_skewed(random, 0, 5 * NS_PER_MS);
	if (random_chance(random, 30))
		plan->think_ns = random_skewed(random, 0, 500 * NS_PER_MS);
	if (scenario->streams && !plan->fills && random_chance(random, 20)) {
		plan->answer_len = random_skewed(random, 1000, 20000);
		plan->piece = random_between(random, 64, 512);
		plan->pause_ns = random_skewed(random, NS_PER_MS, 100 * NS_PER_MS);
	}
}

static void
draw_request(struct client *client, struct exchange_plan *plan)
{
	const struct scenario *scenario = &client->world->scenario;
	struct random *random = &client->random;

	plan->job = (int)random_below(random, scenario->jobs);
	if (scenario->wrong_tokens && random_chance(random, 10))
		plan->job = -1;
	else if (plan->unread != 0)
		plan->job = -1;
	else if (scenario->ports && random_chance(random, 300))
		plan->port = random_chance(random, 400) ? PORT_IN_PATH : PORT_IN_HOST;
	if (scenario->tunnels && !plan->fills &&
	    random_chance(random, plan->port != NO_PORT ? 200 : 30)) {
		plan->tunnel = true;
		plan->answer_len = random_skewed(random, 64, 20000) / 64 * 64;
		plan->piece = 64 * random_between(random, 1, 8);
		plan->pause_ns = random_skewed(random, NS_PER_MS, 50 * NS_PER_MS);
		plan->interim = false;
	} else if (scenario->uploads && random_chance(random, scenario->aimed ? 500 : 200)) {
		plan->request_framing = scenario->chunks && random_chance(random, 400)
					    ? FRAMING_CHUNKS
					    : FRAMING_LENGTH;
		plan->request_len = random_chance(random, 50) ? random_skewed(random, 1, 200000)
							      : random_skewed(random, 1, 2000);
		/* Content of no length: such a request may be sent again whole. */
		if (plan->request_framing == FRAMING_LENGTH && plan->request_len < 4)
			plan->request_len = 0;
	} else {
		plan->head_only = random_chance(random, 20);
	}
}

static void
draw_faults(struct client *client, struct exchange_plan *plan)
{
	const struct world *world = client->world;
	struct random *random = &client->random;

	if (schedule_now_ns() > world->scenario.duration_ns)
		return;
	if (world->scenario.misdeeds && random_chance(random, 20))
		plan->misdeed = random_chance(random, 300)
				    ? MISDEED_MORE
				    : (enum misdeed)random_between(random, 1, MISDEEDS - 1);
	if (world->scenario.misdeeds && plan->fills && random_chance(random, 300))
		plan->misdeed = MISDEED_MORE;
	if (world->scenario.misdeeds && plan->tunnel && random_chance(random, 50))
		plan->misdeed = MISDEED_STALL;
	/* Where there is no framing, all is content. */
	if (plan->misdeed == MISDEED_MORE &&
	    (plan->tunnel || plan->answer_framing == FRAMING_CLOSE))
		plan->misdeed = MISDEED_NONE;
	if (world->scenario.desertions && random_chance(random, 20))
		plan->desertion =
		    (enum desertion)random_between(random, STALLS_IN_HEAD, RESETS_IN_ANSWER);
	if (plan->desertion == LOST_ITS_CONNECTION)
		plan->desertion = STAYS;
}

/* ---- bytes ---- */

/* The value of a token that the store does not have: each fills a place in the cache. */
static void
make_unknown(struct client *client, char value[TOKEN_VALUE_LEN + 1])
{
	const struct records *records = &client->world->records;
	char id[TOKEN_ID_LEN + 1];

	snprintf(id, sizeof(id), "unknown%09u", (unsigned)random_below(&client->random, 200));
	jg_token_value_make(slice_of(id), records->minted ? records->mint_key : NULL, value);
	value[TOKEN_VALUE_LEN] = '\0';
}

bool
client_credential(struct client *client, const struct exchange_plan *plan, char *out)
{
	char value[TOKEN_VALUE_LEN + 1];
	const char *known = client->world->records.token[plan->token].values[plan->value];

	switch (plan->credential_kind) {
	case CREDENTIAL_VALID:
	case CREDENTIAL_OLD:
		snprintf(out, CLIENT_CREDENTIAL_MAX, "Bearer %s", known);
		return true;
	case CREDENTIAL_WRONG:
		snprintf(out, CLIENT_CREDENTIAL_MAX, "Bearer %.40sAAAA", known);
		return true;
	case CREDENTIAL_UNKNOWN:
		make_unknown(client, value);
		snprintf(out, CLIENT_CREDENTIAL_MAX, "Bearer %s", value);
		return true;
	case CREDENTIAL_GARBLED:
		snprintf(out, CLIENT_CREDENTIAL_MAX, "Bearer two words");
		return true;
	case CREDENTIAL_OTHERS:
		snprintf(out, CLIENT_CREDENTIAL_MAX, "Basic c2ltOnNpbQ==");
		return true;
	case CREDENTIAL_NOTHING:
		break;
	}
	return false;
}

static void
put_credential(struct client *client, const struct exchange_plan *plan)
{
	char text[CLIENT_CREDENTIAL_MAX];

	if (client_credential(client, plan, text))
		bytes_print(&client->out, "Authorization: %s\r\n", text);
}

void
client_target(const struct client *client, const struct exchange_plan *plan, uint32_t mark,
    char host[CLIENT_TARGET_MAX], char path[CLIENT_TARGET_MAX])
{
	const char *id = plan->job >= 0 ? client->world->records.job[plan->job].id : "";

	snprintf(host, CLIENT_TARGET_MAX, "gateway");
	snprintf(path, CLIENT_TARGET_MAX, "/elsewhere");
	if (plan->unread != 0)
		client_unread_target(client, plan, mark, host, path);
	if (plan->job < 0)
		return;
	snprintf(path, CLIENT_TARGET_MAX, "/jobs/%s%s/%x", id,
	    plan->port == PORT_IN_PATH ? ":" RECORDS_PORT : "", mark);
	if (plan->port != PORT_IN_HOST && !plan->by_host)
		return;
	snprintf(host, CLIENT_TARGET_MAX, "%s%s.localhost", id,
	    plan->port == PORT_IN_HOST ? "-" RECORDS_PORT : "");
	snprintf(path, CLIENT_TARGET_MAX, "/%x", mark);
}

static void
put_head(struct client *client, const struct exchange_plan *plan, uint32_t mark)
{
	struct bytes *out = &client->out;
	char host[CLIENT_TARGET_MAX], path[CLIENT_TARGET_MAX];

	client_target(client, plan, mark, host, path);
	bytes_print(out, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Mark: %x\r\n",
	    exchange_method(plan, mark), path, host, mark);
	put_credential(client, plan);
	if (plan->stays_at != 0)
		bytes_print(out, "Cookie: a=b; %s\r\n", plan->cookie);
	if (plan->waits_s > 0)
		bytes_print(out, "Prefer: wait=%u\r\n", plan->waits_s);
	if (plan->request_framing == FRAMING_LENGTH)
		bytes_print(out, "Content-Length: %zu\r\n", plan->request_len);
	if (plan->request_framing == FRAMING_CHUNKS)
		bytes_print(out, "Transfer-Encoding: chunked\r\n");
	if (plan->tunnel)
		bytes_print(out,
		    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
		    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n");
	bytes_print(out, "\r\n");
}

void
client_draw_plan(struct client *client, struct exchange_plan *plan)
{
	*plan = (struct exchange_plan){.request_framing = FRAMING_NONE};
	draw_credential(client, plan);
	draw_answer(client, plan);
	draw_request(client, plan);
	if (client->world->scenario.publics && random_chance(&client->random, 50))
		plan->waits_s = (unsigned)random_between(&client->random, 1, CLIENT_WAITS_MAX);
	client_draw_host(client, plan);
	draw_faults(client, plan);
}

uint32_t
client_note_exchange(struct client *client, const struct exchange_plan *plan)
{
	struct sim_exchange *exchange;
	uint32_t mark;

	exchange = exchanges_add(&client->world->exchanges, &mark);
	if (plan->call)
		mark |= MARK_OF_CALL;
	exchange->plan = *plan;
	exchange->sent_ns = schedule_now_ns();
	trace_event(client->host.name, "request", mark,
	    (uint64_t)plan->token << 8 | (uint64_t)(plan->job + 1) << 4 | plan->credential_kind);
	return mark;
}

void
client_put_request(struct client *client, bool pipelined)
{
	struct exchange_plan plan;
	uint32_t mark;

	client_draw_plan(client, &plan);
	if (pipelined) { /* what may come in front of others */
		plan.tunnel = false;
		plan.request_framing = FRAMING_NONE;
		plan.request_len = 0;
	}
	mark = client_note_exchange(client, &plan);
	client->waiting[client->waiting_count++] = mark;
	client->content_sent = 0;
	client->tunnel_in = client->tunnel_out = 0;
	client->tunnel_ended = client->tunnel_closing = false;
	put_head(client, &plan, mark);
	if (plan.desertion != STALLS_IN_HEAD || pipelined || client->waiting_count > 1)
		return;
	client->out.len -= client->out.len / 2;
	client->content_sent = plan.request_len;
}

/* How much of its content a client means to send. */
static size_t
content_to_send(const struct exchange_plan *plan)
{
	return plan->desertion == STALLS_IN_CONTENT ? plan->request_len / 2 : plan->request_len;
}

static void
put_content(struct client *client, const struct exchange_plan *plan, uint32_t mark)
{
	char content[PIECE_MAX];
	size_t len = content_to_send(plan) - (size_t)client->content_sent;

	if (len > sizeof(content))
		len = sizeof(content);
	content_fill(content, len, mark, true, client->content_sent);
	client->content_sent += len;
	if (plan->request_framing == FRAMING_CHUNKS)
		bytes_print(&client->out, "%zx\r\n", len);
	bytes_append(&client->out, content, len);
	if (plan->request_framing != FRAMING_CHUNKS)
		return;
	bytes_append(&client->out, "\r\n", 2);
	if (client->content_sent == plan->request_len)
		bytes_append(&client->out, "0\r\n\r\n", 5);
}

static bool
flush(struct client *client)
{
	while (client->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&client->out), client->out.len};
		long sent = end_send(client->end, &piece, 1, NULL);

		if (sent < 0)
			return false;
		bytes_drop(&client->out, (size_t)sent);
	}
	return true;
}

void
client_send(struct client *client)
{
	uint32_t mark = client->waiting_count > 0 ? client->waiting[client->waiting_count - 1] : 0;
	const struct sim_exchange *exchange = exchanges_get(&client->world->exchanges, mark);

	if (client->end == NULL || client->end->state != END_CONNECTED)
		return;
	while (flush(client) && exchange != NULL &&
	       client->content_sent < content_to_send(&exchange->plan))
		put_content(client, &exchange->plan, mark);
}
