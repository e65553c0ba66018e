/* request.c - writes the head of a request. */
#include "upstream/http1/client_state.h"

static void
write_framing(struct writer *writer, const struct request *request)
{
	switch (request->content) {
	case CONTENT_NONE:
		break;
	case CONTENT_LENGTH:
		write_literal(writer, "Content-Length: ");
		write_number(writer, request->length);
		write_literal(writer, "\r\n");
		break;
	case CONTENT_UNKNOWN:
		write_literal(writer, "Transfer-Encoding: chunked\r\n");
		break;
	}
	if (request->expect_continue)
		write_literal(writer, "Expect: 100-continue\r\n");
}

void
http1_write_request(struct writer *writer, const struct request *request, struct slice lines,
    struct slice websocket_key)
{
	bool upgrade = request->upgrade.len > 0;

	write_request_line(
	    writer, request->method, (struct slice){0}, request->path, request->query);
	write_field(writer, SLICE("Host"), request->authority);
	write_slice(writer, lines);
	/* Not with an upgrade: its Connection field is another one, and it has no trailers. */
	if (request->takes_trailers && !upgrade)
		write_literal(writer, "TE: trailers\r\nConnection: TE\r\n");
	write_framing(writer, request);
	if (upgrade) {
		write_literal(writer, "Connection: Upgrade\r\n");
		write_field(writer, SLICE("Upgrade"), request->upgrade);
	}
	if (websocket_key.len > 0)
		write_field(writer, SLICE("Sec-WebSocket-Key"), websocket_key);
	write_literal(writer, "\r\n");
}
