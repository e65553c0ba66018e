/* h2_client.c - connections of a client that speaks HTTP/2, and how its exchanges begin and end. */
#include "h2_client.h"

#include <errno.h>

#include "client_state.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

static struct world *
world_of(const struct h2_client *h2)
{
	return h2->client->world;
}

static struct random *
random_of(struct h2_client *h2)
{
	return &h2->client->random;
}

void
h2_client_violation(const struct h2_client *h2, uint32_t mark, const char *what)
{
	judge_violation(
	    world_of(h2), "%s (HTTP/2): %s; exchange %u", h2->client->host.name, what, mark);
}

struct h2_client_stream *
h2_client_find(struct h2_client *h2, uint32_t id)
{
	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++)
		if (h2->streams[i].mark != 0 && h2->streams[i].id == id)
			return &h2->streams[i];
	return NULL;
}

uint32_t
h2_client_running(const struct h2_client *h2)
{
	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++)
		if (h2->streams[i].mark != 0)
			return h2->streams[i].mark;
	return 0;
}

/* ---- endings ---- */

void
h2_client_conclude(struct h2_client *h2, struct h2_client_stream *stream, enum result result)
{
	struct sim_exchange *exchange = exchanges_get(&world_of(h2)->exchanges, stream->mark);
	uint32_t mark = stream->mark;

	exchange->result = result;
	exchange->received = stream->marked ? stream->received : 0;
	/* GOAWAY says that the gateway has not begun with it. */
	if (result == RESULT_LOST && h2->goaway && stream->id > h2->goaway_last &&
	    exchange->plan.desertion == STAYS)
		exchange->plan.desertion = LOST_ITS_CONNECTION;
	stream->mark = 0;
	h2->running--;
	judge_result(world_of(h2), mark);
}

void
h2_client_desert(struct h2_client *h2, struct h2_client_stream *stream)
{
	char frame[H2_FRAME_HEAD_LEN + 4];
	struct writer writer = writer_of(frame, sizeof(frame));

	h2_write_rst_stream(&writer, stream->id, H2_CANCEL);
	h2_client_put(h2, frame, sizeof(frame));
	h2_client_conclude(h2, stream, RESULT_NONE);
}

void
h2_client_leave(struct h2_client *h2, bool reset, enum result result)
{
	if (reset)
		h2->end->linger_none = true;
	end_close(h2->end);
	h2->end = NULL;
	alarm_stop(&h2->look);
	alarm_stop(&h2->pace);
	hpack_decoder_free(&h2->decoder);
	bytes_free(&h2->out);
	bytes_free(&h2->payload);
	bytes_free(&h2->block);
	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++) {
		struct h2_client_stream *stream = &h2->streams[i];

		if (stream->mark != 0)
			h2_client_conclude(h2, stream,
			    result == RESULT_LOST && stream->head_came ? RESULT_CUT : result);
	}
}

bool
h2_client_break(struct h2_client *h2, bool reset)
{
	if (h2->end == NULL)
		return false;
	h2_client_leave(h2, reset, RESULT_NONE);
	return true;
}

/* ---- reading ---- */

static bool
is_done(const struct h2_client *h2)
{
	return h2->running == 0 && (h2->left == 0 || h2->goaway || h2->client->stopped);
}

static void
look_later(struct h2_client *h2)
{
	if (!alarm_is_set(&h2->look))
		alarm_set(&h2->look,
		    schedule_now_ns() + random_skewed(random_of(h2), NS_PER_MS, 100 * NS_PER_MS));
}

static void
read_all(struct h2_client *h2)
{
	struct end *end = h2->end;
	char bytes[8192];
	struct iovec piece = {bytes, h2->slow ? 700 : sizeof(bytes)};
	uint64_t at = end->received;
	long got;

	while ((got = end_receive(end, &piece, 1, false)) > 0) {
		if (!h2_client_take(h2, bytes, (size_t)got, at))
			return;
		at = end->received;
		if (h2->slow) {
			look_later(h2);
			break;
		}
	}
	if (got == 0 || (got < 0 && got != -EAGAIN)) {
		h2_client_leave(h2, false, RESULT_LOST);
		return;
	}
	h2_client_widen(h2);
	h2_client_send(h2);
	if (is_done(h2) && h2->out.len == 0)
		h2_client_leave(h2, false, RESULT_NONE);
}

