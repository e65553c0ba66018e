/* supervisor.h - what the files that make up the supervisor share; only they include it. */
#ifndef JOBGATE_SERVER_SUPERVISOR_H
#define JOBGATE_SERVER_SUPERVISOR_H

#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include "auth/redis/store.h"
#include "config/config.h"
#include "jobgate/control_fields.h"
#include "jobgate/log.h"
#include "limits/table.h"
#include "net/tls_client.h"
#include "net/tls_server.h"
#include "observe/log_buffer.h"
#include "observe/shared.h"
#include "server/listeners.h"
#include "server/redis_child.h"
#include "server/supervision.h"

/*
 * The decisions are a pure state machine's (supervision.h). These files feed it with what happens
 * to processes, and carry out what it decides:
 *
 * supervisor.c          the beginning, the loop, the orders that come as signals
 * actions.c             what is done for each decision
 * start_report.c        what the operator is told at the start
 * children.c            forks processes, collects them, reads what they publish
 * control_child.c       the control process, and what it is given
 * redis_watch.c         watches the private redis-server, its log and its socket
 * privileges.c          what is done once, as root or not, before the first fork
 * logs.c                the access log's file
 * session_key.c         the key that seals browsers' sessions
 * control_secret.c      the secret between workers and the control process
 * limits.c              the table of the tokens that have limits
 * tls_material.c        certificates, keys and secrets
 * tls_material_report.c faults in TLS files that do not prevent their use
 * own_sockets.c         paths at which the gateway listens itself
 * release.c             frees what the supervisor has
 * reload.c              SIGHUP: another configuration comes into force
 * upgrade.c             SIGUSR2: another binary takes the supervisor's place
 */

/* The process of a child (supervision.h), in the same slot. */
struct process {
	pid_t pid;  /* 0: there is none */
	int status; /* of the last one that ended, as waitpid says */
	/* When limits.c last marked places: the process at that time, and its beats. */
	pid_t noted_pid;
	uint64_t noted_beats;
};

/* What TLS needs from files; the first two are NULL where no listener has TLS. */
struct tls_material {
	struct tls_server *tls;
	struct ticket_secrets *ticket_secrets;
	struct tls_server *control_tls; /* NULL where control.listen is not for TLS */
	struct tls_client *backend_tls;
	uint64_t expiry[CERTIFICATE_USE_COUNT]; /* of the certificates: see shared.h */
	bool expired;				/* one of them has expired */
};

/* The limits of tokens (limits.c). */
struct supervisor_limits {
	struct limit_table *table;
	bool marked;	  /* idle places are marked, and not yet free */
	uint64_t look_ms; /* when idle places are looked for again */
	uint64_t tell_ms; /* when a full table may be logged again */
	uint64_t refused; /* requests that a full table had refused when that was last logged */
};

struct supervisor {
	struct config *config;
	struct log log;
	struct log_buffer *log_buffer; /* takes the lines of log */
	char *const *arguments;	       /* of main: how another binary is to be called */
	char program[4096];	       /* the path of the binary, as it was at the start */
	struct listeners listeners;
	struct tls_material tls_material;
	struct tls_tickets *tickets;
	unsigned char session_key[32]; /* seals browsers' sessions */
	/* The secret by which the control process recognizes our workers; hex; wiped at the end. */
	char control_secret[CONTROL_SECRET_TEXT + 1];
	char registration_mark[STORE_MARK_LEN + 1]; /* of its control processes */
	struct shared_stats *stats; /* one part for each worker that may run at the same time */
	struct supervisor_limits limits;
	struct redis_child redis;
	bool private_redis;
	bool told_ready;		     /* the log says that it is ready */
	const struct config *control_config; /* that the control process was started with */
	int access_log_fd;
	struct supervision *supervision;
	size_t worker_slots;
	struct process *processes; /* SLOT_WORKERS + worker_slots of them */
	const char **own_sockets;
	sigset_t signals, before;
	struct configured *previous; /* while replacing after a reload: the way back; else NULL */
	uint64_t watchdog_ms,
	    watched_ms; /* systemd's watchdog: how often, and when it was last fed */
};

/* The clock of the state machine. It does not advance while the computer is suspended. */
static inline uint64_t
supervisor_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- start_report.c ---- */

/* Tell the log what runs, with which configuration and store. No secret is written. */
void start_report_begin(const struct supervisor *supervisor);

/* Call it periodically: tells the log once that the gateway is ready; a terminal, what is next. */
void start_report_turn(struct supervisor *supervisor);

/* ---- actions.c ---- */

/* Carry out what has been decided. Call it after events, before the next tick. */
void supervisor_act(struct supervisor *supervisor);

/* ---- children.c ---- */

/* Fork the child of a slot. False, with a line in the log, when that fails. */
bool child_fork(struct supervisor *supervisor, unsigned slot, bool without_store);

/* Send the process of a slot a signal, if there is one. */
void child_signal(const struct supervisor *supervisor, unsigned slot, int number);

/* The same for all workers. */
void children_signal_workers(const struct supervisor *supervisor, int number);

/* Collect the processes that have ended. */
void children_reap(struct supervisor *supervisor);

/* Read what the processes publish, and publish how long each has been silent. */
void children_report(struct supervisor *supervisor);
void children_publish_silence(struct supervisor *supervisor);

/* What the processes of a worker's slot publish. */
struct worker_stats *child_stats(const struct supervisor *supervisor, unsigned slot);

/* "worker 0", "control" ...; static, or written to out. */
const char *child_name(const struct supervisor *supervisor, unsigned slot, char out[32]);

/* ---- control_child.c ---- */

/* The URL of the configuration, or that of the private store. */
const char *supervisor_store_url(const struct supervisor *supervisor, const char *configured);

