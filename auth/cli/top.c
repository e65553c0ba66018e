/* top.c - jobgate top: a live screen of the sessions. */
#define _GNU_SOURCE 1 /* memfd_create */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "auth/cli/command.h"
#include "auth/cli/session.h"
#include "auth/cli/top_screen.h"
#include "jobgate/clock.h"

#define ITEMS_MAX 50000 /* sessions that are held */

/* The other screen of the terminal, without a cursor; and the way back. */
#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static const struct argp_option top_options[] = {
    {"job", KEY_JOB, "ID", 0, "Only sessions at this job", 0},
    {"of-token", KEY_OF_TOKEN, "ID", 0,
	"Only sessions of this token: its id, or a name that only one has", 0},
    {"address", KEY_ADDRESS, "RANGE", 0,
	"Only sessions of clients there, such as 192.0.2.1 or 10.0.0.0/8", 0},
    {"state", KEY_STATE, "STATE", 0,
	"Only sessions in this state [possible values: waiting, connecting, awaiting, relaying, "
	"tunnel]",
	0},
    {"sort", KEY_SORT, "KEY", 0,
	"Order at the start [possible values: rate, bytes, age, job, token, client; default: "
	"rate]",
	0},
    {"interval", KEY_INTERVAL, "DURATION", 0, "Time between two looks [default: 1s]", 0},
    {0},
};

/* ---- the terminal ---- */

/* For the signal handlers, which have no argument of ours. */
static struct termios terminal_before;
static volatile sig_atomic_t terminal_changed; /* its size, or another program used it */

static void
terminal_leave(void)
{
	/* Both calls are safe in a signal handler (signal-safety(7)). */
	if (write(STDOUT_FILENO, LEAVE, strlen(LEAVE)) < 0)
		errno = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

static void
terminal_enter(void)
{
	struct termios raw = terminal_before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	if (write(STDOUT_FILENO, ENTER, strlen(ENTER)) < 0)
		errno = 0;
	terminal_changed = 1;
}

static void
on_resized(int number)
{
	(void)number;
	terminal_changed = 1;
}

/* The signal does what it would have done, with the terminal as it was. */
static void
on_end(int number)
{
	int error =
	    errno; /* NOLINT(bugprone-signal-handler,cert-sig30-c): errno may be used here */
	sigset_t set;

	terminal_leave();
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* ends or stops here */
	signal(number, on_end);
	terminal_enter();
	errno = error; /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
}

static void
take_signals(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	struct sigaction resized = {.sa_handler = on_resized}, end = {.sa_handler = on_end};

	sigaction(SIGWINCH, &resized, NULL); /* without SA_RESTART: poll returns */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &end, NULL);
}

/* ---- the program ---- */

struct top {
	struct command_context *context;
	char *path; /* of the list, with its filters */
	struct top_view view;
	json_t *items, *rates, *bytes; /* bytes: by id, as last seen */
	uint64_t seen_ms;	       /* when that was */
	char message[256];
	int errors; /* what commands print there; the screen must not show it as it comes */
};

/* The last line that was printed on standard error becomes the message. */
static void
take_message(struct top *top)
{
	char text[1024];
	off_t len = lseek(top->errors, 0, SEEK_END);
	ssize_t got = len > 0 ? pread(top->errors, text, sizeof(text) - 1, 0) : 0;
	char *end;

	top->message[0] = '\0';
	if (got > 0) {
		text[got] = '\0';
		end = strchr(text, '\n');
		if (end != NULL)
			*end = '\0';
		snprintf(top->message, sizeof(top->message), "%.200s", text);
	}
	if (ftruncate(top->errors, 0) != 0)
		errno = 0;
	lseek(top->errors, 0, SEEK_SET);
}

/* Get all pages. NULL, with the reason printed on standard error, when that fails. */
static json_t *
fetch(struct top *top, int *result)
{
	json_t *all = json_array();
	char *path = strdup(top->path);
	char *cursor;
	json_int_t silent;

	do {
		struct answer answer;

		*result = path != NULL ? command_page(top->context, path, &answer) : CLI_REFUSED;
		free(path);
		path = NULL;
		if (*result != CLI_OK)
			break;
		json_array_extend(all, json_object_get(answer.body, "items"));
		silent = json_integer_value(json_object_get(answer.body, "silent_workers"));
		if (silent > 0)
			fprintf(stderr,
			    "%" JSON_INTEGER_FORMAT
			    " workers did not answer: what runs there is missing\n",
			    silent);
		cursor = present_text(answer.body, "next_cursor");
		if (cursor != NULL)
			path = command_query(strdup(top->path), "cursor", cursor);
		free(cursor);
		answer_clear(&answer);
	} while (path != NULL && json_array_size(all) < ITEMS_MAX);
	free(path);
	if (*result == CLI_OK)
		return all;
	json_decref(all);
	return NULL;
}

static int
look(struct top *top)
{
	int result;
	json_t *items = fetch(top, &result);
	uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	if (items == NULL)
		return result;
	json_decref(top->items);
	json_decref(top->rates);
	top->items = items;
	top->rates = top_rates(items, &top->bytes, (double)(now_ms - top->seen_ms) / 1000);
	top->seen_ms = now_ms;
	return CLI_OK;
}

static void
measure(struct top *top)
{
	struct winsize size = {0};

	terminal_changed = 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	top->view.width = size.ws_col;
	top->view.height = size.ws_row;
}

