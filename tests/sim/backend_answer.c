/* backend_answer.c - answers of a backend, correct and incorrect ones. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "backend_state.h"
#include "trace.h"
#include "world.h"

static const struct exchange_plan *
plan_of(const struct backend_connection *connection)
{
	return &exchanges_get(&connection->backend->world->exchanges, connection->mark)->plan;
}

static void
put_content(struct backend_connection *connection, size_t len, bool chunk)
{
	char content[BACKEND_PIECE_MAX];

	content_fill(content, len, connection->mark, false, connection->answered);
	if (chunk)
		bytes_print(&connection->out, "%zx\r\n", len);
	bytes_append(&connection->out, content, len);
	if (chunk)
		bytes_append(&connection->out, "\r\n", 2);
	connection->answered += len;
}

#define ACCEPT_MAX 32

/* RFC 6455 section 4.2.2. */
static void
write_accept(const struct message *message, char out[ACCEPT_MAX])
{
	const char *key = message_field(message, "Sec-WebSocket-Key");
	unsigned char hash[20];
	char text[100];
	int len;

	len = snprintf(text, sizeof(text), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
	    key != NULL ? (int)strcspn(key, "\r") : 0, key);
	EVP_Digest(text, (size_t)len, hash, NULL, EVP_sha1(), NULL);
	EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash));
}