/* Run the control process, in a forked child. Returns its exit status. */
int control_child_run(struct supervisor *supervisor);

/* Another configuration is in force: restart the control process if its settings have changed. */
void control_child_follow(struct supervisor *supervisor);

/* ---- redis_watch.c ---- */

/* Call it before the private redis-server is started: earlier lines of its log do not count. */
void redis_watch_start(struct supervisor *supervisor);

/*
 * Call it periodically: logs what redis-server found in its files, restarts it when its socket was
 * removed, and publishes whether its file was cut short.
 */
void redis_watch(struct supervisor *supervisor);

/* The last line that it logged; "" when there is none. */
const char *redis_watch_last_line(struct supervisor *supervisor);

/* ---- privileges.c: each false with a line in the log ---- */

/* Descriptors for all connections, as far as the system lets us. */
void raise_descriptor_limit(const struct supervisor *supervisor);

/* Become the configured user, once everything that only root may do is done. */
bool drop_privileges(const struct supervisor *supervisor);

/* The descriptor to write the access log to; -1: off, or syslog. */
bool access_log_open(const struct config *config, const struct log *log, int *fd);

/* Check that the current user could open it; makes nothing. False with the same line in the log. */
bool access_log_check(const struct config *config, const struct log *log);

void supervisor_close_log(struct supervisor *supervisor);

/*
 * SIGUSR1: the access log's file was moved away; open it again by its name, for workers that start
 * later.
 */
void supervisor_reopen_log(struct supervisor *supervisor);

/* ---- tls_material.c ---- */

/* At the start. False with a line in the log. */
bool tls_material_start(struct supervisor *supervisor);

/* Call it periodically: renews the keys of tickets before they get old. reloaded: the material is
 * new. */
void tls_material_turn(struct supervisor *supervisor, bool reloaded);

/* Read the files. tickets may be NULL, to see whether that can be done. False with a line in the
 * log. */
bool tls_material_load(const struct config *config, struct tls_tickets *tickets,
    const struct log *log, struct tls_material *out);
void tls_material_free(struct tls_material *tls_material);

/* In a child: free what only the supervisor uses, and with `all` what workers use, too. */
void tls_material_forget(struct supervisor *supervisor, bool all);

/* ---- tls_material_report.c ---- */

/*
 * Log problems of files that can still be used: certificates that expire or do not cover the hosts
 * of jobs, secrets that other users can read. Writes to out when certificates expire.
 */
void tls_material_report(
    const struct config *config, const struct log *log, struct tls_material *out);

/* ---- session_key.c ---- */

/*
 * The key that seals sessions. It comes from browser.key_file. Without such a file, the key that is
 * in `key` stays; if there is none yet (all 0), one is made. False with a line in the log.
 */
bool session_key_load(const struct config *config, const struct log *log, unsigned char key[32]);

/* ---- control_secret.c ---- */

/*
 * Make the secret between workers and the control process, or take over that of the previous binary
 * after an upgrade. False with a line in the log.
 */
bool control_secret_make(struct supervisor *supervisor);

/* For an upgrade: leave the secret to the next binary, or take it back when that did not start. */
bool control_secret_leave(const struct supervisor *supervisor);
void control_secret_take_back(void);

/* ---- limits.c ---- */

/* Make the table, or take over that of the previous binary. False with a line in the log. */
bool limits_start(struct supervisor *supervisor);

/* After an upgrade, once the children are adopted: take back what workers held that have ended. */
void limits_adopted(struct supervisor *supervisor);

/* For an upgrade: leave the table to the next binary, or take it back when that did not start. */
bool limits_leave(struct supervisor *supervisor);
void limits_take_back(struct supervisor *supervisor);

/* A worker has ended (waitpid): take back what it held. */
void limits_worker_ended(struct supervisor *supervisor, pid_t pid);

/* Call it periodically: frees places of tokens that are idle, and logs when the table is full. */
void limits_turn(struct supervisor *supervisor);

/* ---- own_sockets.c ---- */

/* Paths at which the gateway listens itself: no job's URL may lead there. NULL when memory is
 * short. */
const char **own_sockets_list(const struct supervisor *supervisor, const struct config *config);

/* ---- release.c ---- */

/* Free all that it has. For a forked child, and for the end. */
void supervisor_free(struct supervisor *supervisor);

/* ---- reload.c ---- */

/* What the state machine needs from a configuration. */
struct supervision_settings supervision_settings_of(const struct config *config);

/* Read the configuration again and put it in force, or log why not; tells the state machine. */
void supervisor_reload(struct supervisor *supervisor);

/* The new configuration's workers serve: free the previous one. */
void reload_settle(struct supervisor *supervisor);

/* Its workers do not come up, because of `failure`: put the previous one in force again. */
void reload_undo(struct supervisor *supervisor, enum supervision_failure failure);

/* Close and free the previous configuration. For a forked child, and for the end. */
void reload_forget(struct supervisor *supervisor);

/* ---- upgrade.c ---- */

/* Execute the binary that is at our path now. Returns only when that fails, with a line in the log.
 */
void supervisor_upgrade(struct supervisor *supervisor);

/* The number of workers that the previous binary has left; 0 when there was none. */
size_t upgrade_workers(void);

/*
 * After an upgrade, before sockets are opened: end the control process of the previous binary. In
 * earlier versions it listens at control.listen and control.metrics itself.
 */
void upgrade_end_control(void);

/*
 * After an upgrade: adopt the children that the previous binary has left, and the descriptor that
 * locks the state directory. Otherwise it does nothing.
 */
void upgrade_adopt(struct supervisor *supervisor);

#endif
