/* access_log.c - from the event loop through a ring to the thread that writes. */
#include "observe/access_log.h"

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

/* Facts that wait to be written: about two thousand exchanges. */
#define RING_BYTES (1024 * 1024)

/* The thread is woken once so many wait; before that at the next flush. */
#define WAKE_EVERY 512

#define LINES_MAX (64 * 1024)

/* How long a thread that is stuck in a write is waited for at the end. */
#define PATIENCE_S 1

/* The least between two lines about writes that failed. */
#define COMPLAIN_EVERY_S 60

struct access_log {
	/* The event loop's. */
	struct ring *ring; /* NULL: off. Puts the loop, takes the thread */
	struct worker_stats *stats;
	size_t put; /* since it began */
	pthread_t thread;
	bool started;

	/* Of both: they only tell the thread what to look at once it is woken. */
	int wake; /* an eventfd */
	atomic_bool stopping, reopening;

	/* The thread's. */
	struct log log;
	struct log_sink sink;
	time_t complain_at; /* not before */
	size_t len;
	char lines[LINES_MAX];
};

/* How the facts of an exchange lie in the ring: its texts behind it, one after the other. */
struct message {
	struct access_entry entry;
	char texts[ACCESS_TEXTS * ACCESS_TEXT_MAX];
};

/* ---- the thread ---- */

static void
write_lines(struct access_log *log)
{
	size_t lost = log->len > 0 ? log_sink_write(&log->sink, log->lines, log->len) : 0;
	int error = errno;
	time_t now;

	log->len = 0;
	if (lost == 0)
		return;
	counter_add(&log->stats->log_lines_failed, lost);
	now = time(NULL);
	if (now < log->complain_at)
		return;
	log->complain_at = now + COMPLAIN_EVERY_S;
	log_error(&log->log, "the access log cannot be written: %s", strerror(error));
}

static void
append_line(struct access_log *log, struct message *message)
{
	char line[ACCESS_LINE_MAX];
	const char *at = message->texts;
	size_t len;

	for (size_t i = 0; i < ACCESS_TEXTS; i++) {
		message->entry.texts[i].at = at;
		at += message->entry.texts[i].len;
	}
	len = access_line_format(&message->entry, line);
	if (log->len + len > log->sink.batch_max)
		write_lines(log);
	memcpy(log->lines + log->len, line, len);
	log->len += len;
}

static void *
run(void *arg)
{
	struct access_log *log = arg;
	struct message message;
	bool stopping = false;
	eventfd_t ignored;

	while (!stopping) {
		eventfd_read(log->wake, &ignored);
		/* Before looking: what was put before the order to stop is written. */
		stopping = atomic_load_explicit(&log->stopping, memory_order_acquire);
		/* Before writing: what is written after the order to reopen goes to the new file.
		 */
		if (atomic_exchange_explicit(&log->reopening, false, memory_order_acq_rel) &&
		    !log_sink_reopen(&log->sink))
			log_error(&log->log,
			    "cannot open the access log anew: %s; it goes on where it was",
			    strerror(errno));
		while (ring_take(log->ring, &message, sizeof(message)) > 0)
			append_line(log, &message);
		write_lines(log);
	}
	return NULL;
}

/* ---- the event loop ---- */

static bool
start_thread(struct access_log *log)
{
	sigset_t all, before;

	/* Signals are the event loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	log->started = pthread_create(&log->thread, NULL, run, log) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return log->started;
}

struct access_log *
access_log_new(const char *where, int fd, struct worker_stats *stats, const struct log *log)
{
	struct access_log *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return NULL;
	new->log = *log;
	new->stats = stats;
	new->wake = new->sink.fd = -1;
	if (strcmp(where, "off") == 0)
		return new;
	new->wake = eventfd(0, EFD_CLOEXEC);
	new->ring = ring_new(RING_BYTES);
	log_sink_take(&new->sink, where, fd);
	if (new->wake < 0 || new->ring == NULL || !start_thread(new)) {
		log_error(log, "the access log cannot be set up: %s", strerror(errno));
		access_log_free(new);
		return NULL;
	}
	return new;
}

void
access_log_free(struct access_log *log)
{
	struct timespec deadline;

	if (log == NULL)
		return;
	if (log->started) {
		atomic_store_explicit(&log->stopping, true, memory_order_release);
		eventfd_write(log->wake, 1);
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec += PATIENCE_S;
		if (pthread_timedjoin_np(log->thread, NULL, &deadline) != 0) {
			log_warning(&log->log, "the access log is stuck: its last lines are lost");
			return;
		}
	}
	ring_free(log->ring);
	if (log->wake >= 0)
		close(log->wake);
	log_sink_close(&log->sink);
	free(log);
}

bool
access_log_on(const struct access_log *log)
{
	return log->ring != NULL;
}

void
access_log_write(struct access_log *log, const struct access_entry *entry)
{
	struct access_entry copy = *entry;
	struct iovec pieces[1 + ACCESS_TEXTS] = {{&copy, sizeof(copy)}};

	if (log->ring == NULL)
		return;
	for (size_t i = 0; i < ACCESS_TEXTS; i++) {
		if (copy.texts[i].len > ACCESS_TEXT_MAX)
			copy.texts[i].len = ACCESS_TEXT_MAX;
		pieces[1 + i] = (struct iovec){(char *)copy.texts[i].at, copy.texts[i].len};
	}
	if (!ring_put(log->ring, pieces, 1 + ACCESS_TEXTS)) {
		counter_add(&log->stats->log_lines_dropped, 1);
		return;
	}
	if (++log->put % WAKE_EVERY == 0)
		eventfd_write(log->wake, 1);
}

void
access_log_flush(struct access_log *log)
{
	if (log->ring != NULL && ring_used(log->ring) > 0)
		eventfd_write(log->wake, 1);
}

void
access_log_reopen(struct access_log *log)
{
	if (log->ring == NULL)
		return;
	atomic_store_explicit(&log->reopening, true, memory_order_release);
	eventfd_write(log->wake, 1);
}
