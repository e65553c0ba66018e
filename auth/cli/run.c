/*
 * run.c - jobgate job run: registers a job, starts its command, sets the job's URL once the command
 * listens, and deletes the job when the command ends.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "auth/cli/command.h"
#include "auth/cli/fields.h"
#include "auth/cli/ports.h"
#include "auth/cli/program.h"
#include "auth/cli/service.h"
#include "jobgate/clock.h"

#define LEASE_DEFAULT 30 /* seconds */
#define PROBE_MS_FIRST 20
#define PROBE_MS_LAST 500
/* How long a command may take to listen before a message says that it does not. */
#define LISTEN_WARNING_MS 10000
#define SERVICE_HOST "127.0.0.1"

const struct argp_option run_options[] = {
    {"label", KEY_LABEL, "name=value", 0, "Label of the job; may be repeated", 0},
    {"port", KEY_PORT, "PORT", 0,
	"Port that the command listens on [default: a free one]; repeated, further ports of the "
	"job: PORT, or PORT=URL",
	0},
    {"host", KEY_HOST, "HOST", 0,
	"Address of this machine at which the gateway reaches the command [default: 127.0.0.1]", 0},
    {"id", KEY_FIELD + JOB_FIELD_ID, "ID", 0, "Id of the job, a DNS label [default: a new UUID]",
	0},
    {"lease", KEY_FIELD + JOB_FIELD_LEASE, "SECONDS", 0,
	"Time after which the job ends if this program is killed [default: 30]", 0},
    {0},
};

enum registration {
	REGISTRATION_DUE,  /* its lease has ended: it has to be registered again */
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
	bool seen;   /* the command listened at some time */
	bool served; /* the job has its URL */
	bool told;   /* the user was told that the command does not listen */
	uint64_t started_ms;
	char *path; /* of the job in the API, after it was registered */
	char *id;
	uint64_t due_ms;   /* when to renew the lease, or to register again */
	uint64_t probe_ms; /* when to test whether the command listens, while !served */
	uint64_t pause_ms; /* between two such tests */
	uint64_t held_ms;  /* when the lease began or was renewed last */
};

static json_t *
service_url(const struct run *run)
{
	return ports_url(run->host, run->port);
}

