/* http2_walk_exchanges.h - the exchanges of a walk (http2_walk.h): they check what they are told.
 */
#ifndef JOBGATE_TEST_HTTP2_WALK_EXCHANGES_H
#define JOBGATE_TEST_HTTP2_WALK_EXCHANGES_H

#include "http2_client_world.h"

#define WALKERS 64

/* A number below this one: see http2_walk.h. */
static size_t pick(size_t below);

/* An exchange. */
struct walker {
	struct upstream_user user; /* first */
	struct upstream *upstream; /* NULL: none, or it is over */
	const struct request *request;
	size_t room;		/* content of the answer that it still takes */
	size_t pushed, to_push; /* content of the request */
	size_t came;		/* content of the answer */
	bool head, tunnel, ends, ended, answer_ended;
};

static struct walker walkers[WALKERS];

/* The backend has broken a rule: what it has sent, and its own books, mean nothing any more. */
static bool hostile;

static struct request requests[3];

/* The content of each request and each answer is letters, counted from its beginning. */
static inline char
letter(size_t at)
{
	return (char)('a' + at % 26);
}

/* The connection is still there. */
static inline bool
is_alive(void)
{
	struct backend_conn *at;

	LIST_FOREACH(at, &world.pool->all, member)
	if (at == connection)
		return at->dial == NULL;
	return false;
}

/* ---- exchanges ---- */

static inline struct walker *
walker_of(struct upstream_user *user)
{
	struct walker *walker = (struct walker *)user;

	assert_non_null(walker->upstream); /* it is told nothing once it is over */
	return walker;
}

static inline void
walker_push(struct walker *walker)
{
	static char text[8192];
	const struct upstream_ops *ops = walker->upstream->ops;
	size_t len, taken;

	while (walker->to_push > 0 && !walker->ended) {
		len = walker->to_push < sizeof(text) ? walker->to_push : sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = letter(walker->pushed + i);
		taken = ops->content(walker->upstream, (struct slice){text, len});
		assert_true(taken <= len);
		walker->pushed += taken;
		walker->to_push -= taken;
		if (taken < len)
			return;
	}
	if (walker->ends && !walker->ended) {
		walker->ended = true;
		ops->content_end(walker->upstream, NULL);
	}
}

static inline void
walker_begin(struct walker *walker)
{
	walker->upstream->ops->begin(walker->upstream, walker->request, SLICE("x-a: b\r\n"));
	walker->ended = walker->request->content == CONTENT_NONE;
	walker_push(walker);
}

static inline void
walker_connected(struct upstream_user *user, struct upstream *upstream)
{
	struct walker *walker = (struct walker *)user;

	assert_null(walker->upstream);
	walker->upstream = upstream;
	walker_begin(walker);
}

static inline void
walker_interim(struct upstream_user *user, struct response *response)
{
	assert_false(walker_of(user)->head);
	assert_in_range(response->status, 100, 199);
}

static inline void
walker_head(struct upstream_user *user, struct response *response)
{
	struct walker *walker = walker_of(user);

	assert_false(walker->head);
	assert_true(response->fields.count <= HEAD_FIELDS_MAX);
	walker->head = true;
	walker->tunnel = response->tunnel;
	walker->ended = walker->ended && !response->tunnel; /* content may follow now */
}

static inline size_t
walker_content(struct upstream_user *user, struct slice data)
{
	struct walker *walker = walker_of(user);
	size_t n = data.len < walker->room ? data.len : walker->room;

	assert_true(walker->head && !walker->answer_ended && data.len > 0);
	for (size_t i = 0; i < n && !hostile; i++)
		assert_int_equal(data.at[i], letter(walker->came + i));
	walker->came += n;
	walker->room -= n;
	return n;
}

static inline void
walker_content_end(struct upstream_user *user, const struct fields *trailers)
{
	struct walker *walker = walker_of(user);
	struct upstream *upstream = walker->upstream;

	assert_true(walker->head && !walker->answer_ended);
	assert_true(trailers == NULL || trailers->count <= HEAD_FIELDS_MAX);
	walker->answer_ended = true;
	if (walker->tunnel)
		return; /* the other side goes on */
	walker->upstream = NULL;
	if (walker->ended)
		upstream->ops->release(upstream);
	else
		upstream->ops->cancel(upstream);
}

static inline void
walker_flush(struct upstream_user *user)
{
	assert_non_null(walker_of(user));
}

static inline void
walker_writable(struct upstream_user *user)
{
	walker_push(walker_of(user));
}

static inline void
walker_failed(struct upstream_user *user, enum upstream_failure failure, enum repeat repeat)
{
	struct walker *walker = walker_of(user);

	(void)failure;
	assert_true(repeat == REPEAT_NOT || !walker->head);
	walker->upstream = NULL;
}

static inline bool
walker_judge_if_changed(struct upstream_user *user)
{
	(void)user;
	return false;
}

static const struct upstream_user_ops walker_ops = {
    .judge_if_changed = walker_judge_if_changed,
    .connected = walker_connected,
    .interim = walker_interim,
    .head = walker_head,
    .content = walker_content,
    .content_end = walker_content_end,
    .flush = walker_flush,
    .writable = walker_writable,
    .failed = walker_failed,
};

static inline void
walker_init(struct walker *walker)
{
	*walker = (struct walker){.user.ops = &walker_ops, .request = &requests[pick(3)]};
	walker->room = pick(3) == 0 ? 0 : 1000000;
	if (walker->request->content == CONTENT_NONE && walker->request->upgrade.len == 0)
		return;
	walker->to_push = pick(4) == 0 ? pick(200000) : pick(2000);
	walker->ends = pick(2) == 0;
}

static inline void
walker_cancel(struct walker *walker)
{
	struct upstream *upstream = walker->upstream;

	walker->upstream = NULL;
	upstream->ops->cancel(upstream);
}

static inline void
walker_joins(struct walker *walker)
{
	bool up;

	walker_init(walker);
	walker->upstream = pool_acquire(backend, &walker->user, pick(2) ? POOL_ANY : POOL_CHECKED,
	    walker->request->upgrade.len > 0 ? POOL_TUNNEL : POOL_SHARED, &up);
	assert_non_null(walker->upstream);
	if (up)
		walker_begin(walker);
	else
		walker_cancel(walker); /* there is no other backend */
}

static inline void
walker_acts(struct walker *walker)
{
	switch (pick(6)) {
	case 0:
		walker_cancel(walker);
		break;
	case 1:
		walker->upstream->ops->flush(walker->upstream);
		break;
	case 2:
	case 3:
		walker->room = pick(2) == 0 ? pick(3000) : 1000000;
		walker->upstream->ops->pump(walker->upstream);
		break;
	default:
		if (walker->ended)
			break;
		if (walker->to_push == 0 && !walker->ends)
			walker->to_push = pick(3000);
		walker->ends = walker->ends || pick(3) == 0;
		walker_push(walker);
	}
}

static inline void
exchange_acts(void)
{
	struct walker *walker = &walkers[pick(WALKERS)];

	if (walker->upstream != NULL)
		walker_acts(walker);
	else if (is_alive())
		walker_joins(walker);
}

#endif
