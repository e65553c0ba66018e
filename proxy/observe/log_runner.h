/* log_runner.h - runs the writer of a log in parallel with the event loop: by a thread, or in a
 * simulator. */
#ifndef JOBGATE_LOG_RUNNER_H
#define JOBGATE_LOG_RUNNER_H

#include <stdbool.h>

struct log_runner {
	/*
	 * Begin to call turn(writer) once after each wake; several wakes may become one turn.
	 * Turns of one writer never overlap. Returns what wake and stop take; NULL with errno set.
	 */
	void *(*start)(void (*turn)(void *writer), void *writer);

	/* There is something to write. Does not wait. */
	void (*wake)(void *running);

	/*
	 * One more turn, then no more. True once that turn has ended; `running` is freed. False
	 * when a turn does not end within a second: its write is stuck, and it keeps the writer
	 * and `running` until the process ends.
	 */
	bool (*stop)(void *running);
};

/* A thread for each writer. It blocks all signals: the event loop handles them. */
extern const struct log_runner log_threads;

#endif
