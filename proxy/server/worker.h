/* worker.h - a worker: an event loop with its own directory, data path and tracker. */
#ifndef JOBGATE_WORKER_H
#define JOBGATE_WORKER_H

#include <signal.h>

#include "config/config.h"
#include "jobgate/limits.h"
#include "jobgate/tuning.h"
#include "net/tls_client.h"
#include "net/tls_server.h"
#include "observe/log_runner.h"
#include "observe/shared.h"

/* The default action ignores it, so it is harmless to a process that has just been forked. */
#define SIGNAL_ORPHANS SIGURG

/*
 * The signal for a live dump. SIGRTMIN is no constant, because the C library keeps the first
 * real-time signals for itself.
 */
#define SIGNAL_DUMP SIGRTMIN

/* Connections of a worker at control.listen and at control.metrics, in addition to
 * limits.connections. */
#define WORKER_CONTROL_CONNECTIONS 256
#define WORKER_METRICS_CONNECTIONS 64

struct worker_setup {
	const struct config *config;
	const struct tuning *tuning; /* NULL: jg_tuning */
	unsigned index;
	int *listeners; /* this worker's own listening sockets, in the order of config->listeners;
			   -1 once closed */
	int *all_listeners; /* those of all workers, [worker * listener_count + listener]; likewise
			     */
	const struct shared_stats *shared;
	struct replica_places *replica_places; /* of that; NULL: no replica is checked */
	struct job_slots *job_slots;	       /* of that; NULL: nothing is counted by job */
	const struct sockaddr_storage
	    *own; /* the addresses they are bound to (ports filled in), for the guard */
	const unsigned char *session_key; /* 32 bytes */
	struct tls_server *tls;		  /* for clients; NULL: no listener is for TLS */
	struct tls_server *control_tls;	  /* the same for control.listen */
	const char *channel; /* path of the control process's socket for workers; NULL: it is not
				told of sessions */
	const char *control_secret; /* for calls that are forwarded to the control process */
	struct tls_client *backend_tls;
	const char *store_url;	 /* config->store.read_url, or that of the private redis-server */
	const char *primary_url; /* config->store.write_url, or the same */
	struct worker_stats *stats;
	struct limit_table *limits;	/* of tokens, shared by all workers */
	uint16_t owner;			/* its number in that table, which no other worker has */
	const char *const *own_sockets; /* paths of the gateway's Unix sockets, NULL at the end */
	const char *dns_servers;	/* as resolver_new takes them; worker_run sets it */
	int access_log_fd;		/* -1: off, or syslog */
	const struct log_runner *log_runner; /* of the access log */
	struct log log;
};

/*
 * A worker as an object: it has no signals, no environment and no process of its own, so several
 * can live in one process, each with its own setup, sockets and statistics. SIGPIPE is ignored by
 * the process.
 */
struct worker;

/*
 * Put a worker together and let it begin: it accepts once it has proved its store, in one of the
 * next turns. The setup outlives it. NULL, with a line in the log, when memory or descriptors are
 * short.
 */
struct worker *worker_open(const struct worker_setup *setup);

/*
 * One turn of its loop; without wait it takes only what is ready. False once it has nothing left to
 * do: it has drained, or was told to stop.
 */
bool worker_turn(struct worker *worker, bool wait);

enum worker_order {
	WORKER_DRAIN, /* stop accepting, end idle connections, let exchanges finish within
			 timeouts.drain */
	/* The same, but an idle connection may bring one more request, whose answer says that the
	 * connection closes, so that no client meets a closed one. */
	WORKER_DRAIN_GENTLY,
	WORKER_STOP,		/* end at once */
	WORKER_REOPEN_LOG,	/* open the access log again by its name */
	WORKER_DUMP,		/* write each of its objects into its log (live_dump.c) */
	WORKER_LOOK_AT_ORPHANS, /* other workers' sockets are orphaned, or not any more (orphans.c)
				 */
};

/* Call it between two turns, or in one. */
void worker_order(struct worker *worker, enum worker_order order);

/* Cut what still runs and free all that it made, so that LeakSanitizer can watch. NULL is fine. */
void worker_close(struct worker *worker);

/*
 * The body of a worker process: one worker, with orders that come as signals (SIGTERM: drain,
 * SIGUSR2: drain gently, SIGINT and SIGQUIT: stop, SIGUSR1: reopen the log, SIGNAL_DUMP,
 * SIGNAL_ORPHANS) and what the environment says. It also ends when its supervisor is gone
 * (PR_SET_PDEATHSIG). Returns the exit status.
 */
int worker_run(const struct worker_setup *setup);

#endif
