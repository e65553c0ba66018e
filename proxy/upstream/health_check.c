/* health_check.c - a check of a backend's health, from its connection to the end of its answer. */
#include "upstream/health_check.h"

#include <stdlib.h>

#include "jobgate/check.h"
#include "jobgate/container_of.h"
#include "net/loop.h"

/* An answer with more content is cut there: its status is known. */
#define CONTENT_MAX 65536

static const char lines[] = "User-Agent: jobgate\r\nAccept: */*\r\n";

struct health_check {
	struct upstream_user user; /* first */
	struct upstream *upstream; /* NULL once it is over */
	struct backend *backend;
	struct loop *loop;
	struct timer timer;
	struct task free_task;
	health_checked *checked;
	void *ctx;
	unsigned status; /* 0: the answer's head has not come */
	size_t content;
	struct request request;
	char text[]; /* of the request */
};

static struct health_check *
check_of(struct upstream_user *user)
{
	return (struct health_check *)user;
}

static void
check_free(struct task *task)
{
	free(container_of(task, struct health_check, free_task));
}

/* The upstream is gone. */
static void
check_close(struct health_check *check)
{
	check->upstream = NULL;
	timer_remove(&check->timer);
	pool_leave(check->backend);
	check->free_task.run = check_free;
	loop_defer(check->loop, &check->free_task);
}

static void
check_end(struct health_check *check, const char *why)
{
	check_close(check);
	check->checked(check->ctx, check, check->status, why);
}

void
health_check_cancel(struct health_check *check)
{
	check->upstream->ops->cancel(check->upstream);
	check_close(check);
}

static void
check_timed_out(struct timer *timer)
{
	struct health_check *check = container_of(timer, struct health_check, timer);

	check->upstream->ops->cancel(check->upstream);
	check_end(check, "no answer in time");
}

/* ---- what the backend's end calls ---- */

static void
check_send(struct health_check *check)
{
	check->upstream->ops->begin(check->upstream, &check->request, SLICE(lines));
	check->upstream->ops->flush(check->upstream);
}

static void
check_connected(struct upstream_user *user, struct upstream *upstream)
{
	struct health_check *check = check_of(user);

	check->upstream = upstream;
	check_send(check);
}

static void
check_ignore(struct upstream_user *user)
{
	(void)user;
}

static void
check_interim(struct upstream_user *user, struct response *response)
{
	(void)user;
	(void)response;
}

static void
check_head(struct upstream_user *user, struct response *response)
{
	check_of(user)->status = response->status;
}

static size_t
check_content(struct upstream_user *user, struct slice data)
{
	struct health_check *check = check_of(user);

	check->content += data.len;
	if (check->content > CONTENT_MAX) {
		check->upstream->ops->cancel(check->upstream);
		check_end(check, NULL);
	}
	return data.len;
}

static void
check_content_end(struct upstream_user *user, const struct fields *trailers)
{
	struct health_check *check = check_of(user);

	(void)trailers;
	check->upstream->ops->release(check->upstream);
	check_end(check, NULL);
}

static const char *
failure_text(enum upstream_failure failure)
{
	switch (failure) {
	case UPSTREAM_NO_ADDRESS:
		return "its name does not resolve";
	case UPSTREAM_NOT_ALLOWED:
		return "its address is not allowed";
	case UPSTREAM_REFUSED:
	case UPSTREAM_CONNECT_FAILED:
	case UPSTREAM_CIRCUIT_OPEN:
		return "it takes no connections";
	case UPSTREAM_CONNECT_TIMEOUT:
		return "no connection in time";
	case UPSTREAM_NOT_VERIFIED:
		return "its certificate could not be verified";
	case UPSTREAM_NO_SOCKET:
		return NULL; /* the gateway's own: it says nothing about the replica */
	case UPSTREAM_BROKEN:
		return "it closed the connection before it had answered";
	case UPSTREAM_NOT_HTTP2:
	case UPSTREAM_NEEDS_HTTP1:
	case UPSTREAM_WANTS_HTTP1:
	case UPSTREAM_BAD_ANSWER:
		break;
	}
	return "its answer is not valid";
}

static void
check_failed(struct upstream_user *user, enum upstream_failure failure, enum repeat repeat)
{
	struct health_check *check = check_of(user);

	/* A kept connection was at its end, or the head has come: that is no failed check. */
	if (repeat == REPEAT_STALE || repeat == REPEAT_UNPROCESSED)
		check_end(check, NULL);
	else
		check_end(check, check->status != 0 ? NULL : failure_text(failure));
}

/* A health check relies on no record, so no change ends it. */
static bool
check_judge_if_changed(struct upstream_user *user)
{
	(void)user;
	return false;
}

static const struct upstream_user_ops check_ops = {
    .judge_if_changed = check_judge_if_changed,
    .connected = check_connected,
    .interim = check_interim,
    .head = check_head,
    .content = check_content,
    .content_end = check_content_end,
    .flush = check_ignore,
    .writable = check_ignore,
    .failed = check_failed,
};

/* ---- its beginning ---- */

static void
fill(struct health_check *check, const struct health_question *question)
{
	struct request *request = &check->request;
	char *at = check->text;

	*request = (struct request){.method = SLICE("GET"),
	    .method_id = METHOD_GET,
	    .content = CONTENT_NONE,
	    .version = HTTP_1_1};
	request->authority = (struct slice){at, question->authority.len};
	memcpy(at, question->authority.at, question->authority.len);
	at += question->authority.len;
	request->path = (struct slice){at, question->url->base.len + question->path.len};
	if (question->url->base.len > 0)
		memcpy(at, question->url->base.at, question->url->base.len);
	memcpy(at + question->url->base.len, question->path.at, question->path.len);
}

struct health_check *
health_check_new(
    struct pool *pool, const struct health_question *question, health_checked *checked, void *ctx)
{
	struct health_check *check = calloc(1, sizeof(*check) + question->authority.len +
						   question->url->base.len + question->path.len);
	bool up = false;

	if (check == NULL)
		return NULL;
	check->user.ops = &check_ops;
	check->user.elsewhere = true; /* a refusal is an answer */
	check->loop = question->loop;
	check->checked = checked;
	check->ctx = ctx;
	fill(check, question);
	check->backend = pool_enter(pool, question->url, question->source);
	if (check->backend == NULL) {
		free(check);
		return NULL;
	}
	check->upstream = pool_acquire(check->backend, &check->user, POOL_ANY, POOL_SHARED, &up);
	if (check->upstream == NULL) {
		pool_leave(check->backend);
		free(check);
		return NULL;
	}
	check->timer.expired = check_timed_out;
	timer_start(check->loop, &check->timer, question->deadline_ms);
	if (up)
		check_send(check);
	return check;
}