static void
put_head(struct backend_connection *connection, const struct exchange_plan *plan)
{
	struct bytes *out = &connection->out;
	size_t before = out->len;
	char accept[ACCEPT_MAX];

	if (plan->interim)
		bytes_print(out, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
	if (plan->tunnel) {
		write_accept(&connection->message, accept);
		bytes_print(out,
		    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		    "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\nX-Mark: %x\r\n\r\n",
		    accept, connection->mark);
		return;
	}
	bytes_print(out, "HTTP/1.1 200 OK\r\nX-Mark: %x\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
	    connection->mark);
	if (plan->answer_framing == FRAMING_LENGTH || plan->answer_framing == FRAMING_NONE)
		bytes_print(out, "Content-Length: %zu\r\n", plan->answer_len);
	else if (plan->answer_framing == FRAMING_CHUNKS)
		bytes_print(out, "Transfer-Encoding: chunked\r\n");
	if (plan->call)
		bytes_print(out, "Content-Type: application/grpc\r\n");
	if (plan->answer_closes || plan->answer_framing == FRAMING_CLOSE)
		bytes_print(out, "Connection: close\r\n");
	if (plan->fills)
		bytes_print(out, "X-Fill: %0*d\r\n",
		    (int)(BACKEND_HEAD_LEN - strlen("X-Fill: \r\n\r\n") - (out->len - before)), 0);
	bytes_print(out, "\r\n");
}

/* The answer is whole: what becomes of the connection. */
static void
finish(struct backend_connection *connection, const struct exchange_plan *plan)
{
	if (plan->answer_framing == FRAMING_CHUNKS && !plan->head_only)
		bytes_print(
		    &connection->out, "0\r\n%s\r\n", plan->call ? "Grpc-Status: 0\r\n" : "");
	if (plan->misdeed == MISDEED_MORE)
		bytes_print(&connection->out,
		    "%.*sHTTP/1.1 200 OK\r\nX-Mark: 0\r\nContent-Length: 4\r\n\r\nmore",
		    (int)(connection->mark % 4), "ore");
	backend_note_answered(connection);
	connection->closing = plan->answer_closes || plan->answer_framing == FRAMING_CLOSE ||
			      plan->misdeed == MISDEED_EARLY_CLOSE;
	if (plan->misdeed == MISDEED_EARLY_CLOSE)
		connection->backend->closed_ns = schedule_now_ns();
	connection->state = BACKEND_READING;
	connection->answered = 0;
	message_begin(&connection->message);
	connection->was = PART_HEAD;
	backend_send(connection);
}

static bool
is_cut(const struct exchange_plan *plan)
{
	return plan->answer_len > 0 &&
	       (plan->misdeed == MISDEED_CUT || plan->misdeed == MISDEED_CUT_RESET ||
		   plan->misdeed == MISDEED_STALL);
}

static bool
ends_here(const struct exchange_plan *plan, uint64_t answered)
{
	return is_cut(plan) && answered >= plan->answer_len / 2;
}

/* The next piece of content, and when the one after it comes. */
static void
next_piece(struct backend_connection *connection)
{
	const struct exchange_plan *plan = plan_of(connection);
	size_t len = plan->answer_len - (size_t)connection->answered;

	if (ends_here(plan, connection->answered) && plan->misdeed == MISDEED_STALL &&
	    !plan->head_only) {
		if (!plan->tunnel)
			connection->state = BACKEND_SILENT;
		backend_send(connection);
		return;
	}
	if (ends_here(plan, connection->answered) && plan->misdeed != MISDEED_STALL) {
		backend_send(connection);
		backend_connection_close(connection, plan->misdeed == MISDEED_CUT_RESET);
		return;
	}
	if (plan->head_only || len == 0) {
		if (!plan->tunnel) {
			finish(connection, plan);
			return;
		}
		connection->closing = true;
		backend_note_answered(connection);
		backend_send(connection);
		return;
	}
	if (len > plan->piece)
		len = plan->piece;
	if (is_cut(plan) && len > plan->answer_len / 2 - connection->answered)
		len = plan->answer_len / 2 - (size_t)connection->answered;
	if (len > BACKEND_PIECE_MAX)
		len = BACKEND_PIECE_MAX;
	put_content(connection, len, !plan->tunnel && plan->answer_framing == FRAMING_CHUNKS);
	/* The gateway may know the end before us, and send the next request. */
	if (connection->answered == plan->answer_len && !plan->tunnel &&
	    plan->misdeed != MISDEED_STALL && !ends_here(plan, connection->answered)) {
		finish(connection, plan);
		return;
	}
	alarm_set(&connection->act, schedule_now_ns() + plan->pause_ns);
	backend_send(connection);
}

static void
begin(struct backend_connection *connection)
{
	const struct exchange_plan *plan = plan_of(connection);

	trace_event(connection->backend->host.name, "answers", connection->mark, plan->misdeed);
	connection->answered = 0;
	switch (plan->misdeed) {
	case MISDEED_SILENT:
		connection->state = BACKEND_SILENT;
		return;
	case MISDEED_CLOSE:
	case MISDEED_RESET:
		backend_connection_close(connection, plan->misdeed == MISDEED_RESET);
		return;
	case MISDEED_GARBAGE:
		bytes_print(&connection->out, "I am no HTTP\r\n\r\n");
		connection->closing = true;
		connection->state = BACKEND_SILENT;
		backend_send(connection);
		return;
	case MISDEED_NONE:
	case MISDEED_CUT:
	case MISDEED_CUT_RESET:
	case MISDEED_MORE:
	case MISDEED_EARLY_CLOSE:
	case MISDEED_STALL:
		break;
	}
	put_head(connection, plan);
	connection->state = plan->tunnel ? BACKEND_TUNNEL : BACKEND_ANSWERING;
	next_piece(connection);
}

void
backend_act(struct backend_connection *connection)
{
	switch (connection->state) {
	case BACKEND_THINKING:
		begin(connection);
		return;
	case BACKEND_ANSWERING:
	case BACKEND_TUNNEL:
		if (connection->out.len > 0) /* not read yet */
			alarm_set(&connection->act, schedule_now_ns() + 5 * NS_PER_MS);
		else if (!connection->closing)
			next_piece(connection);
		return;
	case BACKEND_READING:
	case BACKEND_SILENT:
		return;
	}
}

void
backend_send(struct backend_connection *connection)
{
	while (connection->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&connection->out), connection->out.len};
		long sent = end_send(connection->end, &piece, 1, NULL);

		if (sent < 0)
			return;
		bytes_drop(&connection->out, (size_t)sent);
	}
	if (!connection->closing)
		return;
	if (connection->state != BACKEND_TUNNEL)
		backend_connection_close(connection, false);
	else if (connection->client_ended)
		backend_connection_close(connection, false);
	else
		end_shutdown(connection->end, false, true);
}
