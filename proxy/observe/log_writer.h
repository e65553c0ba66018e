/* log_writer.h - writes the log lines of an event loop, beside it. */
#ifndef JOBGATE_LOG_WRITER_H
#define JOBGATE_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "observe/log_runner.h"
#include "observe/shared.h"

/*
 * The event loop puts messages into a ring; a thread (or a simulator's runner) formats and writes
 * them. The loop never waits, however slow the disk or the reader of a pipe is: a message that does
 * not fit into the ring is dropped and counted. Only one thread may put messages.
 */
struct log_writer;

/* How messages are formatted; the thread calls both. */
struct log_writer_ops {
	/* Make a line of a message of len bytes: at most LOG_WRITER_MAX bytes, the newline
	 * included. Returns its length. */
	size_t (*format)(void *ctx, char *message, size_t len, char *line);
	/* All that was in the ring has been written, so there is room again: a line to add, or 0.
	 * May be NULL. */
	size_t (*drained)(void *ctx, char *line);
};

struct log_writer_options {
	const struct log_runner *runner;
	const char *where; /* as for log_sink_take, and so is fd; copied */
	int fd;
	size_t room;	    /* bytes of the ring, a power of two */
	size_t message_max; /* the longest message, at most LOG_WRITER_MAX */
	const struct log_writer_ops *ops;
	void *ctx;		   /* of ops */
	struct log_losses *losses; /* must live until the process ends */
};

#define LOG_WRITER_MAX 4096

/* Take the sink and start the runner. NULL with errno set. */
struct log_writer *log_writer_new(const struct log_writer_options *options);

/*
 * Write what is left and end the thread. False when it is still stuck in a write after a second:
 * then it keeps all that it uses until the process ends.
 */
bool log_writer_free(struct log_writer *writer);

/* Put one message, made of pieces. False, and counted, when there is no room for it. */
bool log_writer_put(struct log_writer *writer, const struct iovec *pieces, int count);

/* Wake the thread if there is something for it. */
void log_writer_wake(struct log_writer *writer);

/* Tell the thread to open the file again by its name, after it was moved away. */
void log_writer_reopen(struct log_writer *writer);

/* What failed since the last call: an errno, or 0. */
int log_writer_write_error(struct log_writer *writer);
int log_writer_reopen_error(struct log_writer *writer);

#endif
