/* program.h - a command that runs under us: its start, its signals, its end. */
#ifndef JOBGATE_CLI_PROGRAM_H
#define JOBGATE_CLI_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct program {
	pid_t pid;
	bool ended;
	int status;	 /* once ended: as a shell has it, 128 + the signal that killed it */
	sigset_t before; /* the signal mask that program_release restores */
};

/*
 * Start command (NULL at its end) with PORT=<port> in its environment, {port} in its
 * arguments replaced, and without JOBGATE_TOKEN. It shares our terminal and process group,
 * and gets SIGTERM if this process is killed. From now on the signals of users are kept for
 * program_wait, and only root can read the memory of this process. False after telling why; one
 * that cannot be executed ends with 126 or 127.
 */
bool program_start(struct program *program, char **command, unsigned port);

/* Wait that many milliseconds at most for a signal: pass it on, or note that the child has ended.
 */
void program_wait(struct program *program, uint64_t ms);

void program_signal(const struct program *program, int number);

/* The child has ended: signals mean us again, but for those that came before. */
void program_release(struct program *program);

#endif
