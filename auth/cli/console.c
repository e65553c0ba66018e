/* console.c - jobgate console: serves the console on this machine, for the user who runs it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "auth/cli/bridge_connection.h"
#include "auth/cli/command.h"
#include "jobgate/clock.h"

/* At most so many at a time, of all users of this machine: the oldest without the key is closed. */
#define CONNECTIONS_MAX 64
#define LINK_MAX 160

static const struct column columns[] = {{"Link", "link", "-"}, {0}};

struct console {
	struct command_context *context;
	struct bridge_setup setup;
	int listening, signals;
	bool reads_terminal;
	struct bridge_connection *connections[CONNECTIONS_MAX];
	char file[192]; /* a page that leads the browser to the link; "": there is none */
};

/* ---- the link ---- */

/* Each user can read a browser's arguments. So the browser opens a file that only we can read. */
static bool
write_file(struct console *console, const char *link)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	FILE *out;
	int fd;

	if (folder == NULL || (size_t)snprintf(console->file, sizeof(console->file),
				  "%s/jobgate-XXXXXX.html", folder) >= sizeof(console->file))
		snprintf(console->file, sizeof(console->file), "/tmp/jobgate-XXXXXX.html");
	fd = mkostemps(console->file, 5, O_CLOEXEC);
	out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (out == NULL) {
		console->file[0] = '\0';
		return false;
	}
	fprintf(out,
	    "<!DOCTYPE html><meta charset=\"utf-8\"><meta name=\"referrer\" "
	    "content=\"no-referrer\">"
	    "<meta http-equiv=\"refresh\" content=\"0; url=%s\"><title>Jobgate</title>"
	    "<p><a href=\"%s\">The console</a>\n",
	    link, link);
	return fclose(out) == 0;
}

static void
remove_file(struct console *console)
{
	if (console->file[0] != '\0')
		unlink(console->file);
	console->file[0] = '\0';
}

/* Whether a browser opens is not known here: the link is printed in any case. */
static void
open_browser(struct console *console, const char *link)
{
	bool has_display = getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL;
	pid_t child;

	if (!has_display || !write_file(console, link))
		return;
	child = fork();
	if (child != 0) {
		if (child > 0)
			waitpid(child, NULL, 0);
		return;
	}
	if (fork() != 0) /* the browser is no child of ours, and outlives this command */
		_exit(0);
	setsid();
	for (int fd = 0; fd <= 2; fd++) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, fd);
	}
	close_range(3, ~0u, 0);
	execlp("xdg-open", "xdg-open", console->file, (char *)NULL);
	_exit(127);
}

static int
show_link(struct console *console, bool opens)
{
	struct printer *printer = &console->context->printer;
	struct bridge *bridge = &console->setup.bridge;
	char link[LINK_MAX];
	json_t *record;
	bool ok;

	remove_file(console); /* its link works no more */
	if (!bridge_renew(bridge, clock_ms(CLOCK_BOOTTIME))) {
		fputs("jobgate: randomness is short\n", stderr);
		return CLI_REFUSED;
	}
	snprintf(link, sizeof(link), "http://%s/console#link=%s", bridge->authority, bridge->code);
	record = json_pack("{s:s}", "link", link);
	ok = record != NULL && present_record(printer, record, columns);
	json_decref(record);
	if (opens)
		open_browser(console, link);
	OPENSSL_cleanse(link, sizeof(link));
	return command_written(ok);
}

/* ---- connections ---- */

static void
drop(struct console *console, size_t i)
{
	bridge_connection_free(console->connections[i]);
	console->connections[i] = NULL;
}

/* A free place. Connections without the key must not keep out the operator's own. */
static size_t
find_place(struct console *console)
{
	size_t oldest = CONNECTIONS_MAX;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		const struct bridge_connection *one = console->connections[i];

		if (one == NULL)
			return i;
		if (!one->has_key && (oldest == CONNECTIONS_MAX ||
					 one->since_ms < console->connections[oldest]->since_ms))
			oldest = i;
	}
	if (oldest < CONNECTIONS_MAX)
		drop(console, oldest);
	return oldest;
}

