/* worker_run.c - the process around a worker: signals are its orders. */
#include <stdlib.h>

#include "jobgate/check.h"
#include "server/worker_state.h"

#define SIGNALS 7

static void
on_signal(evutil_socket_t number, short what, void *ctx)
{
	struct worker *worker = ctx;

	(void)what;
	switch (number) {
	case SIGTERM:
		worker_order(worker, WORKER_DRAIN);
		return;
	case SIGUSR2:
		worker_order(worker, WORKER_DRAIN_GENTLY);
		return;
	case SIGUSR1:
		worker_order(worker, WORKER_REOPEN_LOG);
		return;
	case SIGNAL_ORPHANS:
		worker_order(worker, WORKER_LOOK_AT_ORPHANS);
		return;
	default: /* SIGNAL_DUMP; SIGINT, SIGQUIT */
		worker_order(worker, number == SIGNAL_DUMP ? WORKER_DUMP : WORKER_STOP);
		return;
	}
}

static bool
take_signals(struct worker *worker, struct event *events[SIGNALS])
{
	const int signals[SIGNALS] = {
	    SIGTERM, SIGUSR2, SIGINT, SIGQUIT, SIGUSR1, SIGNAL_ORPHANS, SIGNAL_DUMP};

	for (size_t i = 0; i < SIGNALS; i++) {
		events[i] = evsignal_new(loop_base(worker->loop), signals[i], on_signal, worker);
		if (events[i] == NULL || event_add(events[i], NULL) != 0)
			return false;
	}
	return true;
}

int
worker_run(const struct worker_setup *setup)
{
	struct worker_setup own = *setup;
	struct event *events[SIGNALS] = {NULL};
	struct worker *worker;
	bool good;

	own.dns_servers = getenv("JOBGATE_DNS_SERVERS");
	jg_check_log(&setup->log);
	worker = worker_open(&own);
	good = worker != NULL && take_signals(worker, events);
	while (good && worker_turn(worker, true))
		;
	for (size_t i = 0; i < SIGNALS; i++)
		if (events[i] != NULL)
			event_free(events[i]);
	worker_close(worker);
	return good ? 0 : 1;
}
