/* access_log.c - puts the facts of exchanges into a ring, for a thread that formats and writes
 * them.
 */
#include "observe/access_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "observe/log_sink.h"
#include "observe/log_writer.h"

/* Facts that wait to be written: about two thousand exchanges. */
#define RING_BYTES (1024 * 1024)

/* The thread is woken when this many wait, or else at the next flush. */
#define WAKE_EVERY 512

/* The shortest time between two log lines about failed writes. */
#define COMPLAIN_EVERY_S 60

struct access_log {
	struct log_writer *writer; /* NULL: off */
	struct log log;
	size_t put;	    /* since it began */
	time_t complain_at; /* not before */
};

/* How the facts of an exchange lie in the ring: followed by its texts, one after the other. */
struct message {
	struct access_entry entry;
	char texts[ACCESS_TEXTS * ACCESS_TEXT_MAX];
};

/* Runs in the thread. */
static size_t
format(void *ctx, char *bytes, size_t len, char *line)
{
	struct message *message = (struct message *)bytes;
	const char *at = message->texts;

	(void)ctx;
	(void)len;
	for (size_t i = 0; i < ACCESS_TEXTS; i++) {
		message->entry.texts[i].at = at;
		at += message->entry.texts[i].len;
	}
	return access_line_format(&message->entry, line);
}

struct access_log *
access_log_new(const char *where, int fd, const struct log_runner *runner,
    struct log_losses *losses, const struct log *log)
{
	static const struct log_writer_ops ops = {.format = format};
	struct access_log *new = calloc(1, sizeof(*new));

	_Static_assert(sizeof(struct message) <= LOG_WRITER_MAX, "the thread's room for one");
	_Static_assert(ACCESS_LINE_MAX <= LOG_WRITER_MAX, "the thread's room for one");
	if (new == NULL)
		return NULL;
	new->log = *log;
	if (strcmp(where, "off") == 0)
		return new;
	new->writer = log_writer_new(&(struct log_writer_options){.runner = runner,
	    .where = where,
	    .fd = fd,
	    .room = RING_BYTES,
	    .message_max = sizeof(struct message),
	    .ops = &ops,
	    .losses = losses});
	if (new->writer != NULL)
		return new;
	log_error(log, "the access log cannot be set up: %s", strerror(errno));
	free(new);
	return NULL;
}

/* The thread only notes errors: it never writes to another log. */
static void
complain(struct access_log *log)
{
	int error = log_writer_reopen_error(log->writer);
	time_t now;

	if (error != 0)
		log_error(&log->log,
		    "cannot open the access log again: %s; it continues in the old file",
		    log_sink_error(error));
	now = time(NULL);
	if (now < log->complain_at || (error = log_writer_write_error(log->writer)) == 0)
		return;
	log->complain_at = now + COMPLAIN_EVERY_S;
	log_error(&log->log, "the access log cannot be written: %s", log_sink_error(error));
}

void
access_log_free(struct access_log *log)
{
	if (log == NULL)
		return;
	if (log->writer != NULL) {
		complain(log);
		if (!log_writer_free(log->writer))
			log_warning(&log->log, "the access log is stuck: its last lines are lost");
	}
	free(log);
}

bool
access_log_on(const struct access_log *log)
{
	return log->writer != NULL;
}

void
access_log_write(struct access_log *log, const struct access_entry *entry)
{
	struct access_entry copy = *entry;
	struct iovec pieces[1 + ACCESS_TEXTS] = {{&copy, sizeof(copy)}};

	if (log->writer == NULL)
		return;
	for (size_t i = 0; i < ACCESS_TEXTS; i++) {
		if (copy.texts[i].len > ACCESS_TEXT_MAX)
			copy.texts[i].len = ACCESS_TEXT_MAX;
		pieces[1 + i] = (struct iovec){(char *)copy.texts[i].at, copy.texts[i].len};
	}
	if (log_writer_put(log->writer, pieces, 1 + ACCESS_TEXTS) && ++log->put % WAKE_EVERY == 0)
		log_writer_wake(log->writer);
}

void
access_log_flush(struct access_log *log)
{
	if (log->writer == NULL)
		return;
	log_writer_wake(log->writer);
	complain(log);
}

void
access_log_reopen(struct access_log *log)
{
	if (log->writer != NULL)
		log_writer_reopen(log->writer);
}
