/* run.c - jobgate job run: starts a command as a job, which is registered while the command runs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/cli/command.h"
#include "auth/cli/fields.h"
#include "auth/cli/program.h"
#include "jobgate/clock.h"

#define LEASE_DEFAULT 30 /* seconds */
#define PROBE_MS_FIRST 20
#define PROBE_MS_LAST 500
#define PATIENCE_MS \
	10000 /* how long a command may take to listen before a message says that it does not */
#define SERVICE_HOST "127.0.0.1"

const struct argp_option run_options[] = {
    {"label", KEY_LABEL, "name=value", 0, "Label of the job; may be repeated", 0},
    {"port", KEY_PORT, "PORT", 0, "Port that the command listens on [default: a free one]", 0},
    {"host", KEY_HOST, "HOST", 0,
	"Address of this machine at which the gateway reaches the command [default: 127.0.0.1]", 0},
    {"id", KEY_FIELD + JOB_FIELD_ID, "ID", 0, "Id of the job, a DNS label [default: a new UUID]",
	0},
    {"lease", KEY_FIELD + JOB_FIELD_LEASE, "SECONDS", 0,
	"Time after which the job ends if this program is killed [default: 30]", 0},
    {0},
};

enum registration {
	REGISTRATION_DUE,  /* the command does not listen yet, or the API was out of reach */
	REGISTRATION_HELD, /* the lease must be renewed in time */
	REGISTRATION_LOST, /* the job was deleted; it is not created again */
	REGISTRATION_REFUSED,
};

/* A running command. */
struct run {
	struct command_context *context;
	struct program program;
	const char *host;
	unsigned port;
	uint64_t lease; /* seconds */
	enum registration registration;
	bool seen; /* the command listened at some time */
	bool told; /* the user was told that it does not listen */
	uint64_t started_ms;
	char *path; /* of the job in the API, after it was registered */
	char *id;
	uint64_t due_ms;   /* when to take the next step */
	uint64_t pause_ms; /* between two tests whether it listens */
	uint64_t held_ms;  /* when the lease began or was renewed last */
};

/*
 * The addresses of the service, which the caller frees with freeaddrinfo. NULL after printing why.
 */
static struct addrinfo *
service_addresses(const char *host, unsigned port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char text[8];
	int error;

	snprintf(text, sizeof(text), "%u", port);
	error = getaddrinfo(host, text, &hints, &found);
	if (error == 0)
		return found;
	fprintf(stderr, "jobgate: host %s: %s\n", host, gai_strerror(error));
	return NULL;
}

static bool
service_listens(const struct run *run)
{
	struct addrinfo *found = service_addresses(run->host, run->port);
	const struct timeval patience = {.tv_sec = 1};
	bool listens = false;

	for (const struct addrinfo *at = found; at != NULL && !listens; at = at->ai_next) {
		int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		listens = connect(fd, at->ai_addr, at->ai_addrlen) == 0;
		close(fd);
	}
	if (found != NULL)
		freeaddrinfo(found);
	return listens;
}

