/* grpc_call.c - follows a gRPC call from its request to the status that ends it. */
#include "exchange/grpc_call.h"

/* The first field with this id; NULL when there is none. */
static const struct field *
find(const struct fields *fields, enum field_id id)
{
	for (size_t i = 0; i < fields->count; i++)
		if (fields->items[i].id == id)
			return &fields->items[i];
	return NULL;
}

void
grpc_call_read(struct grpc_call *call, const struct request *request, uint64_t now_ms)
{
	const struct field *timeout;
	struct slice type;
	uint64_t ms;

	if (request->method_id != METHOD_POST)
		return; /* most requests: they pay no search for the field */
	call->kind = grpc_kind_of_fields(&request->fields, &type);
	if (call->kind == GRPC_NONE)
		return;
	if (type.len <= sizeof(call->type)) {
		memcpy(call->type, type.at, type.len);
		call->type_len = (unsigned char)type.len;
	}
	call->takes_trailers = call->kind == GRPC_PLAIN && request->version == HTTP_2;
	timeout = find(&request->fields, FIELD_GRPC_TIMEOUT);
	if (timeout != NULL && grpc_timeout_parse(timeout->value, &ms))
		call->due_ms = now_ms + ms;
}

struct slice
grpc_call_type(const struct grpc_call *call)
{
	return call->type_len > 0 ? (struct slice){call->type, call->type_len}
				  : SLICE("application/grpc");
}

void
grpc_call_set_status(struct grpc_call *call, unsigned status)
{
	call->status = (unsigned char)status;
	call->has_status = true;
}

/* The status is in these fields, if they have one. */
static void
note_status(struct grpc_call *call, const struct fields *fields)
{
	const struct field *status = find(fields, FIELD_GRPC_STATUS);

	if (status != NULL)
		grpc_call_set_status(call, grpc_status_read(status->value));
}

void
grpc_call_answer(struct grpc_call *call, const struct response *response)
{
	struct slice type;

	call->messages = (struct grpc_messages){0};
	call->streams = call->takes_trailers && response->content == CONTENT_UNKNOWN &&
			grpc_kind_of_fields(&response->fields, &type) == GRPC_PLAIN;
	note_status(call, &response->fields);
}

void
grpc_call_content(struct grpc_call *call, struct slice sent)
{
	if (call->streams)
		grpc_messages_follow(&call->messages, sent);
}

void
grpc_call_end(struct grpc_call *call, const struct fields *trailers)
{
	call->streams = false;
	if (trailers != NULL)
		note_status(call, trailers);
}