static void
take(struct console *console)
{
	int fd = accept4(console->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	size_t place = fd >= 0 ? find_place(console) : CONNECTIONS_MAX;

	if (place < CONNECTIONS_MAX)
		console->connections[place] = bridge_connection_new(&console->setup, fd);
	if (fd >= 0 && (place == CONNECTIONS_MAX || console->connections[place] == NULL))
		close(fd);
}

/* Enter asks for another link. At the end of standard input the console goes on without it. */
static int
read_terminal(struct console *console)
{
	char text[256];
	ssize_t len = read(STDIN_FILENO, text, sizeof(text));

	if (len <= 0)
		console->reads_terminal = false;
	return len > 0 && memchr(text, '\n', (size_t)len) != NULL ? show_link(console, false)
								  : CLI_OK;
}

/* The file with the link goes with it: another program of this user could still read it. */
static void
end_link(struct console *console)
{
	struct bridge *bridge = &console->setup.bridge;

	if (bridge_expire(bridge, clock_ms(CLOCK_BOOTTIME)))
		fputs("The link has expired. Press Enter for another one.\n", stderr);
	if (bridge->code[0] == '\0')
		remove_file(console);
}

/* Wait for the next events, and handle them. */
static int
turn(struct console *console, bool *ended)
{
	struct pollfd fds[3 + 2 * CONNECTIONS_MAX];

	fds[0] = (struct pollfd){.fd = console->listening, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = console->signals, .events = POLLIN};
	fds[2] =
	    (struct pollfd){.fd = console->reads_terminal ? STDIN_FILENO : -1, .events = POLLIN};
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		bridge_connection_wants(console->connections[i], &fds[3 + 2 * i]);
	if (poll(fds, sizeof(fds) / sizeof(fds[0]), 1000) < 0 && errno != EINTR) {
		perror("jobgate: poll");
		return CLI_REFUSED;
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (console->connections[i] != NULL &&
		    !bridge_connection_go_on(console->connections[i], &fds[3 + 2 * i]))
			drop(console, i);
	end_link(console);
	if (fds[0].revents != 0)
		take(console);
	*ended = fds[1].revents != 0;
	return fds[2].revents != 0 && !*ended ? read_terminal(console) : CLI_OK;
}

/* ---- the beginning and the end ---- */

static bool
listen_at(struct console *console, in_addr_t host)
{
	struct bridge *bridge = &console->setup.bridge;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
	socklen_t len = sizeof(address);
	char text[INET_ADDRSTRLEN];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, 16) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
	    inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)) == NULL) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		errno = error;
		return false;
	}
	console->listening = fd;
	snprintf(
	    bridge->authority, sizeof(bridge->authority), "%s:%u", text, ntohs(address.sin_port));
	return true;
}

/*
 * Cookies and a site belong to an address, whatever the port, and 127.0.0.1 has other servers. So
 * the console takes an address of its own: 127.0.0.0/8 is this machine's alone (RFC 1122, section
 * 3.2.1.3). A network namespace may have nothing but 127.0.0.1.
 */
static bool
listen_here(struct console *console)
{
	unsigned char random[3];
	in_addr_t host = 127;

	if (RAND_bytes(random, sizeof(random)) != 1) {
		fputs("jobgate: randomness is short\n", stderr);
		return false;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		host = host << 8 | (1 + random[i] % 254u);
	if (listen_at(console, host) || listen_at(console, INADDR_LOOPBACK))
		return true;
	perror("jobgate: cannot listen at 127.0.0.1");
	return false;
}

/* Signals are read with the other events, so that the file with the link is removed at the end. */
static bool
hold_signals(struct console *console)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	signal(SIGPIPE, SIG_IGN);
	console->signals =
	    sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
	return console->signals >= 0;
}

static int
serve(struct console *console)
{
	int result = show_link(console, true);
	bool ended = false;

	if (result == CLI_OK)
		fputs("The link works once, within 5 minutes. Press Enter for another one, Ctrl-C "
		      "to end the console.\n",
		    stderr);
	while (result == CLI_OK && !ended)
		result = turn(console, &ended);
	return result;
}

static int
console_run(struct command_context *context)
{
	struct console console = {.context = context,
	    .setup = {.socket = client_socket(context->client), .token = context->options->token},
	    .listening = -1,
	    .signals = -1,
	    .reads_terminal = true};
	struct answer answer;
	int result;

	if (console.setup.socket == NULL) {
		fputs("jobgate: this control API has no Unix socket, which jobgate console needs: "
		      "open /console at its address in a browser\n",
		    stderr);
		return CLI_USAGE;
	}
	/* What is wrong with the socket or the token is said here, not in the browser. */
	result = command_call(context, "GET", "/v1/jobs?limit=1", NULL, &answer);
	answer_clear(&answer);
	if (result == CLI_OK)
		result = listen_here(&console) && hold_signals(&console) &&
				 bridge_secret(console.setup.bridge.key)
			     ? serve(&console)
			     : CLI_REFUSED;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		drop(&console, i);
	remove_file(&console);
	if (console.listening >= 0)
		close(console.listening);
	if (console.signals >= 0)
		close(console.signals);
	OPENSSL_cleanse(&console.setup.bridge, sizeof(console.setup.bridge));
	return result;
}

const struct command console_command = {"console", NULL,
    {"jobgate console", "[OPTIONS]", "Serve the console on this machine, and open it in a browser",
	NULL, NULL, 0, 0, false, NULL},
    NULL, console_run};
