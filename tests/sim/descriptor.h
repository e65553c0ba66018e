/* descriptor.h - what a descriptor of a node refers to, and who hears of its events (epoll). */
#ifndef SIM_DESCRIPTOR_H
#define SIM_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

struct node;
struct epoll;
struct descriptor;

enum descriptor_kind {
	DESCRIPTOR_STREAM,
	DESCRIPTOR_LISTENER,
	DESCRIPTOR_EPOLL,
	DESCRIPTOR_SOCKET, /* neither bound nor connected yet */
	DESCRIPTOR_SILENT, /* a pipe or an eventfd through which nothing ever comes */
};

/* One descriptor that an epoll instance watches. */
struct watch {
	LIST_ENTRY(watch) of_descriptor;
	TAILQ_ENTRY(watch) of_ready;
	struct epoll *epoll;
	struct descriptor *descriptor;
	int fd;
	uint32_t events;
	epoll_data_t data;
	bool ready;
};

/* The first member of each object that a descriptor leads to. */
struct descriptor {
	enum descriptor_kind kind;
	unsigned holders; /* entries of tables */
	LIST_HEAD(, watch) watches;
	uint32_t (*poll)(struct descriptor *descriptor); /* events that hold now */
	void (*release)(struct descriptor *descriptor);	 /* the last holder has closed it */
};

/* Something happened: those who watch for these events look again. */
void descriptor_notify(struct descriptor *descriptor, uint32_t events);

/* A descriptor without events, of a kind that has no file of its own. */
struct descriptor *descriptor_new(enum descriptor_kind kind);

/* A holder has closed it. */
void descriptor_close(struct descriptor *descriptor);

/* ---- epoll ---- */

struct descriptor *epoll_new(struct node *node);

/* As epoll_ctl(2) and epoll_wait(2) without waiting; negative errno on failure. */
int epoll_control(struct descriptor *epoll, int op, int fd, struct descriptor *descriptor,
    const struct epoll_event *event);
int epoll_take(struct descriptor *epoll, struct epoll_event *out, int max);

#endif
