/* call.c - creates calls, passes them to their handlers, and frees them. */
#include "auth/control/call.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "jobgate/check.h"

static bool
set_request_id(struct call *call)
{
	unsigned char random[CALL_REQUEST_ID_LEN / 2];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(call->request_id + 2 * i, 3, "%02x", random[i]);
	return true;
}

struct call *
call_new(struct slice path, struct slice query)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->replicas = -1;
	call->target = malloc(path.len + query.len + 1);
	if (call->target == NULL || !set_request_id(call)) {
		call_free(call);
		return NULL;
	}
	memcpy(call->target, path.at, path.len);
	memcpy(call->target + path.len, query.at, query.len);
	call->path = (struct slice){call->target, path.len};
	call->query = (struct slice){call->target + path.len, query.len};
	return call;
}

void
call_free(struct call *call)
{
	CHECK((call->caller == CALLER_TOKEN) == (call->token != NULL), call_dump, call);
	if (call->state_free != NULL)
		call->state_free(call->state);
	if (call->body != NULL)
		OPENSSL_cleanse(call->body, call->body_len);
	if (call->authorization != NULL)
		OPENSSL_cleanse(call->authorization, strlen(call->authorization));
	OPENSSL_cleanse(&call->vouched, sizeof(call->vouched));
	free(call->body);
	free(call->authorization);
	free(call->token);
	json_decref(call->result);
	free(call->challenge);
	free(call->target);
	free(call);
}

void
call_begin(struct call *call)
{
	CHECK(call->row == NULL && call->endpoints != NULL, call_dump, call);
	if (call->body_too_large) {
		call_refuse(call, 413, NULL, "the body is larger than is allowed here");
		return;
	}
	switch (endpoint_find(
	    call->endpoints, call->method, call->path, &call->row, &call->id, call->allow)) {
	case ENDPOINT_FOUND:
		call->row->handle(call);
		return;
	case ENDPOINT_NO_PATH:
		call_refuse(call, 404, NULL, "there is nothing at this path");
		return;
	case ENDPOINT_NO_METHOD:
		call_refuse(call, 405, NULL, "this path answers %s", call->allow);
		return;
	}
}
