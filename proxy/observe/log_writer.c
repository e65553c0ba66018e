/* log_writer.c - a ring, and a sink that it is emptied into. */
#include "observe/log_writer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "observe/log_sink.h"
#include "observe/ring.h"

#define LINES_MAX (64 * 1024)

struct log_writer {
	/* Used only by the event loop. */
	struct log_writer_options options;
	char *where;
	struct ring *ring; /* the loop puts, the turns take */
	void *running;	   /* of the runner; NULL: not yet */

	/* Shared: an order, which each turn reads first, and what failed. */
	atomic_bool reopening;
	atomic_int write_error, reopen_error;

	/* Used only by the turns. */
	struct log_sink sink;
	size_t len;
	char lines[LINES_MAX];
};

/* ---- a turn ---- */

static void
write_lines(struct log_writer *writer)
{
	size_t lost =
	    writer->len > 0 ? log_sink_write(&writer->sink, writer->lines, writer->len) : 0;

	writer->len = 0;
	if (lost == 0)
		return;
	atomic_store_explicit(&writer->write_error, errno, memory_order_relaxed);
	counter_add(&writer->options.losses->failed, lost);
}

static void
append_line(struct log_writer *writer, const char *line, size_t len)
{
	if (writer->len + len > writer->sink.batch_max)
		write_lines(writer);
	memcpy(writer->lines + writer->len, line, len);
	writer->len += len;
}

/* Write all that is in the ring. */
static void
drain(struct log_writer *writer)
{
	const struct log_writer_ops *ops = writer->options.ops;
	_Alignas(max_align_t) char message[LOG_WRITER_MAX];
	char line[LOG_WRITER_MAX];
	size_t len;

	while ((len = ring_take(writer->ring, message, writer->options.message_max)) > 0)
		append_line(writer, line, ops->format(writer->options.ctx, message, len, line));
	write_lines(writer);
	len = ops->drained != NULL ? ops->drained(writer->options.ctx, line) : 0;
	if (len == 0)
		return;
	append_line(writer, line, len);
	write_lines(writer);
}

static void
turn(void *arg)
{
	struct log_writer *writer = arg;

	/* Before writing: what is written after the order to reopen goes to the new file. */
	if (atomic_exchange_explicit(&writer->reopening, false, memory_order_acq_rel) &&
	    !log_sink_reopen(&writer->sink))
		atomic_store_explicit(&writer->reopen_error, errno, memory_order_relaxed);
	drain(writer);
}

/* ---- the event loop ---- */

struct log_writer *
log_writer_new(const struct log_writer_options *options)
{
	struct log_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return NULL;
	writer->options = *options;
	writer->where = strdup(options->where);
	if (writer->where == NULL) {
		free(writer);
		return NULL;
	}
	log_sink_take(&writer->sink, writer->where, options->fd);
	writer->ring = ring_new(options->room);
	if (writer->ring != NULL)
		writer->running = options->runner->start(turn, writer);
	if (writer->running != NULL)
		return writer;
	log_writer_free(writer);
	return NULL;
}

static void
release(struct log_writer *writer)
{
	int error = errno;

	ring_free(writer->ring);
	free(writer->where);
	free(writer);
	errno = error;
}

bool
log_writer_free(struct log_writer *writer)
{
	if (writer->running != NULL && !writer->options.runner->stop(writer->running))
		return false;
	log_sink_close(&writer->sink);
	release(writer);
	return true;
}

bool
log_writer_put(struct log_writer *writer, const struct iovec *pieces, int count)
{
	if (ring_put(writer->ring, pieces, count))
		return true;
	counter_add(&writer->options.losses->full, 1);
	return false;
}

void
log_writer_wake(struct log_writer *writer)
{
	if (ring_used(writer->ring) > 0)
		writer->options.runner->wake(writer->running);
}

void
log_writer_reopen(struct log_writer *writer)
{
	atomic_store_explicit(&writer->reopening, true, memory_order_release);
	writer->options.runner->wake(writer->running);
}

int
log_writer_write_error(struct log_writer *writer)
{
	return atomic_exchange_explicit(&writer->write_error, 0, memory_order_relaxed);
}

int
log_writer_reopen_error(struct log_writer *writer)
{
	return atomic_exchange_explicit(&writer->reopen_error, 0, memory_order_relaxed);
}
