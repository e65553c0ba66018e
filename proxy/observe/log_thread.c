/* log_thread.c - runs the writer of a log in a thread. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "observe/log_runner.h"

/* How long a stop waits for a thread that is stuck in a write. */
#define PATIENCE_S 1

struct log_thread {
	void (*turn)(void *writer);
	void *writer;
	pthread_t thread;
	int wake; /* an eventfd: the loop's wake-ups need no lock */
	atomic_bool stopping;

	/* The last turn has ended. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool ended;
};

static void *
run(void *arg)
{
	struct log_thread *thread = arg;
	bool stopping = false;
	eventfd_t ignored;

	while (!stopping) {
		eventfd_read(thread->wake, &ignored);
		/* Before the turn: what was put before the order to stop is written. */
		stopping = atomic_load_explicit(&thread->stopping, memory_order_acquire);
		thread->turn(thread->writer);
	}
	pthread_mutex_lock(&thread->mutex);
	thread->ended = true;
	pthread_cond_signal(&thread->changed);
	pthread_mutex_unlock(&thread->mutex);
	return NULL;
}

/* The clock of the wait must not jump when an operator or NTP sets the time. */
static bool
make_condition(struct log_thread *thread)
{
	pthread_condattr_t attributes;
	bool made = pthread_condattr_init(&attributes) == 0;

	if (!made)
		return false;
	made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
	       pthread_cond_init(&thread->changed, &attributes) == 0;
	pthread_condattr_destroy(&attributes);
	if (made)
		pthread_mutex_init(&thread->mutex, NULL);
	return made;
}

static bool
make_thread(struct log_thread *thread)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread->thread, NULL, run, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0;
}

static void
release(struct log_thread *thread)
{
	int error = errno;

	pthread_cond_destroy(&thread->changed);
	pthread_mutex_destroy(&thread->mutex);
	close(thread->wake);
	free(thread);
	errno = error;
}

static void *
thread_start(void (*turn)(void *writer), void *writer)
{
	struct log_thread *thread = calloc(1, sizeof(*thread));

	if (thread == NULL)
		return NULL;
	thread->turn = turn;
	thread->writer = writer;
	thread->wake = eventfd(0, EFD_CLOEXEC);
	if (thread->wake < 0 || !make_condition(thread)) {
		if (thread->wake >= 0)
			close(thread->wake);
		free(thread);
		return NULL;
	}
	if (make_thread(thread))
		return thread;
	release(thread);
	return NULL;
}

static void
thread_wake(void *running)
{
	struct log_thread *thread = running;

	eventfd_write(thread->wake, 1);
}

static bool
await_end(struct log_thread *thread)
{
	struct timespec deadline;
	bool ended;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&thread->mutex);
	while (!thread->ended &&
	       pthread_cond_timedwait(&thread->changed, &thread->mutex, &deadline) == 0)
		continue;
	ended = thread->ended;
	pthread_mutex_unlock(&thread->mutex);
	return ended;
}

static bool
thread_stop(void *running)
{
	struct log_thread *thread = running;

	atomic_store_explicit(&thread->stopping, true, memory_order_release);
	thread_wake(thread);
	if (!await_end(thread)) {
		pthread_detach(thread->thread);
		return false;
	}
	pthread_join(thread->thread, NULL);
	release(thread);
	return true;
}

const struct log_runner log_threads = {
    .start = thread_start, .wake = thread_wake, .stop = thread_stop};