static void
draw(struct top *top)
{
	char *text = NULL;
	size_t len, count, room, done = 0;
	struct top_row *rows = top_rows(top->items, top->rates, &top->view, &count);
	FILE *out = open_memstream(&text, &len);

	room = top_room(&top->view);
	if (top->view.first + room > count)
		top->view.first = count > room ? count - room : 0;
	top->view.message = top->message;
	if (rows != NULL && out != NULL)
		top_write(&top->view, rows, count, out);
	if (out != NULL)
		fclose(out);
	while (done < len) { /* at once, so that nothing flickers */
		ssize_t sent = write(STDOUT_FILENO, text + done, len - done);

		if (sent <= 0 && errno != EINTR)
			break;
		done += sent > 0 ? (size_t)sent : 0;
	}
	free(text);
	free(rows);
}

static void
type_filter(struct top_view *view, char key)
{
	size_t len = strlen(view->filter);

	if (key == '\r' || key == '\n') {
		view->typing = false;
	} else if (key == '\033') {
		view->typing = false;
		view->filter[0] = '\0';
	} else if (key == '\b' || key == 0x7f) {
		view->filter[len > 0 ? len - 1 : 0] = '\0';
	} else if (key >= ' ' && key <= '~' && len + 1 < sizeof(view->filter)) {
		view->filter[len] = key;
		view->filter[len + 1] = '\0';
	}
}

static void
scroll(struct top_view *view, char arrow)
{
	size_t step = arrow == '5' || arrow == '6' ? top_room(view) : 1;

	if (arrow == 'B' || arrow == '6')
		view->first += step; /* draw() keeps it in the list */
	else if (arrow == 'A' || arrow == '5')
		view->first -= view->first > step ? step : view->first;
}

/* Take the keys that were typed. False: quit. */
static bool
take_keys(struct top_view *view)
{
	char keys[64];
	ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));

	if (got <= 0)
		return got < 0 && errno == EINTR;
	for (ssize_t i = 0; i < got; i++) {
		if (keys[i] == '\033' && i + 2 < got &&
		    (keys[i + 1] == '[' || keys[i + 1] == 'O')) {
			scroll(view, keys[i + 2]);
			i += keys[i + 2] >= '0' && keys[i + 2] <= '9' ? 3 : 2;
		} else if (view->typing) {
			type_filter(view, keys[i]);
		} else if (keys[i] == 'q') {
			return false;
		} else if (keys[i] == 's') {
			view->sort = (view->sort + 1) % TOP_SORTS;
		} else if (keys[i] == '/') {
			view->typing = true;
		} else if (keys[i] == ' ') {
			view->paused = !view->paused;
		}
	}
	return true;
}

/* Until the user quits, or the terminal is gone. */
static void
run(struct top *top, uint64_t interval_ms)
{
	struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t due_ms = top->seen_ms + interval_ms;

	for (;;) {
		uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
		int ready;

		if (terminal_changed)
			measure(top);
		if (now_ms >= due_ms && !top->view.paused) {
			look(top);
			fflush(stderr);
			take_message(top);
			now_ms = clock_ms(CLOCK_MONOTONIC);
			due_ms = now_ms + interval_ms;
		}
		draw(top);
		ready = poll(&keys, 1,
		    top->view.paused  ? -1
		    : due_ms > now_ms ? (int)(due_ms - now_ms)
				      : 0);
		if (ready > 0 && !take_keys(&top->view))
			return;
	}
}

static bool
top_check(struct options *options)
{
	enum top_sort sort;

	if (options->sort != NULL && !top_sort_parse(options->sort, &sort)) {
		fprintf(stderr,
		    "jobgate: invalid value '%s' for --sort [possible values: rate, bytes, age, "
		    "job, token, client]\n",
		    options->sort);
		return false;
	}
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fputs("jobgate: top needs a terminal; use jobgate session list\n", stderr);
		return false;
	}
	return session_filters_check(options);
}

/* Show the screen; standard error goes to `errors` meanwhile. */
static int
show(struct top *top, uint64_t interval_ms)
{
	int errors = dup(STDERR_FILENO);

	if (errors < 0 || dup2(top->errors, STDERR_FILENO) < 0)
		return CLI_REFUSED;
	take_signals();
	terminal_enter();
	run(top, interval_ms);
	terminal_leave();
	dup2(errors, STDERR_FILENO);
	close(errors);
	return CLI_OK;
}

static int
top_run(struct command_context *context)
{
	const struct options *options = context->options;
	struct top top = {.context = context, .view.color = context->printer.color};
	int result;

	if (options->sort != NULL)
		top_sort_parse(options->sort, &top.view.sort);
	top.path = session_filters_add(context, strdup("/v1/sessions?limit=1000"), &result);
	top.errors = memfd_create("errors", MFD_CLOEXEC);
	if (result == CLI_OK)
		result = top.errors >= 0 && tcgetattr(STDIN_FILENO, &terminal_before) == 0
			     ? look(&top)
			     : CLI_REFUSED;
	if (result == CLI_OK)
		result = show(
		    &top, (options->interval_s > 0 ? options->interval_s : 1) * UINT64_C(1000));
	if (top.errors >= 0)
		close(top.errors);
	json_decref(top.items);
	json_decref(top.rates);
	json_decref(top.bytes);
	free(top.path);
	return result;
}

const struct command top_command = {"top", NULL,
    {"jobgate top", "[OPTIONS]", "Show the sessions that run now, live", NULL, NULL, 0, 0, false,
	top_options},
    top_check, top_run};
