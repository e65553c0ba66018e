/* resolver.c - replaces proxy/net/resolve.c: the name of a backend is its address with ".sim"
 * behind it; no other name has an address. */
#include "net/resolve.h"

#include <event2/event.h>
#include <stdlib.h>

struct names {
	struct resolver resolver; /* first */
	struct event_base *base;
};

struct question {
	struct resolution resolution; /* first */
	struct event *answer;
	struct resolved resolved;
	resolved_fn *done;
	void *ctx;
};

static void
question_free(struct question *question)
{
	if (question->answer != NULL)
		event_free(question->answer);
	free(question);
}

static void
on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct question *question = arg;
	const struct resolved resolved = question->resolved;
	resolved_fn *done = question->done;
	void *ctx = question->ctx;

	(void)fd;
	(void)what;
	question_free(question);
	done(ctx, &resolved);
}

static void
look_up(struct slice name, uint16_t port, struct resolved *out)
{
	const struct slice end = SLICE(".sim");

	*out = (struct resolved){.ttl_s = 1, .error = "there is no such name"};
	if (name.len > end.len &&
	    address_parse((struct slice){name.at, name.len - end.len}, port, &out->addresses[0]))
		out->count = 1;
}

static struct resolution *
ask(struct resolver *resolver, struct slice name, uint16_t port, resolved_fn *done, void *ctx)
{
	static const struct timeval delay = {.tv_usec = 2000};
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL)
		return NULL;
	look_up(name, port, &question->resolved);
	question->resolution.resolver = resolver;
	question->done = done;
	question->ctx = ctx;
	question->answer = evtimer_new(((struct names *)resolver)->base, on_answer, question);
	if (question->answer != NULL && evtimer_add(question->answer, &delay) == 0)
		return &question->resolution;
	question_free(question);
	return NULL;
}

static void
cancel(struct resolution *resolution)
{
	question_free((struct question *)resolution);
}

static void
resolver_end(struct resolver *resolver)
{
	free(resolver);
}

struct resolver *
resolver_new(struct event_base *base, const char *servers)
{
	static const struct resolver_ops ops = {.ask = ask, .cancel = cancel, .free = resolver_end};
	struct names *names = malloc(sizeof(*names));

	(void)servers;
	if (names == NULL)
		return NULL;
	names->resolver.ops = &ops;
	names->base = base;
	return &names->resolver;
}

struct resolver *
resolver_open(struct event_base *base)
{
	return resolver_new(base, NULL);
}

struct resolver *
resolver_new_from(struct event_base *base, const char *resolv_conf, uint16_t port)
{
	(void)resolv_conf;
	(void)port;
	return resolver_new(base, NULL);
}