/* A free port; 0 after printing why there is none. */
static unsigned
pick_port(const char *host)
{
	struct addrinfo *found = service_addresses(host, 0);
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len = sizeof(address);
	unsigned port = 0;
	int fd;

	if (found == NULL)
		return 0;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(&address, 0, sizeof(address));
	if (fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
	    getsockname(fd, &address.any, &len) == 0)
		port = ntohs(
		    address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
	if (port == 0)
		fprintf(stderr, "jobgate: no free port at %s: %s\n", host, strerror(errno));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return port;
}

static json_t *
registration_body(const struct run *run)
{
	const struct options *options = run->context->options;
	bool v6 = strchr(run->host, ':') != NULL;
	json_t *body = json_object();

	json_object_set_new(body, "labels", command_labels(options));
	json_object_set_new(body, "url",
	    json_sprintf("http://%s%s%s:%u", v6 ? "[" : "", run->host, v6 ? "]" : "", run->port));
	json_object_set_new(body, "lease", json_integer((json_int_t)run->lease));
	if (run->id != NULL)
		json_object_set_new(body, "id", json_string(run->id));
	return body;
}

/* The lease begins. Renew it after a third of its time, so that two more attempts fit. */
static void
lease_begun(struct run *run)
{
	run->registration = REGISTRATION_HELD;
	run->held_ms = clock_ms(CLOCK_MONOTONIC);
	run->due_ms = run->held_ms + run->lease * 1000 / 3;
}

/* There was no answer: try again after a tenth of the lease. */
static void
try_again(struct run *run)
{
	run->due_ms = clock_ms(CLOCK_MONOTONIC) + run->lease * 100;
}

/* The job was refused, so the command can never be reached: end it. */
static void
registration_refused(struct run *run)
{
	run->registration = REGISTRATION_REFUSED;
	program_signal(&run->program, SIGTERM);
}

static void
register_job(struct run *run)
{
	const struct printer printer = printer_for(stderr, run->context->options);
	json_t *body = registration_body(run);
	struct answer answer;

	switch (command_call(run->context, "POST", "/v1/jobs", body, &answer)) {
	case CLI_OK:
		if (run->id == NULL)
			run->id = present_text(answer.body, "id");
		if (run->path == NULL && run->id != NULL) {
			run->path = client_path("/v1/jobs/", run->id, "");
			fields_present(&printer, answer.body, RECORD_JOB);
		}
		lease_begun(run);
		break;
	case CLI_UNREACHABLE:
		try_again(run);
		break;
	default:
		registration_refused(run);
	}
	answer_clear(&answer);
	json_decref(body);
}

/*
 * The job is gone. If its lease may have ended (the machine slept, the store was out of reach), the
 * job is created again. Otherwise it was deleted, which is respected.
 */
static void
registration_gone(struct run *run)
{
	if (clock_ms(CLOCK_MONOTONIC) - run->held_ms >= run->lease * 1000) {
		run->registration = REGISTRATION_DUE;
		run->due_ms = clock_ms(CLOCK_MONOTONIC);
		return;
	}
	run->registration = REGISTRATION_LOST;
	fprintf(stderr, "jobgate: job %s was deleted; its command keeps running\n", run->id);
}

static void
renew_lease(struct run *run)
{
	char *path = client_path("/v1/jobs/", run->id, "/renew");
	struct answer answer = {0};

	if (path == NULL || !client_call(run->context->client, "POST", path, NULL, &answer))
		try_again(run);
	else if (answer.status == 200)
		lease_begun(run);
	else if (answer.status == 404)
		registration_gone(run);
	else {
		answer_refused(&answer);
		try_again(run);
	}
	answer_clear(&answer);
	free(path);
}

/* Do what is due. */
static void
step(struct run *run)
{
	switch (run->registration) {
	case REGISTRATION_DUE:
		run->seen = run->seen || service_listens(run);
		if (run->seen) {
			register_job(run);
			return;
		}
		if (!run->told && clock_ms(CLOCK_MONOTONIC) - run->started_ms >= PATIENCE_MS) {
			run->told = true;
			fprintf(stderr,
			    "jobgate: nothing listens on port %u of %s yet, so there is no job "
			    "yet: "
			    "does the command take its port from {port} or PORT?\n",
			    run->port, run->host);
		}
		run->pause_ms = run->pause_ms * 3 / 2;
		if (run->pause_ms > PROBE_MS_LAST)
			run->pause_ms = PROBE_MS_LAST;
		run->due_ms = clock_ms(CLOCK_MONOTONIC) + run->pause_ms;
		return;
	case REGISTRATION_HELD:
		renew_lease(run);
		return;
	case REGISTRATION_LOST:
	case REGISTRATION_REFUSED:
		run->due_ms = UINT64_MAX;
		return;
	}
}

static void
on_idle(void *ctx)
{
	program_wait(ctx, 0);
}

/* Before the command starts, check that the API can be reached with this token. */
static int
check_access(struct command_context *context)
{
	struct answer answer;
	int result = command_call(context, "GET", "/v1/jobs?limit=1", NULL, &answer);

	answer_clear(&answer);
	return result;
}

static void
remove_job(struct run *run)
{
	struct answer answer = {0};

	if (run->path == NULL || run->registration != REGISTRATION_HELD)
		return;
	if (client_call(run->context->client, "DELETE", run->path, NULL, &answer) &&
	    answer.status != 204 && answer.status != 404)
		answer_refused(&answer);
	answer_clear(&answer);
}

/* Choose host and port; returns an enum cli_exit. */
static int
choose_port(struct run *run)
{
	const struct options *options = run->context->options;

	run->host = options->host != NULL ? options->host : SERVICE_HOST;
	run->port = options->port != 0 ? (unsigned)options->port : pick_port(run->host);
	if (run->port == 0)
		return CLI_REFUSED;
	if (!service_listens(run))
		return CLI_OK;
	fprintf(stderr, "jobgate: something listens on port %u already\n", run->port);
	return CLI_REFUSED;
}

int
run_run(struct command_context *context)
{
	const struct options *options = context->options;
	struct run run = {.context = context, .lease = LEASE_DEFAULT, .pause_ms = PROBE_MS_FIRST};
	int result = check_access(context);

	if (result == CLI_OK)
		result = choose_port(&run);
	if (result != CLI_OK)
		return result;
	if (options->fields[JOB_FIELD_ID] != NULL)
		run.id = strdup(options->fields[JOB_FIELD_ID]);
	if (options->fields[JOB_FIELD_LEASE] != NULL)
		slice_to_number(
		    slice_of(options->fields[JOB_FIELD_LEASE]), JOB_LEASE_MAX, &run.lease);
	if (!program_start(&run.program, options->command, run.port))
		return CLI_REFUSED;
	client_on_idle(context->client, on_idle, &run.program);
	run.started_ms = clock_ms(CLOCK_MONOTONIC);
	run.due_ms = run.started_ms + run.pause_ms;
	while (!run.program.ended) {
		uint64_t now = clock_ms(CLOCK_MONOTONIC);

		if (now >= run.due_ms)
			step(&run);
		else
			program_wait(&run.program, run.due_ms - now);
	}
	client_on_idle(context->client, NULL, NULL);
	program_release(&run.program);
	if (!run.seen && run.program.status == 0)
		fprintf(stderr,
		    "jobgate: the command ended without listening on port %u of %s: there was no "
		    "job\n",
		    run.port, run.host);
	remove_job(&run);
	result = run.registration == REGISTRATION_REFUSED ? CLI_REFUSED : run.program.status;
	secret_free(run.id);
	free(run.path);
	return result;
}

bool
run_check(struct options *options)
{
	/* The ovhai CLI takes an image here. Warn that nothing isolates this command. */
	if (options->arg_count > 0)
		fprintf(stderr,
		    "jobgate: image '%s' is not used: the command runs on this machine, "
		    "without isolation. To run it in the image, put your container "
		    "program after --, with {port} as its port. Leave the image out to "
		    "avoid this warning.\n",
		    options->args[0]);
	return command_labels_check(options);
}
