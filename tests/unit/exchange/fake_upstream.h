/*
 * fake_upstream.h - a backend's end as an exchange sees it; notes what it is given. It also defines
 * the functions of the pool.
 */
#ifndef JOBGATE_TEST_FAKE_UPSTREAM_H
#define JOBGATE_TEST_FAKE_UPSTREAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/pool.h"

struct fake_upstream {
	struct upstream upstream; /* first */
	/* Chosen by the test. */
	size_t room;  /* content that it still takes */
	bool pending; /* something is still to be sent */
	bool unsent;  /* so is all of the request */
	/* What it was given. */
	unsigned begun, flushes, pumps, ends, released, cancelled;
	char head[256];	   /* "METHOD authority path query upgrade" of `begin` */
	char lines[65536]; /* its fields */
	char body[1024];
	size_t body_len;
	bool trailers;
};

/* It must be in use: exactly one of release and cancel ends it. */
static inline struct fake_upstream *
fake_upstream_of(const struct upstream *upstream)
{
	struct fake_upstream *fake = (struct fake_upstream *)upstream;

	assert_int_equal(fake->released + fake->cancelled, 0);
	return fake;
}

/* Called by `begin`; NULL: nothing is. */
static void (*fake_upstream_begins)(void);

static inline void
fake_upstream_begin(struct upstream *upstream, const struct request *request, struct slice lines)
{
	struct fake_upstream *fake = fake_upstream_of(upstream);

	assert_int_equal(fake->begun++, 0);
	snprintf(fake->head, sizeof(fake->head), "%.*s %.*s %.*s %.*s %.*s",
	    (int)request->method.len, request->method.at, (int)request->authority.len,
	    request->authority.at, (int)request->path.len, request->path.at,
	    (int)request->query.len, request->query.at, (int)request->upgrade.len,
	    request->upgrade.at);
	snprintf(fake->lines, sizeof(fake->lines), "%.*s", (int)lines.len, lines.at);
	if (fake_upstream_begins != NULL)
		fake_upstream_begins();
}

static inline size_t
fake_upstream_content(struct upstream *upstream, struct slice data)
{
	struct fake_upstream *fake = fake_upstream_of(upstream);
	size_t n = data.len < fake->room ? data.len : fake->room;

	assert_true(fake->body_len + n <= sizeof(fake->body));
	memcpy(fake->body + fake->body_len, data.at, n);
	fake->body_len += n;
	fake->room -= n;
	return n;
}

static inline void
fake_upstream_content_end(struct upstream *upstream, const struct fields *trailers)
{
	struct fake_upstream *fake = fake_upstream_of(upstream);

	fake->ends++;
	fake->trailers = trailers != NULL;
}

static inline void
fake_upstream_flush(struct upstream *upstream)
{
	fake_upstream_of(upstream)->flushes++;
}

static inline void
fake_upstream_pump(struct upstream *upstream)
{
	fake_upstream_of(upstream)->pumps++;
}

static inline bool
fake_upstream_pending(const struct upstream *upstream)
{
	return fake_upstream_of(upstream)->pending;
}

static inline bool
fake_upstream_unsent(const struct upstream *upstream)
{
	return fake_upstream_of(upstream)->unsent;
}

static inline void
fake_upstream_release(struct upstream *upstream)
{
	fake_upstream_of(upstream)->released++;
}

static inline void
fake_upstream_cancel(struct upstream *upstream)
{
	fake_upstream_of(upstream)->cancelled++;
}

static const struct upstream_ops fake_upstream_ops = {
    .begin = fake_upstream_begin,
    .content = fake_upstream_content,
    .content_end = fake_upstream_content_end,
    .flush = fake_upstream_flush,
    .pump = fake_upstream_pump,
    .pending = fake_upstream_pending,
    .unsent = fake_upstream_unsent,
    .release = fake_upstream_release,
    .cancel = fake_upstream_cancel,
};

/* The same, of a protocol whose backends say that they have not processed a request. */
static const struct upstream_ops fake_shared_ops = {
    .begin = fake_upstream_begin,
    .content = fake_upstream_content,
    .content_end = fake_upstream_content_end,
    .flush = fake_upstream_flush,
    .pump = fake_upstream_pump,
    .pending = fake_upstream_pending,
    .unsent = fake_upstream_unsent,
    .release = fake_upstream_release,
    .cancel = fake_upstream_cancel,
    .says_unprocessed = true,
};

