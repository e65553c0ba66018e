/* fake_client.h - a client's end as an exchange sees it; notes what it is given. */
#ifndef JOBGATE_TEST_FAKE_CLIENT_H
#define JOBGATE_TEST_FAKE_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jobgate/exchange.h"

struct fake_client {
	struct exchange_client client; /* first */
	/* Chosen by the test. */
	size_t room;	  /* content that it still takes */
	bool head_stays;  /* an answer's head has not left, and can be taken back */
	bool waits;	  /* some of the answer has not left */
	unsigned limited; /* what failed_auth says */
	uint64_t read;	  /* how far it has read */
	/* What it was given. */
	unsigned answers, interims, flushes, sends, checks, pauses, resumes, failures;
	unsigned status;       /* of the last answer, or interim answer */
	bool tunnel, no_reuse; /* of the answer */
	char fields[4096];     /* of the last answer: "Name: value\n" each */
	char body[32768];
	size_t body_len;
	char trailers[1024]; /* "name: value\n" each; empty: none */
	unsigned content_ends, ends;
	enum exchange_end end;
};

/* It has an exchange: nothing may be called once that has ended. */
static inline struct fake_client *
fake_client_of(struct exchange_client *client)
{
	struct fake_client *fake = (struct fake_client *)client;

	assert_int_equal(fake->ends, 0);
	return fake;
}

static inline void
fake_client_interim(struct exchange_client *client, const struct response *response)
{
	struct fake_client *fake = fake_client_of(client);

	fake->interims++;
	fake->status = response->status;
}

/* Write each field that is not dropped as "Name: value\n". */
static inline void
fake_client_note(const struct fields *fields, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->items[i];

		if (field->dropped)
			continue;
		len += (size_t)snprintf(out + len, cap - len, "%.*s: %.*s\n", (int)field->name.len,
		    field->name.at, (int)field->value.len, field->value.at);
		assert_true(len < cap);
	}
}

static inline void
fake_client_answer(struct exchange_client *client, const struct response *response)
{
	struct fake_client *fake = fake_client_of(client);

	fake->answers++;
	fake->status = response->status;
	fake->tunnel = response->tunnel;
	fake->no_reuse = response->no_reuse;
	fake_client_note(&response->fields, fake->fields, sizeof(fake->fields));
}

static inline size_t
fake_client_take(struct fake_client *fake, struct slice data, size_t n)
{
	assert_true(n <= data.len && fake->body_len + n < sizeof(fake->body));
	memcpy(fake->body + fake->body_len, data.at, n);
	fake->body_len += n;
	return n;
}

static inline size_t
fake_client_content(struct exchange_client *client, struct slice data)
{
	struct fake_client *fake = fake_client_of(client);
	size_t n = data.len < fake->room ? data.len : fake->room;

	fake->room -= n;
	return fake_client_take(fake, data, n);
}

static inline void
fake_client_reply_content(struct exchange_client *client, struct slice data)
{
	fake_client_take(fake_client_of(client), data, data.len);
}

static inline bool
fake_client_waits(struct exchange_client *client)
{
	return fake_client_of(client)->waits;
}

static inline bool
fake_client_last_words(struct exchange_client *client, struct slice data)
{
	return fake_client_content(client, data) == data.len;
}

static inline void
fake_client_content_end(struct exchange_client *client, const struct fields *trailers)
{
	struct fake_client *fake = fake_client_of(client);

	fake->content_ends++;
	if (trailers != NULL)
		fake_client_note(trailers, fake->trailers, sizeof(fake->trailers));
}

static inline void
fake_client_flush(struct exchange_client *client)
{
	fake_client_of(client)->flushes++;
}

static inline void
fake_client_send_now(struct exchange_client *client)
{
	fake_client_of(client)->sends++;
}

static inline void
fake_client_pause(struct exchange_client *client)
{
	fake_client_of(client)->pauses++;
}

static inline void
fake_client_resume(struct exchange_client *client)
{
	fake_client_of(client)->resumes++;
}

static inline bool
fake_client_take_back(struct exchange_client *client)
{
	return fake_client_of(client)->head_stays;
}

static inline uint64_t
fake_client_progress(struct exchange_client *client)
{
	return fake_client_of(client)->read;
}

static inline unsigned
fake_client_failed_auth(struct exchange_client *client, const struct in6_addr *address)
{
	struct fake_client *fake = fake_client_of(client);

	(void)address;
	fake->failures++;
	return fake->limited;
}

static inline void
fake_client_ended(struct exchange_client *client, enum exchange_end end)
{
	struct fake_client *fake = fake_client_of(client);

	fake->ends++;
	fake->end = end;
}

/* What the check of the others leads to; NULL: to nothing. */
static void (*fake_client_checked)(void);

static inline void
fake_client_judge_others(struct exchange_client *client)
{
	fake_client_of(client)->checks++;
	if (fake_client_checked != NULL)
		fake_client_checked();
}

static const struct exchange_client_ops fake_client_ops = {
    .interim = fake_client_interim,
    .answer = fake_client_answer,
    .content = fake_client_content,
    .reply_content = fake_client_reply_content,
    .waits = fake_client_waits,
    .last_words = fake_client_last_words,
    .content_end = fake_client_content_end,
    .flush = fake_client_flush,
    .send_now = fake_client_send_now,
    .judge_others = fake_client_judge_others,
    .pause = fake_client_pause,
    .resume = fake_client_resume,
    .take_back = fake_client_take_back,
    .progress = fake_client_progress,
    .failed_auth = fake_client_failed_auth,
    .ended = fake_client_ended,
};

#endif
