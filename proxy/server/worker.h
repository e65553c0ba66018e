/* worker.h - one worker process: an event loop with its own directory, gateway and Redis link. */
#ifndef JOBGATE_WORKER_H
#define JOBGATE_WORKER_H

#include <signal.h>

#include "config/config.h"
#include "jobgate/tuning.h"
#include "net/tls_client.h"
#include "net/tls_server.h"
#include "observe/log_runner.h"
#include "observe/shared.h"

/* The default action ignores it, so it is harmless to a process that has just been forked. */
#define SIGNAL_ORPHANS SIGURG

/* Connections of a worker at control.listen and at control.metrics, beside limits.connections. */
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
	const struct sockaddr_storage
	    *own; /* the addresses they are bound to (ports filled in), for the guard */
	const unsigned char *session_key; /* 32 bytes */
	struct tls_server *tls;		  /* for clients; NULL: no listener is for TLS */
	struct tls_server *control_tls;	  /* the same for control.listen */
	const char *control_secret;	  /* for calls that are forwarded to the control process */
	struct tls_client *backend_tls;
	const char *store_url;	 /* config->store.read_url, or that of the private redis-server */
	const char *primary_url; /* config->store.write_url, or the same */
	struct worker_stats *stats;
	const char *const *own_sockets; /* paths of the gateway's Unix sockets, NULL at the end */
	int access_log_fd;		/* -1: off, or syslog */
	const struct log_runner *log_runner; /* of the access log */
	struct log log;
};

/*
 * The body of a worker process: runs until SIGTERM (drains: stops accepting, ends
 * idle connections, lets exchanges finish within timeouts.drain) or SIGINT/SIGQUIT
 * (ends at once). SIGNAL_ORPHANS: other workers' sockets are orphaned, or not any more (orphans.c).
 * SIGUSR2 drains gently: an idle connection may bring one more request,
 * whose answer says that the connection closes, so that no client meets a closed one. SIGUSR1
 * opens the access log again by its name. Also ends
 * when its supervisor is gone (PR_SET_PDEATHSIG). Returns the exit status. Frees everything it
 * made, so that LeakSanitizer can watch.
 */
int worker_run(const struct worker_setup *setup);

#endif
