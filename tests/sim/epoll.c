/* epoll.c - epoll(7): level- and edge-triggered, as Linux does it. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "descriptor.h"
#include "node.h"

struct epoll {
	struct descriptor descriptor;
	struct node *node;
	TAILQ_HEAD(watches_ready, watch) ready;
	struct watch *watches[NODE_DESCRIPTORS];
};

#define ALWAYS (EPOLLERR | EPOLLHUP)

static void
watch_free(struct watch *watch)
{
	LIST_REMOVE(watch, of_descriptor);
	if (watch->ready)
		TAILQ_REMOVE(&watch->epoll->ready, watch, of_ready);
	watch->epoll->watches[watch->fd] = NULL;
	free(watch);
}

static void
watch_set_ready(struct watch *watch)
{
	if (!watch->ready)
		TAILQ_INSERT_TAIL(&watch->epoll->ready, watch, of_ready);
	watch->ready = true;
	node_wake(watch->epoll->node);
}

void
descriptor_notify(struct descriptor *descriptor, uint32_t events)
{
	struct watch *watch;

	LIST_FOREACH(watch, &descriptor->watches, of_descriptor)
	if ((watch->events | ALWAYS) & events)
		watch_set_ready(watch);
}

static void
free_descriptor(struct descriptor *descriptor)
{
	free(descriptor);
}

static uint32_t
poll_nothing(struct descriptor *descriptor)
{
	(void)descriptor;
	return 0;
}

struct descriptor *
descriptor_new(enum descriptor_kind kind)
{
	struct descriptor *descriptor = calloc(1, sizeof(*descriptor));

	if (descriptor == NULL)
		abort();
	descriptor->kind = kind;
	descriptor->poll = poll_nothing;
	descriptor->release = free_descriptor;
	return descriptor;
}

void
descriptor_close(struct descriptor *descriptor)
{
	struct watch *watch;

	if (--descriptor->holders > 0)
		return;
	while ((watch = LIST_FIRST(&descriptor->watches)) != NULL)
		watch_free(watch);
	descriptor->release(descriptor);
}

/* ---- an instance ---- */

static void
epoll_release(struct descriptor *descriptor)
{
	struct epoll *epoll = (struct epoll *)descriptor;

	for (size_t i = 0; i < NODE_DESCRIPTORS; i++)
		if (epoll->watches[i] != NULL)
			watch_free(epoll->watches[i]);
	free(epoll);
}

struct descriptor *
epoll_new(struct node *node)
{
	struct epoll *epoll = calloc(1, sizeof(*epoll));

	if (epoll == NULL)
		abort();
	epoll->descriptor.kind = DESCRIPTOR_EPOLL;
	epoll->descriptor.poll = poll_nothing;
	epoll->descriptor.release = epoll_release;
	epoll->node = node;
	TAILQ_INIT(&epoll->ready);
	return &epoll->descriptor;
}

static int
watch_add(struct epoll *epoll, int fd, struct descriptor *descriptor)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		abort();
	watch->epoll = epoll;
	watch->descriptor = descriptor;
	watch->fd = fd;
	epoll->watches[fd] = watch;
	LIST_INSERT_HEAD(&descriptor->watches, watch, of_descriptor);
	return 0;
}

int
epoll_control(struct descriptor *instance, int op, int fd, struct descriptor *descriptor,
    const struct epoll_event *event)
{
	struct epoll *epoll = (struct epoll *)instance;
	struct watch *watch = epoll->watches[fd];

	if (op == EPOLL_CTL_ADD && watch != NULL)
		return -EEXIST;
	if (op != EPOLL_CTL_ADD && watch == NULL)
		return -ENOENT;
	if (op == EPOLL_CTL_DEL) {
		watch_free(watch);
		return 0;
	}
	if (op == EPOLL_CTL_ADD)
		watch_add(epoll, fd, descriptor);
	watch = epoll->watches[fd];
	watch->events = event->events;
	watch->data = event->data;
	if (descriptor->poll(descriptor) & (watch->events | ALWAYS))
		watch_set_ready(watch);
	return 0;
}

int
epoll_take(struct descriptor *instance, struct epoll_event *out, int max)
{
	struct epoll *epoll = (struct epoll *)instance;
	struct watch *watch, *last = TAILQ_LAST(&epoll->ready, watches_ready);
	int count = 0;

	while (count < max && (watch = TAILQ_FIRST(&epoll->ready)) != NULL) {
		uint32_t events =
		    watch->descriptor->poll(watch->descriptor) & (watch->events | ALWAYS);

		TAILQ_REMOVE(&epoll->ready, watch, of_ready);
		watch->ready = false;
		if (events != 0) {
			out[count++] = (struct epoll_event){.events = events, .data = watch->data};
			/* Level-triggered: looked at again the next time. */
			if ((watch->events & EPOLLET) == 0) {
				watch->ready = true;
				TAILQ_INSERT_TAIL(&epoll->ready, watch, of_ready);
			}
		}
		if (watch == last)
			break;
	}
	return count;
}
