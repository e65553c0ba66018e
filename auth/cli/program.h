/* program.h - runs a command as our child: its start, its signals, its end. */
#ifndef JOBGATE_CLI_PROGRAM_H
#define JOBGATE_CLI_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct program {
	pid_t pid;
	bool ended;
	int status;	 /* once ended: its exit status, or 128 + the signal that killed it */
	sigset_t before; /* the signal mask that program_release restores */
};

/*
 * Start command (NULL at its end) with PORT=<port> in its environment, {port} in its arguments
 * replaced, and without JOBGATE_TOKEN. It shares our terminal and process group, and gets SIGTERM
 * if this process is killed. From now on program_wait takes signals, and only root can read this
 * process's memory. False after printing why. A command that cannot be executed ends with 126 or
 * 127.
 */
bool program_start(struct program *program, char **command, unsigned port);

/*
 * Wait at most that many milliseconds for a signal; pass it on, or note that the child has ended.
 */
void program_wait(struct program *program, uint64_t ms);

void program_signal(const struct program *program, int number);

/* The child has ended: drop signals that were meant for it, and take signals ourselves again. */
void program_release(struct program *program);

#endif