/* What exchanges get for each pool_acquire; zero it at first. */
#define FAKE_ACQUIRES_MAX 8
#define FAKE_BACKENDS_MAX 10

struct fake_pool {
	/* Chosen by the test. */
	bool to_make[FAKE_ACQUIRES_MAX]; /* the connection is still to be made */
	bool none[FAKE_ACQUIRES_MAX];	 /* memory is short */
	bool shared[FAKE_ACQUIRES_MAX];	 /* as over HTTP/2 */
	/* What it was asked. */
	struct fake_upstream given[FAKE_ACQUIRES_MAX];
	enum pool_choice choices[FAKE_ACQUIRES_MAX];
	enum pool_sharing sharing[FAKE_ACQUIRES_MAX];
	unsigned acquires;
	size_t acquired[FAKE_ACQUIRES_MAX]; /* index of the backend */
	int entered;			    /* how many exchanges hold a backend */
	int entered_at[FAKE_BACKENDS_MAX];  /* the same for each: its index is the last digit of its
					     * port */
	bool closed_at[FAKE_BACKENDS_MAX];  /* chosen by the test: it takes no connections */
	char target[128];		    /* host:port, or the path, of the last pool_enter */
	enum backend_source source;
};

static struct fake_pool fake_pool;

/* Its index in `entered_at`, to which the pointer points. */
static inline size_t
fake_backend_index(const struct backend *backend)
{
	ptrdiff_t index = (const int *)backend - fake_pool.entered_at;

	assert_in_range(index, 0, FAKE_BACKENDS_MAX - 1);
	return (size_t)index;
}

struct backend *
pool_enter(struct pool *pool, const struct job_url *target, enum backend_source source)
{
	struct slice name = target->scheme == JOB_URL_UNIX ? target->path : target->host;

	(void)pool;
	fake_pool.entered++;
	fake_pool.source = source;
	snprintf(fake_pool.target, sizeof(fake_pool.target), "%.*s:%u", (int)name.len, name.at,
	    target->port);
	fake_pool.entered_at[target->port % FAKE_BACKENDS_MAX]++;
	return (struct backend *)&fake_pool.entered_at[target->port % FAKE_BACKENDS_MAX];
}

void
pool_leave(struct backend *backend)
{
	fake_pool.entered_at[fake_backend_index(backend)]--;
	fake_pool.entered--;
}

bool
pool_prefers(const struct backend *a, const struct backend *b)
{
	size_t at_a = fake_backend_index(a), at_b = fake_backend_index(b);

	if (fake_pool.closed_at[at_a] != fake_pool.closed_at[at_b])
		return fake_pool.closed_at[at_b];
	return fake_pool.entered_at[at_a] <= fake_pool.entered_at[at_b];
}

struct slice
pool_name(const struct backend *backend, char out[POOL_NAME_MAX])
{
	return (struct slice){
	    out, (size_t)snprintf(out, POOL_NAME_MAX, "replica-%zu", fake_backend_index(backend))};
}

void
pool_stop_holding(struct upstream *upstream)
{
	assert_non_null(upstream);
}

unsigned
pool_retry_s(const struct backend *backend)
{
	fake_backend_index(backend);
	return 7;
}

struct upstream *
pool_acquire(struct backend *backend, struct upstream_user *user, enum pool_choice choice,
    enum pool_sharing sharing, bool *up)
{
	unsigned i = fake_pool.acquires++;
	struct fake_upstream *given = &fake_pool.given[i];

	assert_true(i < FAKE_ACQUIRES_MAX);
	fake_pool.acquired[i] = fake_backend_index(backend);
	fake_pool.choices[i] = choice;
	fake_pool.sharing[i] = sharing;
	given->upstream =
	    (struct upstream){fake_pool.shared[i] ? &fake_shared_ops : &fake_upstream_ops, user};
	given->room = given->room != 0 ? given->room : sizeof(given->body);
	*up = !fake_pool.to_make[i];
	return fake_pool.none[i] ? NULL : &given->upstream;
}

#endif
