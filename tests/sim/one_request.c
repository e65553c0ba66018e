/* one_request.c - sends a request, and reads the answer as it comes. */
#include "one_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static void
take_head(struct one_request *request)
{
	const char *mark = message_field(&request->message, "X-Mark");

	request->marked = mark != NULL;
	if (request->marked && strtoul(mark, NULL, 16) != request->mark)
		request->violation(request, "another one's answer");
	message_frame(&request->message, false, true);
}

static void
take_content(struct one_request *request, const char *content, size_t len, uint64_t at)
{
	size_t room = sizeof(request->text) - request->text_len;

	if (!request->marked) {
		memcpy(request->text + request->text_len, content, len < room ? len : room);
		request->text_len += len < room ? len : room;
		return;
	}
	if (content_compare(content, len, request->mark, false, request->message.length - len) <
	    len)
		request->violation(request, "content that is not its answer's");
	judge_moved(request->world, request->mark, request->end->peer->owner,
	    end_stamp(request->end->peer, at), "client");
}

/* False: the request is over. */
static bool
take_bytes(struct one_request *request, const char *bytes, size_t len, uint64_t at)
{
	struct message *message = &request->message;

	for (size_t done = 0, n; done < len; done += n) {
		const char *content;
		size_t content_len;

		n = message_read(message, bytes + done, len - done, &content, &content_len);
		if (content != NULL)
			take_content(request, content, content_len, at + done);
		else if (request->was == PART_HEAD && message->part == PART_CONTENT)
			take_head(request);
		request->was = message->part;
		if (message->part == PART_BAD) {
			request->violation(request, "an answer that is not HTTP");
			request->failed(request, RESULT_LOST);
			return false;
		}
		if (message->part == PART_DONE) {
			request->answered(request);
			return false;
		}
	}
	return true;
}

static void
ended(struct one_request *request, bool reset)
{
	bool begun = request->message.part == PART_CONTENT;

	if (begun && !reset)
		message_end(&request->message);
	if (request->message.part == PART_DONE)
		request->answered(request);
	else
		request->failed(request, begun ? RESULT_CUT : RESULT_LOST);
}

static void
flush(struct one_request *request)
{
	while (request->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&request->out), request->out.len};
		long sent = end_send(request->end, &piece, 1, NULL);

		if (sent < 0)
			return;
		bytes_drop(&request->out, (size_t)sent);
	}
}

static void
on_change(struct end *end)
{
	struct one_request *request = end->owner;
	char bytes[4096];
	struct iovec piece = {bytes, sizeof(bytes)};
	uint64_t at = end->received;
	long got;

	if (end->state == END_CONNECTED)
		flush(request);
	while ((got = end_receive(end, &piece, 1, false)) > 0) {
		if (!take_bytes(request, bytes, (size_t)got, at))
			return;
		at = end->received;
	}
	if (got != -EAGAIN)
		ended(request, got < 0);
}

void
one_request_begin(struct one_request *request, struct host *host, uint16_t port)
{
	request->end =
	    end_connect(host, (struct place){request->world->gateway.host.address, port});
	request->end->owner = request;
	request->end->changed = on_change;
	request->text_len = 0;
	request->marked = false;
	request->was = PART_HEAD;
	message_begin(&request->message);
}

void
one_request_end(struct one_request *request, enum result result)
{
	exchanges_get(&request->world->exchanges, request->mark)->result = result;
	judge_result(request->world, request->mark);
	end_close(request->end);
	request->end = NULL;
	bytes_drop(&request->out, request->out.len);
}
