/* check.c - logs a failed CHECK and ends the process. */
#include "jobgate/check.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* How long the line waits for a full pipe; then it is lost. */
#define WRITE_TIMEOUT_MS 100

/* How long log threads have to write what was logged before. */
#define LOGS_MS 50

/*
 * In a build that counts failures: this many are logged, then only those whose number is a power of
 * two.
 */
#define LOGGED_MAX 100

/*
 * The only state outside an object, because a CHECK has no log at hand. It is written at the start
 * of a process, by its only thread.
 */
static struct log last_log = {.fd = STDERR_FILENO, .process = "jobgate"};
static char process_name[64];
static void (*test_caught)(const char *message);
static atomic_uint failures;

/* A CHECK that fails within a dump must not start another dump. */
static _Thread_local bool failing;
static _Thread_local struct dump dump;
static _Thread_local char text[DUMP_TEXT_MAX];

void
jg_check_log(const struct log *log)
{
	last_log = *log;
	last_log.put = NULL; /* it may need a thread that no longer runs */
	strncpy(process_name, log->process != NULL ? log->process : "jobgate",
	    sizeof(process_name) - 1);
	last_log.process = process_name;
}

void
jg_check_catch(void (*caught)(const char *message))
{
	test_caught = caught;
	failing = false;
}

static void
on_alarm(int number)
{
	(void)number;
}

/*
 * Write once, and wait at most WRITE_TIMEOUT_MS. Other processes write to the same pipe and may
 * fill it after poll, so an alarm ends a write that blocks.
 */
static void
write_in_time(const char *line, size_t len)
{
	const struct itimerval on = {{0, WRITE_TIMEOUT_MS * 1000}, {0, WRITE_TIMEOUT_MS * 1000}};
	const struct sigaction interrupt = {.sa_handler = on_alarm}; /* without SA_RESTART */
	struct pollfd writable = {.fd = last_log.fd, .events = POLLOUT};
	struct itimerval before_time;
	struct sigaction before;
	ssize_t ignored; /* nothing can be done when the write fails */

	if (poll(&writable, 1, WRITE_TIMEOUT_MS) != 1)
		return;
	sigaction(SIGALRM, &interrupt, &before);
	setitimer(ITIMER_REAL, &on, &before_time);
	ignored = write(last_log.fd, line, len);
	(void)ignored;
	setitimer(ITIMER_REAL, &before_time, NULL);
	sigaction(SIGALRM, &before, NULL);
}

static void
append(struct dump *out, const char *words)
{
	size_t len = strlen(words), left = out->cap - 1 - out->len;

	if (len > left)
		len = left;
	memcpy(out->text + out->len, words, len);
	out->len += len;
	out->text[out->len] = '\0';
}

static void
append_number(struct dump *out, unsigned number)
{
	char shown[12], *at = shown + sizeof(shown) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	append(out, at);
}

struct dump *
jg_check_begin(const char *file, int line, const char *function, const char *condition)
{
	if (failing) /* within the dump of the first failure: log that one as far as it got */
		jg_check_end();
	failing = true;
	jg_dump_init(&dump, text, sizeof(text));
	append(&dump, "CHECK failed: ");
	while (strncmp(file, "../", 3) == 0) /* some builds pass relative paths to the compiler */
		file += 3;
	append(&dump, file);
	append(&dump, ":");
	append_number(&dump, (unsigned)line);
	append(&dump, ": ");
	append(&dump, function);
	append(&dump, ": ");
	append(&dump, condition);
	append(&dump, ";");
	return &dump;
}

static void
write_line(const char *message)
{
	char line[JG_LOG_LINE_MAX];

	write_in_time(line, jg_log_format(&last_log, LOG_LEVEL_ERROR, line, message));
}

static void
say(unsigned count)
{
	if (count <= LOGGED_MAX || (count & (count - 1)) == 0)
		write_line(text);
}

void
jg_check_end(void)
{
	unsigned count = atomic_fetch_add(&failures, 1) + 1;

	jg_log_blot(text, strlen(text));
	if (test_caught != NULL)
		test_caught(text);
	say(count);
#ifdef JOBGATE_CHECK_COUNTS
	failing = false;
#else
	poll(NULL, 0, LOGS_MS);
	_exit(CHECK_EXIT_STATUS);
#endif
}
