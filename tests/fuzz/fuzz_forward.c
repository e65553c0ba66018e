/* fuzz_forward.c - a client's bytes, and what the gateway makes of them for a backend: either
 * nothing, or one request, which two parsers read alike and which forges no field that only the
 * gateway sets. The first byte chooses the circumstances. */
#include <http_parser.h>

#include "downstream/http1/server_state.h"
#include "exchange/kept_request.h"
#include "exchange/rewrite.h"
#include "exchange/route.h"
#include "fuzz.h"
#include "http/names.h"
#include "reading.h"
#include "upstream/http1/client.h"

static struct head_scratch scratch;
static struct downstream downstream = {.scratch = &scratch};
static struct rewritten rewritten;
static struct conn nowhere = {.fd = -1}; /* takes nothing: a sender gathers all */

static const struct token token = {.id = SLICE("abcdefghij012345"), .name = SLICE("fuzz")};
static const struct route_forms forms = {.domain = "localhost", .prefix = "/jobs"};

/* The bits of the first byte. */
enum { TRUSTED = 1, TLS = 2, LOCAL = 4, FORWARD_TOKEN = 8, PRESERVE_HOST = 16, BASE = 32 };

/* Frame the content again, as the backend's end does. False when the client's framing is broken.
 * *whole: the end of the content has come. */
static bool
relay_content(struct http1_server *server, struct sender *sender, struct reading *sent, bool *whole)
{
	struct fields trailers = {.items = downstream.scratch->trailers};
	const struct fields *last = NULL;
	struct slice data;

	*whole = false;
	for (;;) {
		switch (receiver_content(&server->receiver, &data)) {
		case BODY_DATA:
			CHECK(sender_content(sender, data) == data.len);
			reading_add_content(sent, data);
			receiver_taken(&server->receiver, data.len);
			continue;
		case BODY_TRAILERS:
			if (!trailers_parse(
				data, downstream.options.limits.head.fields, NULL, &trailers))
				return false;
			last = &trailers;
			continue;
		case BODY_END:
			*whole = true;
			CHECK(sender_end(sender, last));
			return true;
		case BODY_MORE:
			return true;
		case BODY_BAD:
			return false;
		}
	}
}

/* There is one field of this name, with this value; without a value, there is no such field. */
static void
check_one(const struct reading *seen, struct slice name, struct slice value)
{
	size_t found = 0;

	for (size_t i = 0; i < seen->field_count + seen->trailer_count; i++) {
		if (!slice_equal_nocase(seen->fields[i].name, name))
			continue;
		CHECK(slice_equal(seen->fields[i].value, value));
		found++;
	}
	CHECK(found == (value.at != NULL));
}

/* No field of a client may look like one that the gateway vouches for, or change the framing. */
static void
check_fields(const struct reading *seen, unsigned how, const struct request *request)
{
	size_t hosts = 0, framings = 0;

	for (size_t i = 0; i < seen->field_count + seen->trailer_count; i++) {
		enum field_id id = field_identify(seen->fields[i].name);
		bool trailer = i >= seen->field_count;

		CHECK(id != FIELD_DISGUISED);
		CHECK(!trailer || field_has(id, TRAILERS_TOO));
		hosts += id == FIELD_HOST;
		framings += id == FIELD_CONTENT_LENGTH || id == FIELD_TRANSFER_ENCODING;
		CHECK(id != FIELD_AUTHORIZATION || how & FORWARD_TOKEN);
		CHECK(id != FIELD_TE || slice_equal(seen->fields[i].value, SLICE("trailers")));
		CHECK(field_rules[id].to_backend != TO_BACKEND_PROXIES || how & TRUSTED);
		CHECK(id != FIELD_KEEP_ALIVE && id != FIELD_PROXY_CONNECTION &&
		      id != FIELD_HTTP2_SETTINGS && id != FIELD_PROXY_AUTHORIZATION);
		CHECK(id != FIELD_UPGRADE || request->upgrade.len > 0);
		CHECK(id != FIELD_CONNECTION || request->upgrade.len > 0 ||
		      slice_equal(seen->fields[i].value, SLICE("TE")));
	}
	CHECK(hosts == 1 && framings == (request->content != CONTENT_NONE));
	check_one(seen, SLICE("x-jobgate-job"), SLICE("demo"));
	check_one(seen, SLICE("x-jobgate-token-id"), token.id);
	check_one(seen, SLICE("x-jobgate-token-name"), token.name);
	check_one(seen, SLICE("x-jobgate-role"), slice_of(jg_role_name(token.role)));
	check_one(seen, SLICE("x-request-id"), SLICE("id"));
	if (!(how & TRUSTED)) {
		check_one(seen, SLICE("x-forwarded-for"), SLICE("2001:db8::1"));
		check_one(
		    seen, SLICE("x-forwarded-proto"), how & TLS ? SLICE("https") : SLICE("http"));
		check_one(seen, SLICE("x-forwarded-prefix"), (struct slice){0});
	}
}

