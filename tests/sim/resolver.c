/* resolver.c - replaces proxy/net/resolve.c: no name of the simulated network has an address. */
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
	static const struct resolved nothing = {.ttl_s = 1, .error = "there is no such name"};
	struct question *question = arg;
	resolved_fn *done = question->done;
	void *ctx = question->ctx;

	(void)fd;
	(void)what;
	question_free(question);
	done(ctx, &nothing);
}

static struct resolution *
ask(struct resolver *resolver, struct slice name, uint16_t port, resolved_fn *done, void *ctx)
{
	static const struct timeval delay = {.tv_usec = 2000};
	struct question *question = calloc(1, sizeof(*question));

	(void)name;
	(void)port;
	if (question == NULL)
		return NULL;
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
