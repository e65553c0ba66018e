/* program.c - runs a command as a shell would, and passes signals on. */
#include "auth/cli/program.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/replace.h"

/* The signals that are passed on, and SIGCHLD, which reports the child's end. */
static const int signals[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

static sigset_t
signal_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	return set;
}

/* Runs in the forked child; does not return. */
static void
become(char **command, unsigned port, const sigset_t *mask, pid_t parent)
{
	char number[16];
	int error;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* the parent has died already */
		_exit(128 + SIGTERM);
	snprintf(number, sizeof(number), "%u", port);
	setenv("PORT", number, 1);
	unsetenv("JOBGATE_TOKEN"); /* options_parse has emptied it; remove its name, too */
	assert(command[0] != NULL);
	for (char **word = command; *word != NULL; word++) {
		char *made = jg_replace(*word, "{port}", slice_of(number));

		if (made != NULL)
			*word = made;
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	error = errno;
	fprintf(stderr, "jobgate: %s: %s\n", command[0], strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

bool
program_start(struct program *program, char **command, unsigned port)
{
	sigset_t set = signal_set();
	pid_t parent = getpid();

	sigprocmask(SIG_BLOCK, &set, &program->before);
	fflush(NULL);
	/*
	 * The command must not read the token from our memory. execve ends this for the command
	 * itself.
	 */
	prctl(PR_SET_DUMPABLE, 0);
	program->ended = false;
	program->pid = fork();
	if (program->pid == 0)
		become(command, port, &program->before, parent);
	if (program->pid > 0)
		return true;
	fprintf(stderr, "jobgate: cannot start a process for the command: %s\n", strerror(errno));
	sigprocmask(SIG_SETMASK, &program->before, NULL);
	return false;
}

void
program_signal(const struct program *program, int number)
{
	if (!program->ended)
		kill(program->pid, number);
}

static void
collect(struct program *program)
{
	int status;

	if (program->ended || waitpid(program->pid, &status, WNOHANG) != program->pid)
		return;
	program->ended = true;
	program->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void
program_wait(struct program *program, uint64_t ms)
{
	struct timespec wait = {
	    .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
	sigset_t set = signal_set();
	siginfo_t info;

	if (ms / 1000 > 3600)
		wait.tv_sec = 3600;
	switch (sigtimedwait(&set, &info, &wait)) {
	case -1:
		return;
	case SIGCHLD:
		collect(program);
		return;
	default:
		/*
		 * A key of the terminal signals the whole process group, so the child has got this
		 * signal already.
		 */
		if (info.si_code != SI_KERNEL || getpgid(program->pid) != getpgrp())
			program_signal(program, info.si_signo);
	}
}

void
program_release(struct program *program)
{
	const struct timespec now = {0};
	sigset_t set = signal_set();

	while (sigtimedwait(&set, NULL, &now) > 0)
		;
	sigprocmask(SIG_SETMASK, &program->before, NULL);
}
