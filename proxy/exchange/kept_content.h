/* kept_content.h - a copy of the first content of a request, for as long as it may have to be sent
 * again. */
#ifndef JOBGATE_EXCHANGE_KEPT_CONTENT_H
#define JOBGATE_EXCHANGE_KEPT_CONTENT_H

#include "net/buffer.h"

/* Content of one request that is kept, in bytes: what fits in the largest block. */
#define KEPT_CONTENT_MAX BUFFER_LARGE

/* Room for kept content of all requests of a worker, in bytes. */
#define KEPT_CONTENTS_MAX (32 * 1024 * 1024)

/*
 * Start with a zeroed one. Invariant: unless `lost`, `bytes` has all content that was taken from
 * the client.
 */
struct kept_content {
	struct buffer *bytes; /* NULL: none */
	size_t sent;	      /* how much of it the present backend has taken */
	bool ended;	      /* the content's end was taken from the client */
	bool end_due;	      /* the present backend still has to be told of that */
	bool secret;	      /* wipe it before its memory goes back */
	bool lost;	      /* some content was taken and not kept: it cannot be sent again */
};

/* Where the blocks come from, for all exchanges of a worker. */
struct kept_content_room {
	struct buffer_pool *buffers;
	size_t used; /* bytes of the blocks in use, of KEPT_CONTENTS_MAX */
};

/*
 * The backend has taken this content: keep a copy. If that is too much, keep nothing any more
 * (lost).
 */
void kept_content_add(
    struct kept_content *kept, struct kept_content_room *room, struct slice content);

/* Give back what is kept, and keep nothing from now on. */
void kept_content_lose(struct kept_content *kept, struct kept_content_room *room);

/* Another backend is to get all of it. Call it only if it is not lost. */
void kept_content_rewind(struct kept_content *kept);

/* The content that the present backend has not taken yet. */
static inline struct slice
kept_content_rest(const struct kept_content *kept)
{
	return kept->bytes != NULL ? slice_after(buffer_bytes(kept->bytes), kept->sent)
				   : (struct slice){0};
}

/* True when the present backend has to get kept content, or its end, before new content. */
static inline bool
kept_content_waits(const struct kept_content *kept)
{
	return kept->end_due || kept_content_rest(kept).len > 0;
}

#endif
