/* h2_client_call.c - gRPC calls: messages, deadlines, and the status that ends each. */
#include <stdio.h>

#include "client_state.h"
#include "h2_client.h"
#include "trace.h"
#include "world.h"

#define MESSAGE 64 /* with its prefix; see exchanges.c */

static size_t
whole_messages(size_t len)
{
	return (len + MESSAGE - 1) / MESSAGE * MESSAGE;
}

void
h2_client_draw_call(struct h2_client *h2, struct exchange_plan *plan)
{
	struct random *random = &h2->client->random;

	plan->call = true;
	plan->head_only = plan->fills = plan->interim = false;
	plan->request_framing = plan->answer_framing = FRAMING_CHUNKS;
	plan->request_len = whole_messages(plan->request_len + 1);
	plan->answer_len = whole_messages(plan->answer_len);
	if (random_chance(random, 300)) { /* it streams, both ways */
		plan->request_len = MESSAGE * random_skewed(random, 1, 60);
		plan->answer_len = MESSAGE * random_skewed(random, 1, 200);
		plan->piece = random_between(random, 16, 4 * MESSAGE);
		plan->pause_ns = random_skewed(random, NS_PER_MS, 50 * NS_PER_MS);
	}
	if (random_chance(random, 150))
		plan->deadline_ms = (unsigned)random_skewed(random, 2, 3000);
}

void
h2_client_put_call(struct writer *writer, const struct exchange_plan *plan)
{
	char text[24];

	hpack_write_field(writer, SLICE("content-type"), SLICE("application/grpc"));
	hpack_write_field(writer, SLICE("te"), SLICE("trailers"));
	snprintf(text, sizeof(text), "%um", plan->deadline_ms);
	if (plan->deadline_ms > 0)
		hpack_write_field(writer, SLICE("grpc-timeout"), slice_of(text));
}

void
h2_client_take_call_status(struct h2_client *h2, struct h2_client_stream *stream,
    struct slice status, struct slice message)
{
	struct sim_exchange *exchange = exchanges_get(&h2->client->world->exchanges, stream->mark);

	stream->has_status = status.len > 0;
	exchange->call_status = exchange_number(status.at, status.len, 10);
	stream->head_stamp = *end_stamp(h2->end->peer, h2->frame_at);
	trace_event(h2->client->host.name, "call status", stream->mark, exchange->call_status);
	if (message.len > 0)
		trace_say(h2->client->host.name, "%.*s", (int)message.len, message.at);
}

void
h2_client_finish_call(struct h2_client *h2, struct h2_client_stream *stream)
{
	struct world *world = h2->client->world;
	struct sim_exchange *exchange = exchanges_get(&world->exchanges, stream->mark);

	if (!stream->has_status || stream->blank)
		h2_client_violation(h2, stream->mark, "a call that ended without a status");
	if (stream->marked && exchange->call_status == 0) {
		if (stream->received != exchange->plan.answer_len)
			h2_client_violation(h2, stream->mark, "a call's answer of another length");
		h2_client_conclude(h2, stream, RESULT_ANSWERED);
		return;
	}
	if (stream->received % MESSAGE != 0)
		h2_client_violation(h2, stream->mark, "a call that ended within a message");
	judge_call_end(world, stream->mark, stream->marked, &stream->head_stamp);
	h2_client_conclude(h2, stream, stream->marked ? RESULT_CUT : RESULT_REFUSED);
}
