/* log_writer.c - a ring, a thread that empties it, and a sink. */
#include "observe/log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "observe/log_sink.h"
#include "observe/ring.h"

#define LINES_MAX (64 * 1024)

/* How long the end waits for a thread that is stuck in a write. */
#define PATIENCE_S 1

struct log_writer {
	/* The event loop's. */
	struct log_writer_options options;
	char *where;
	struct ring *ring; /* the loop puts, the thread takes */
	pthread_t thread;
	bool started;

	/* Shared: orders to the thread, which it reads after a wake-up, and what failed. */
	int wake; /* an eventfd */
	atomic_bool stopping, reopening;
	atomic_int write_error, reopen_error;

	/* The thread's. */
	struct log_sink sink;
	size_t len;
	char lines[LINES_MAX];
};

/* ---- the thread ---- */

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

static void *
run(void *arg)
{
	struct log_writer *writer = arg;
	bool stopping = false;
	eventfd_t ignored;

	while (!stopping) {
		eventfd_read(writer->wake, &ignored);
		/* Before looking: what was put before the order to stop is written. */
		stopping = atomic_load_explicit(&writer->stopping, memory_order_acquire);
		/* Before writing: what is written after the order to reopen goes to the new file.
		 */
		if (atomic_exchange_explicit(&writer->reopening, false, memory_order_acq_rel) &&
		    !log_sink_reopen(&writer->sink))
			atomic_store_explicit(&writer->reopen_error, errno, memory_order_relaxed);
		drain(writer);
	}
	return NULL;
}

/* ---- the event loop ---- */

static bool
start_thread(struct log_writer *writer)
{
	sigset_t all, before;

	/* The event loop handles all signals. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&writer->thread, NULL, run, writer);
	writer->started = errno == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return writer->started;
}

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
	writer->wake = eventfd(0, EFD_CLOEXEC);
	writer->ring = ring_new(options->room);
	if (writer->wake >= 0 && writer->ring != NULL && start_thread(writer))
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
	if (writer->wake >= 0)
		close(writer->wake);
	free(writer);
	errno = error;
}

bool
log_writer_free(struct log_writer *writer)
{
	struct timespec deadline;

	if (writer->started) {
		atomic_store_explicit(&writer->stopping, true, memory_order_release);
		eventfd_write(writer->wake, 1);
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec += PATIENCE_S;
		if (pthread_timedjoin_np(writer->thread, NULL, &deadline) != 0) {
			pthread_detach(writer->thread);
			return false;
		}
	}
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
		eventfd_write(writer->wake, 1);
}

void
log_writer_reopen(struct log_writer *writer)
{
	atomic_store_explicit(&writer->reopening, true, memory_order_release);
	eventfd_write(writer->wake, 1);
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
