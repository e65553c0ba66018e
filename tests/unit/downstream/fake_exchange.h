/* fake_exchange.h - an exchange that does what a test says, in place of proxy/exchange. */
#ifndef JOBGATE_TEST_FAKE_EXCHANGE_H
#define JOBGATE_TEST_FAKE_EXCHANGE_H

#include "connection_world.h"
#include "jobgate/exchange.h"

/* The fake exchange: one at a time, as HTTP/1 has them. */
struct exchange {
	struct exchange_client *client;
	bool takes;	   /* content of the request */
	bool tunnel;	   /* nothing frames what follows */
	size_t take_max;   /* bytes that it takes at a time */
	bool is_public;	   /* no token counted */
	bool allowed;	   /* what it says of its verdict */
	bool ended;	   /* the request's content */
	bool revoked;	   /* and does not know yet */
	size_t flushes;	   /* of the request's content */
	char target[128];  /* of the request */
	char content[256]; /* of the request, so far */
	char trailer[64];  /* the first one that may travel on */
	enum http_version version;
};

static struct exchange running;
static bool is_running;
static size_t begun;
static unsigned rejected; /* the status of the last rejection */
static int failure;	  /* the last enum client_failure; -1: none */
/* What becomes of a request; NULL: it stays. */
static void (*serve)(const struct request *request);

static inline const struct exchange_client_ops *
ops(void)
{
	return running.client->ops;
}

static inline void
end(enum exchange_end how)
{
	struct exchange_client *to = running.client;

	is_running = false;
	to->ops->ended(to, how);
}

/* Hand over an answer's head. */
static inline void
answer(unsigned status, enum content content, uint64_t length)
{
	struct response response = {.status = status, .content = content, .length = length};

	ops()->answer(running.client, &response);
}

/* Answer as a whole, with this content. */
static inline void
reply_with(unsigned status, const char *content)
{
	answer(status, CONTENT_LENGTH, strlen(content));
	ops()->reply_content(running.client, slice_of(content));
	ops()->content_end(running.client, NULL);
	end(END_COMPLETE);
}

static inline void
reply(const struct request *request)
{
	(void)request;
	reply_with(200, "hi");
}

/* ---- in the place of the exchange's own files ---- */

struct exchange *
exchange_new(
    struct exchange_context *context, struct exchange_client *to, const struct exchange_peer *peer)
{
	(void)context;
	(void)peer;
	assert_false(is_running);
	is_running = true;
	begun++;
	running = (struct exchange){.client = to, .take_max = SIZE_MAX};
	return &running;
}

void
exchange_authorize(struct exchange *exchange, struct request *request)
{
	snprintf(exchange->target, sizeof(exchange->target), "%.*s %.*s%.*s",
	    (int)request->method.len, request->method.at, (int)request->path.len, request->path.at,
	    (int)request->query.len, request->query.at);
	exchange->version = request->version;
	if (serve != NULL)
		serve(request);
}

void
exchange_reject(struct exchange *exchange, const struct request *request, unsigned status,
    struct slice title, struct slice detail)
{
	(void)exchange;
	(void)request;
	assert_true(title.len > 0 && detail.len > 0);
	rejected = status;
	reply_with(status, "");
}

bool
exchange_judge_if_changed(struct exchange *exchange)
{
	assert_true(is_running && exchange == &running);
	if (!exchange->revoked)
		return false;
	end(END_REVOKED);
	return true;
}

bool
exchange_takes_content(const struct exchange *exchange)
{
	return exchange->takes || exchange->tunnel;
}

size_t
exchange_content(struct exchange *exchange, struct slice data)
{
	size_t n = data.len < exchange->take_max ? data.len : exchange->take_max;

	strncat(exchange->content, data.at, n);
	return n;
}

void
exchange_content_end(struct exchange *exchange, const struct fields *trailers)
{
	exchange->ended = true;
	for (size_t i = 0; trailers != NULL && i < trailers->count; i++)
		if (!trailers->items[i].dropped)
			snprintf(exchange->trailer, sizeof(exchange->trailer), "%.*s",
			    (int)trailers->items[i].name.len, trailers->items[i].name.at);
}

bool
exchange_content_flush(struct exchange *exchange)
{
	exchange->flushes++;
	return false;
}

void
exchange_client_ready(struct exchange *exchange)
{
	(void)exchange;
}

void
exchange_stop_holding(struct exchange *exchange)
{
	(void)exchange;
}

void
exchange_client_failed(struct exchange *exchange, enum client_failure why)
{
	(void)exchange;
	failure = (int)why;
	switch (why) {
	case CLIENT_CLOSED:
		end(END_ABANDONED);
		break;
	case CLIENT_BAD_CONTENT:
		reply_with(400, "");
		break;
	case CLIENT_TOO_LARGE:
		reply_with(413, "");
		break;
	case CLIENT_BODY_TIMEOUT:
		reply_with(408, "");
		break;
	}
}

bool
exchange_is_allowed(const struct exchange *exchange)
{
	return exchange->allowed;
}

bool
exchange_is_public(const struct exchange *exchange)
{
	return exchange->is_public;
}

bool
exchange_awaits_content(const struct exchange *exchange)
{
	return exchange->takes && !exchange->ended;
}

uint64_t
exchange_age_ms(const struct exchange *exchange)
{
	(void)exchange;
	return 5000;
}

void
exchange_shutdown(struct exchange *exchange)
{
	(void)exchange;
	end(END_CUT);
}

void
exchange_dump(const struct exchange *exchange, struct dump *dump)
{
	jg_dump_begin(dump, "exchange");
	jg_dump_flag(dump, "takes", exchange->takes);
	jg_dump_end(dump);
}

/* Forget what the test before has seen. */
static inline void
fake_exchange_reset(void)
{
	begun = 0;
	rejected = 0;
	failure = -1;
	is_running = false;
	serve = NULL;
}

#endif