/* Read what the backend gets with both parsers, and compare it with what the client sent. */
static void
check_wire(struct slice wire, const struct reading *sent, bool whole, unsigned how,
    const struct request *request)
{
	static struct reading ours, peers;

	reading_of_request(wire, &ours);
	CHECK(ours.status == (whole ? READING_WHOLE : READING_BODY));
	CHECK(!whole || ours.end == wire.len);
	CHECK(slice_equal(ours.method, request->method) && ours.minor == 1);
	CHECK(ours.content_len == sent->content_len && ours.content_sum == sent->content_sum);
	check_fields(&ours, how, request);
	peer_reading_of_request(wire, &peers);
	if (peers.status == READING_REFUSED && peers.error == HPE_INVALID_METHOD &&
	    request->method_id == METHOD_OTHER)
		return;
	if (!reading_has_longer_name(&ours, SLICE("transfer-encoding")))
		readings_compare(&ours, &peers);
}

/* Write the head, as it is kept, into downstream.scratch->wire. Returns its length. */
static size_t
written_head(const struct request *request, const struct job_url *target)
{
	struct writer writer =
	    writer_of(downstream.scratch->wire, sizeof(downstream.scratch->wire));
	struct kept_request *kept =
	    kept_request_new(downstream.buffers, request, target->base, &rewritten.extra);

	CHECK(kept != NULL);
	http1_write_request(&writer, &kept->request, kept->lines, (struct slice){0});
	CHECK(!writer.full);
	kept_request_free(downstream.buffers, kept);
	return (size_t)(writer.at - downstream.scratch->wire);
}

/* The head for the backend, in downstream.scratch->wire; 0 when there is no room for it. */
static size_t
rewritten_head(struct request *request, unsigned how)
{
	static const struct job_url targets[2] = {
	    {.scheme = JOB_URL_HTTP, .host = SLICE("::1"), .port = 81, .base = SLICE("/base")},
	    {.scheme = JOB_URL_UNIX},
	};
	struct rewrite rewrite = {
	    .keep_authorization = how & FORWARD_TOKEN,
	    .peer_trusted = how & TRUSTED,
	    .tls = how & TLS,
	    .peer = SLICE("2001:db8::1"),
	    .peer_is_unix = how & LOCAL,
	    .request_id = SLICE("id"),
	    .job = SLICE("demo"),
	    .token = &token,
	};
	const struct job_url *target = &targets[how & BASE ? 0 : 1];
	char authority[ROUTE_AUTHORITY_MAX];
	struct route route;

	route_find(&forms, request->authority, request->path, &route);
	if (request->content != CONTENT_NONE ||
	    !slice_equal_nocase(request->upgrade, SLICE("websocket")))
		request->upgrade = (struct slice){0};
	if (!rewrite_request(request, &rewrite, &rewritten))
		return 0;
	if (route.names_job)
		request->path = route_path(&route, request->path);
	if (!(how & PRESERVE_HOST) || request->authority.len == 0)
		request->authority = route_authority(target, authority);
	return written_head(request, target);
}

static void
forward(struct http1_server *server, struct slice head, unsigned how)
{
	static struct reading sent;
	struct sender sender = {.conn = &nowhere, .buffers = downstream.buffers};
	struct request_framing framing;
	enum framing_error framing_error;
	enum head_status status;
	enum request_error error;
	struct request *request =
	    http1_read_head(server, head, &framing, &status, &framing_error, &error);
	size_t len;
	bool whole;

	if (request == NULL || request->method_id == METHOD_CONNECT)
		return;
	len = rewritten_head(request, how);
	if (len == 0)
		return;
	framing.body = request->content == CONTENT_NONE	    ? BODY_NONE
		       : request->content == CONTENT_LENGTH ? BODY_LENGTH
							    : BODY_CHUNKED;
	body_decoder_init(&server->receiver.body, framing.body, request->length, 4096);
	CHECK(sender_append(&sender, (struct slice){downstream.scratch->wire, len}));
	sender.framing = framing.body;
	sent = (struct reading){0};
	if (relay_content(server, &sender, &sent, &whole))
		check_wire(buffer_bytes(sender.out), &sent, whole, how, request);
	sender_clear(&sender);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http1_server server = {.connection.downstream = &downstream};
	struct receiver *receiver = &server.receiver;
	struct slice bytes;
	size_t start, end;

	if (size < 2 || size > 4096)
		return 0;
	if (downstream.buffers == NULL) {
		downstream.buffers = buffer_pool_new();
		downstream.options.limits.head = (struct head_limits){4096, 2048, 100};
		CHECK(downstream.buffers != NULL);
	}
	receiver->buffers = downstream.buffers;
	receiver->in = buffer_take(downstream.buffers, size - 1);
	CHECK(receiver->in != NULL);
	buffer_append(receiver->in, (struct slice){(const char *)data + 1, size - 1});
	bytes = buffer_bytes(receiver->in);
	if (head_find(bytes, true, &downstream.options.limits.head, &receiver->scanned, &start,
		&end) == HEAD_COMPLETE) {
		receiver->in->start = (uint32_t)end;
		forward(&server, (struct slice){bytes.at + start, end - start}, data[0]);
	}
	receiver_clear(receiver);
	return 0;
}