static void
on_change(struct end *end)
{
	struct h2_client *h2 = end->owner;

	if (schedule_now_ns() < h2->client->frozen_ns) {
		if (!alarm_is_set(&h2->look))
			alarm_set(&h2->look, h2->client->frozen_ns);
		return;
	}
	if (h2->slow && end->state == END_CONNECTED && alarm_is_set(&h2->look))
		return;
	read_all(h2);
}

static void
on_look(struct alarm *alarm)
{
	struct h2_client *h2 = container_of(alarm, struct h2_client, look);

	if (schedule_now_ns() < h2->client->frozen_ns)
		alarm_set(alarm, h2->client->frozen_ns);
	else
		read_all(h2);
}

static void
on_pace(struct alarm *alarm)
{
	struct h2_client *h2 = container_of(alarm, struct h2_client, pace);

	if (schedule_now_ns() < h2->client->frozen_ns)
		alarm_set(alarm, h2->client->frozen_ns);
	else
		h2_client_send(h2);
}

/* ---- exchanges ---- */

static void
connect_to_gateway(struct h2_client *h2)
{
	struct world *world = world_of(h2);
	struct random *random = random_of(h2);

	h2->end = end_connect(&h2->client->host, (struct place){world->gateway.host.address, 80});
	h2->end->owner = h2;
	h2->end->changed = on_change;
	h2->left = (unsigned)random_skewed(random, 1, 200);
	h2->slow = world->scenario.slow_readers && random_chance(random, 30);
	if (h2->slow)
		h2->end->in_max = 2048;
	h2->next_id = 1;
	h2->stalled = h2->goaway = h2->block_sent = false;
	h2->frame_head_len = 0;
	h2->payload_left = h2->block_stream = 0;
	h2_client_greet(h2);
}

static bool
may_begin(const struct h2_client *h2)
{
	return h2->running < H2_CLIENT_STREAMS && !h2->stalled && !h2->goaway && h2->left > 0;
}

/* The one that was begun last does not wait for its answer. */
static void
leave_early(struct h2_client *h2)
{
	struct h2_client_stream *stream = h2_client_find(h2, h2->next_id - 2);
	const struct sim_exchange *exchange =
	    stream != NULL ? exchanges_get(&world_of(h2)->exchanges, stream->mark) : NULL;

	if (exchange == NULL || exchange->plan.desertion != LEAVES_EARLY)
		return;
	if (random_chance(random_of(h2), 100))
		h2_client_leave(h2, random_chance(random_of(h2), 500), RESULT_NONE);
	else
		h2_client_desert(h2, stream);
}

static void
begin_exchanges(struct h2_client *h2, unsigned count)
{
	if (h2->end == NULL)
		connect_to_gateway(h2);
	for (; count > 0 && may_begin(h2); count--) {
		h2->left--;
		h2_client_put_request(h2);
	}
	h2_client_send(h2);
	if (h2->end->state == END_CONNECTED)
		leave_early(h2);
	if (h2->end != NULL)
		h2_client_send(h2);
}

static void
on_next(struct alarm *alarm)
{
	struct h2_client *h2 = container_of(alarm, struct h2_client, next);
	unsigned count = (unsigned)random_skewed(random_of(h2), 1, 8);
	uint64_t think_ns = world_of(h2)->scenario.think_ns;

	if (schedule_now_ns() < h2->client->frozen_ns) {
		alarm_set(alarm, h2->client->frozen_ns);
		return;
	}
	if (h2->client->stopped) {
		if (h2->end != NULL && is_done(h2))
			h2_client_leave(h2, false, RESULT_NONE);
		return;
	}
	begin_exchanges(h2, count);
	alarm_set(alarm, schedule_now_ns() + random_below(random_of(h2), 2 * count * think_ns));
}

void
h2_client_start(struct h2_client *h2, struct client *client)
{
	h2->client = client;
	h2->next.fire = on_next;
	h2->look.fire = on_look;
	h2->pace.fire = on_pace;
	alarm_set(&h2->next,
	    schedule_now_ns() + random_below(random_of(h2), 2 * world_of(h2)->scenario.think_ns));
}

void
h2_client_stop(struct h2_client *h2)
{
	/* It takes all that is left at once. */
	for (unsigned i = 0; h2->end != NULL && i < H2_CLIENT_STREAMS; i++) {
		h2->streams[i].slow = false;
		if (h2->streams[i].mark != 0)
			h2_client_put_window(h2, &h2->streams[i], H2_CLIENT_HURRY);
	}
	h2_client_send(h2);
	alarm_set(&h2->next, schedule_now_ns());
}
