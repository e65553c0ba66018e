/* window.h - a window in which a peer may send content: a stream's, or the connection's. */
#ifndef JOBGATE_HTTP2_WINDOW_H
#define JOBGATE_HTTP2_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Invariant: what the peer may still send, what waits here and the credit are `size` in all. */
struct h2_window {
	int32_t left;	 /* bytes that the peer may still send */
	uint32_t size;	 /* how large it is to be */
	uint32_t credit; /* bytes dealt with, not yet given back */
};

static inline struct h2_window
h2_window_of(uint32_t size)
{
	return (struct h2_window){.left = (int32_t)size, .size = size};
}

/* DATA has come, which counts as this many bytes. False: the peer may not send so much. */
static inline bool
h2_window_take(struct h2_window *window, uint32_t bytes)
{
	window->left -= (int32_t)bytes;
	return window->left >= 0;
}

/* This many bytes were dealt with. True when it is time to give back the credit: half a window. */
static inline bool
h2_window_credit(struct h2_window *window, uint32_t bytes)
{
	window->credit += bytes;
	return window->credit >= window->size / 2;
}

/* Give back the credit: returns the increment for WINDOW_UPDATE. */
static inline uint32_t
h2_window_give(struct h2_window *window)
{
	uint32_t credit = window->credit;

	window->left += (int32_t)credit;
	window->credit = 0;
	return credit;
}

/* Make it larger: the peer learns of that with the next credit. */
static inline void
h2_window_grow(struct h2_window *window, uint32_t bytes)
{
	window->size += bytes;
	window->credit += bytes;
}

/* Make it smaller by part of the credit, which is not given back. */
static inline void
h2_window_shrink(struct h2_window *window, uint32_t bytes)
{
	window->size -= bytes;
	window->credit -= bytes;
}

#endif
