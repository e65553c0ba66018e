/* fake_user.h - an exchange as its backend's end sees it; notes what it is told. */
#ifndef JOBGATE_TEST_FAKE_USER_H
#define JOBGATE_TEST_FAKE_USER_H

#include <string.h>

#include "upstream/upstream.h"

struct fake_user {
	struct upstream_user user; /* first */
	struct upstream *upstream; /* set by `connected` */
	/* Chosen by the test. */
	const struct request *request; /* to be sent once it is connected, with */
	struct slice lines;	       /* these fields; NULL: it is not up to this user */
	size_t room;		       /* content that it still takes */
	bool release_at_end; /* an answer that has ended is released at once, as an exchange does */
	bool cancel_at_head; /* the exchange ends when it is told of the head */
	/* What it was told. */
	unsigned connected, interims, heads, flushes, writable, ends, failed;
	unsigned status, interim_status; /* of the last ones */
	enum content content;
	uint64_t length;
	char fields[1024]; /* of the last head, "Name: value\n" each that is not dropped */
	char trailers[256];
	unsigned checks;
	bool revoked; /* it does not know yet */
	char body[4096];
	size_t body_len;
	enum upstream_failure failure;
	enum repeat repeat;
};

static inline void
fake_user_write_fields(const struct fields *fields, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; fields != NULL && i < fields->count; i++)
		if (!fields->items[i].dropped && at < cap)
			at += (size_t)snprintf(out + at, cap - at, "%.*s: %.*s\n",
			    (int)fields->items[i].name.len, fields->items[i].name.at,
			    (int)fields->items[i].value.len, fields->items[i].value.at);
}

static inline void
fake_user_connected(struct upstream_user *user, struct upstream *upstream)
{
	struct fake_user *fake = (struct fake_user *)user;

	fake->connected++;
	fake->upstream = upstream;
	if (fake->request == NULL)
		return;
	upstream->ops->begin(upstream, fake->request, fake->lines);
	upstream->ops->flush(upstream);
}

static inline void
fake_user_interim(struct upstream_user *user, struct response *response)
{
	struct fake_user *fake = (struct fake_user *)user;

	fake->interims++;
	fake->interim_status = response->status;
}

static inline void
fake_user_head(struct upstream_user *user, struct response *response)
{
	struct fake_user *fake = (struct fake_user *)user;

	fake->heads++;
	fake->status = response->status;
	fake->content = response->content;
	fake->length = response->length;
	fake_user_write_fields(&response->fields, fake->fields, sizeof(fake->fields));
	if (fake->cancel_at_head)
		fake->upstream->ops->cancel(fake->upstream);
}

static inline size_t
fake_user_content(struct upstream_user *user, struct slice data)
{
	struct fake_user *fake = (struct fake_user *)user;
	size_t n = data.len < fake->room ? data.len : fake->room;

	assert_true(fake->body_len + n <= sizeof(fake->body));
	memcpy(fake->body + fake->body_len, data.at, n);
	fake->body_len += n;
	fake->room -= n;
	return n;
}

static inline void
fake_user_content_end(struct upstream_user *user, const struct fields *trailers)
{
	struct fake_user *fake = (struct fake_user *)user;

	fake->ends++;
	fake_user_write_fields(trailers, fake->trailers, sizeof(fake->trailers));
	if (fake->release_at_end)
		fake->upstream->ops->release(fake->upstream);
}

static inline void
fake_user_flush(struct upstream_user *user)
{
	((struct fake_user *)user)->flushes++;
}

static inline void
fake_user_writable(struct upstream_user *user)
{
	((struct fake_user *)user)->writable++;
}

static inline void
fake_user_failed(struct upstream_user *user, enum upstream_failure failure, enum repeat repeat)
{
	struct fake_user *fake = (struct fake_user *)user;

	fake->failed++;
	fake->failure = failure;
	fake->repeat = repeat;
	fake->upstream = NULL;
}

/* One whose token was revoked learns of it now. */
static inline bool
fake_user_judge_if_changed(struct upstream_user *user)
{
	struct fake_user *fake = (struct fake_user *)user;
	struct upstream *upstream = fake->upstream;

	fake->checks++;
	if (!fake->revoked)
		return false;
	fake->upstream = NULL;
	upstream->ops->cancel(upstream);
	return true;
}

static const struct upstream_user_ops fake_user_ops = {
    .judge_if_changed = fake_user_judge_if_changed,
    .connected = fake_user_connected,
    .interim = fake_user_interim,
    .head = fake_user_head,
    .content = fake_user_content,
    .content_end = fake_user_content_end,
    .flush = fake_user_flush,
    .writable = fake_user_writable,
    .failed = fake_user_failed,
};

#define FAKE_USER \
	((struct fake_user){.user.ops = &fake_user_ops, .room = SIZE_MAX, .release_at_end = true})

#endif