static json_t *
registration_body(const struct run *run)
{
	const struct options *options = run->context->options;
	json_t *body = json_object();

	json_object_set_new(body, "labels", command_labels(options));
	json_object_set_new(body, "url", service_url(run));
	ports_body(options, run->host, body);
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

/* Set or remove the job's URL. False when no answer came; the caller checks the status. */
static bool
patch_url(struct run *run, json_t *url, struct answer *answer)
{
	json_t *body = json_pack("{s:o}", "url", url);
	bool answered = client_call(run->context->client, "PATCH", run->path, body, answer);

	json_decref(body);
	return answered;
}

/*
 * Register the job with its URL, so that the gateway checks all of it now. Then remove the URL
 * until the command listens; if that fails, the gateway finds that nothing listens there. Returns
 * an enum cli_exit.
 */
static int
register_job(struct run *run)
{
	json_t *body = registration_body(run);
	struct answer answer;
	int result = command_call(run->context, "POST", "/v1/jobs", body, &answer);

	if (result == CLI_OK) {
		if (run->id == NULL)
			run->id = present_text(answer.body, "id");
		if (run->path == NULL && run->id != NULL)
			run->path = client_path("/v1/jobs/", run->id, "");
		lease_begun(run);
		run->served = run->seen;
		if (run->path == NULL) /* memory is short */
			result = CLI_REFUSED;
	}
	answer_clear(&answer);
	json_decref(body);
	if (result == CLI_OK && !run->seen) {
		answer = (struct answer){0};
		patch_url(run, json_null(), &answer);
		answer_clear(&answer);
	}
	return result;
}

static void
register_again(struct run *run)
{
	switch (register_job(run)) {
	case CLI_OK:
		break;
	case CLI_UNREACHABLE:
		try_again(run);
		break;
	default:
		registration_refused(run);
	}
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

/* The command listens: requests may come. */
static void
serve(struct run *run)
{
	const struct printer printer = printer_for(stderr, run->context->options);
	struct answer answer = {0};

	if (!patch_url(run, service_url(run), &answer)) {
		run->probe_ms = clock_ms(CLOCK_MONOTONIC) + run->lease * 100;
	} else if (answer.status == 200) {
		run->served = true;
		fields_present(&printer, answer.body, RECORD_JOB);
	} else if (answer.status == 404) {
		registration_gone(run);
	} else {
		answer_refused(&answer);
		if (answer.status >= 500)
			run->probe_ms = clock_ms(CLOCK_MONOTONIC) + run->lease * 100;
		else
			registration_refused(run);
	}
	answer_clear(&answer);
}

/* Test whether the command listens. */
static void
probe(struct run *run)
{
	run->seen = run->seen || service_listens(run->host, run->port);
	if (run->seen) {
		serve(run);
		return;
	}
	if (!run->told && clock_ms(CLOCK_MONOTONIC) - run->started_ms >= LISTEN_WARNING_MS) {
		run->told = true;
		fprintf(stderr,
		    "jobgate: nothing listens on port %u of %s yet, so job %s has no URL yet: does "
		    "the command take its port from {port} or PORT?\n",
		    run->port, run->host, run->id);
	}
	run->pause_ms = run->pause_ms * 3 / 2;
	if (run->pause_ms > PROBE_MS_LAST)
		run->pause_ms = PROBE_MS_LAST;
	run->probe_ms = clock_ms(CLOCK_MONOTONIC) + run->pause_ms;
}

/* When the next step is due. */
static uint64_t
next_ms(const struct run *run)
{
	bool probes = run->registration == REGISTRATION_HELD && !run->served;

	return probes && run->probe_ms < run->due_ms ? run->probe_ms : run->due_ms;
}

/* Do what is due. */
static void
step(struct run *run)
{
	if (clock_ms(CLOCK_MONOTONIC) < run->due_ms) {
		probe(run);
		return;
	}
	switch (run->registration) {
	case REGISTRATION_DUE:
		register_again(run);
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

static void
remove_job(struct run *run)
{
	struct answer answer = {0};

	if (run->path == NULL ||
	    (run->registration != REGISTRATION_HELD && run->registration != REGISTRATION_REFUSED))
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
	run->port = ports_own(options);
	if (run->port == 0)
		run->port = service_pick_port(run->host);
	if (run->port == 0 || !ports_free(options, run->host))
		return CLI_REFUSED;
	if (!service_listens(run->host, run->port))
		return CLI_OK;
	fprintf(stderr, "jobgate: something listens on port %u already\n", run->port);
	return CLI_REFUSED;
}

/* Run the command of the job that is registered, until it ends. Returns the exit status. */
static int
run_program(struct run *run)
{
	const struct command_context *context = run->context;

	fprintf(stderr,
	    "jobgate: job %s is registered; it gets its URL when the command listens on port %u "
	    "of %s\n",
	    run->id, run->port, run->host);
	if (!program_start(&run->program, context->options->command, run->port))
		return CLI_REFUSED;
	client_on_idle(context->client, on_idle, &run->program);
	run->started_ms = clock_ms(CLOCK_MONOTONIC);
	run->probe_ms = run->started_ms + run->pause_ms;
	while (!run->program.ended) {
		uint64_t now = clock_ms(CLOCK_MONOTONIC), next = next_ms(run);

		if (now >= next)
			step(run);
		else
			program_wait(&run->program, next - now);
	}
	client_on_idle(context->client, NULL, NULL);
	program_release(&run->program);
	if (!run->seen && run->program.status == 0)
		fprintf(stderr,
		    "jobgate: the command ended without listening on port %u of %s: nothing could "
		    "reach job %s\n",
		    run->port, run->host, run->id);
	return run->registration == REGISTRATION_REFUSED ? CLI_REFUSED : run->program.status;
}

int
run_run(struct command_context *context)
{
	const struct options *options = context->options;
	struct run run = {.context = context, .lease = LEASE_DEFAULT, .pause_ms = PROBE_MS_FIRST};
	int result = choose_port(&run);

	if (result != CLI_OK)
		return result;
	if (options->fields[JOB_FIELD_ID] != NULL)
		run.id = strdup(options->fields[JOB_FIELD_ID]);
	if (options->fields[JOB_FIELD_LEASE] != NULL)
		slice_to_number(
		    slice_of(options->fields[JOB_FIELD_LEASE]), JOB_LEASE_MAX, &run.lease);
	result = register_job(&run);
	if (result == CLI_OK) {
		result = run_program(&run);
		remove_job(&run);
	}
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
	return command_labels_check(options) && ports_check(options, PORTS_OF_RUN);
}
