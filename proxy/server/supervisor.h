/* supervisor.h - what the files that make up the supervisor share; nobody else includes it. */
#ifndef JOBGATE_SERVER_SUPERVISOR_H
#define JOBGATE_SERVER_SUPERVISOR_H

#include <signal.h>
#include <sys/types.h>

#include "config/config.h"
#include "jobgate/control_fields.h"
#include "jobgate/log.h"
#include "net/tls_client.h"
#include "net/tls_server.h"
#include "observe/log_buffer.h"
#include "observe/shared.h"
#include "server/listeners.h"
#include "server/redis_child.h"

/*
 * supervisor.c   the beginning, the watch over the children, the end
 * children.c     forking them, collecting them, starting them again
 * control_child.c  the control process, and what it is given
 * redis_watch.c  what becomes of the private redis-server, its log and its socket
 * heartbeat.c    which of them hang, and whose listening sockets are orphaned
 * generation.c   the workers of one configuration, together
 * privileges.c   what is done once, as root or not, before the first fork
 * logs.c         the access log's file
 * session_key.c  the key that seals browsers' sessions
 * control_secret.c  the secret between workers and the control process
 * secure.c       certificates, keys and secrets
 * secure_report.c  what is wrong with them, and can be used all the same
 * reload.c       SIGHUP: another configuration comes into force
 * upgrade.c      SIGUSR2: another binary takes the supervisor's place
 *
 * Reload and upgrade are the same act: workers of a new generation start on the same
 * listening sockets, and once all of them accept the old ones are let go. A worker accepts once
 * it has proved its store. When one of them ends before that, or cannot reach its store while
 * the old ones have theirs, a reload is taken back: the old ones stay.
 */

enum child_role { CHILD_REDIS, CHILD_CONTROL, CHILD_WORKER };

enum child_state {
	CHILD_UNUSED,
	CHILD_RUNNING,
	CHILD_WAITING,	/* ended by itself; to be started again at restart_ms */
	CHILD_OLD,	/* runs until the new generation accepts */
	CHILD_GONE,	/* an old one that has ended; until then, others accept from its sockets */
	CHILD_RETIRING, /* was told to go; killed at deadline_ms */
};

struct child {
	enum child_role role;
	enum child_state state;
	unsigned index; /* of a worker in its generation: says which listening sockets are its */
	pid_t pid;
	uint64_t started_ms, restart_ms, deadline_ms;
	uint64_t backoff_ms; /* pause before its next restart; 0: none */
	bool lost;	     /* the one before it ended by itself, and it does not accept yet */
	bool had_store;	     /* when it ended */
	/* Of heartbeat.c. */
	bool watched;	    /* this binary started it, not the one before an upgrade */
	bool beaten;	    /* since it was started */
	bool aborted;	    /* it hangs, and was told to end */
	uint64_t beats;	    /* as last seen */
	uint64_t silent_ms; /* since then */
};

/* After the drain time children have this long before they are killed. */
#define GRACE_MS 2000

/* Where redis-server and control stand among the children; workers follow. */
#define SLOT_REDIS 0
#define SLOT_CONTROL 1
#define SLOT_WORKERS 2

/* What TLS needs that comes from files; the first two are NULL where no listener is for TLS. */
struct secured {
	struct tls_server *tls;
	struct ticket_secrets *ticket_secrets;
	struct tls_server *control_tls; /* NULL where control.listen is not for TLS */
	struct tls_client *backend_tls;
	uint64_t expiry[CERTIFICATE_USE_COUNT]; /* of the certificates: see shared.h */
	bool expired;				/* one of them has */
};

struct supervisor {
	struct config *config;
	struct log log;
	struct log_buffer *log_buffer; /* takes the lines of log */
	char *const *arguments;	       /* of main: how another binary is to be called */
	char program[4096];	       /* the path of the binary, as it was at the start */
	struct listeners listeners;
	struct secured secured;
	struct tls_tickets *tickets;
	unsigned char session_key[32]; /* seals browsers' sessions */
	/* The secret by which the control process knows our workers; hex; wiped at the end. */
	char control_secret[CONTROL_SECRET_TEXT + 1];
	struct shared_stats *stats; /* one part for each worker that may run at the same time */
	struct redis_child redis;
	bool private_redis;
	const struct config *control_config; /* that the control process was started with */
	int access_log_fd;
	size_t worker_slots;
	struct child *children; /* SLOT_WORKERS + worker_slots of them */
	const char **own_sockets;
	sigset_t signals, before;
	bool warm; /* there has been a generation before: it serves while the next one starts */
	bool replacing;	       /* a new generation has been started; the old one still serves */
	const char *failing;   /* why it failed, for the log; NULL while it may still come up */
	bool without_store;    /* its workers may accept without their store */
	uint64_t proof_due_ms; /* when all of them should have reached it */
	bool again;	       /* SIGHUP came: reload once nothing is being replaced */
	bool upgrade;	       /* likewise SIGUSR2 */
	struct configured *previous; /* while replacing after a reload: the way back; else NULL */
	uint64_t looked_ms;	     /* when heartbeat.c last looked */
	uint64_t watchdog_ms,
	    watched_ms; /* systemd's watchdog: how often, and when it was last fed */
};

/* ---- children.c ---- */

uint64_t supervisor_clock_ms(void);

/* Fork a child into its slot. */
void child_start(struct supervisor *supervisor, struct child *child);

/* Tell it to go. `signal_number`: how, 0: it is told already; it is killed after patience_ms. */
void child_retire(struct child *child, int signal_number, uint64_t patience_ms);

/* Collect those that have ended; those that nobody asked to are to be started again. */
void children_reap(struct supervisor *supervisor, bool ending);

/* Workers that drain although we did not ask them to: start others in their place. */
void children_replace_draining(struct supervisor *supervisor);

/* Kill those that do not go. */
void children_hurry(struct supervisor *supervisor);

/* A slot for a worker; NULL while too many old ones are still there. */
struct child *children_free_slot(struct supervisor *supervisor);

/* "worker 0", "control" ...; static, or written to out. */
const char *child_name(const struct child *child, char out[32]);

/* How long until the next child is to be started (unless ending) or killed; at most max_ms. */
uint64_t children_due_ms(const struct supervisor *supervisor, bool ending, uint64_t max_ms);

/* The next signal, or 0 after a nap of less than a second. */
int supervisor_next_signal(const struct supervisor *supervisor, uint64_t nap_ms);

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

/* ---- heartbeat.c ---- */

/* What a process publishes of itself, and what is published of it. */
struct heartbeat {
	counter *beats, *silent_ms;
};

/* Call it before a child is forked: it is watched from then on. */
void heartbeat_start(struct supervisor *supervisor, struct child *child);

/* Call it at each turn: kills what hangs. */
void heartbeat_watch(struct supervisor *supervisor);

/* Call it at each turn, and when a child has ended: marks the workers whose listening sockets are
 * orphaned, and tells the others, which accept in their place. */
void heartbeat_orphans(struct supervisor *supervisor);

/* False when a process that hangs cannot even be killed. */
bool heartbeat_good(const struct supervisor *supervisor);

/* ---- generation.c ---- */

/* Are there slots for that many workers? Those of earlier generations may still drain. */
bool generation_fits(const struct supervisor *supervisor, unsigned workers);

/* Start the workers of the configuration; those that run already are old from now on. */
void generation_start(struct supervisor *supervisor);

/* All of the new generation accept: the old one may go. */
bool generation_accepts(const struct supervisor *supervisor);
void generation_retire_old(struct supervisor *supervisor);

/*
 * Call it while the new generation does not accept yet. A new generation that is late to reach its
 * store fails if the old one still reaches its own; it starts without the store if the old one has
 * lost its own, or is gone.
 */
void generation_check_store(struct supervisor *supervisor);

/* Or the other way round: the old one goes on, with the configuration that it had. */
void generation_return(struct supervisor *supervisor);

/* Readiness is that of these workers from now on. */
void generation_serves(struct supervisor *supervisor);

/* ---- privileges.c: each false with a line in the log ---- */

/* Descriptors for all connections, as far as the system lets us. */
void raise_descriptor_limit(const struct supervisor *supervisor);

/* Become the configured user; what only root could do is done by now. */
bool drop_privileges(const struct supervisor *supervisor);

/* The descriptor to write the access log to; -1: off, or syslog. */
bool access_log_open(const struct config *config, const struct log *log, int *fd);

/* Could it be opened, by whoever asks? Makes nothing. False with the same line in the log. */
bool access_log_check(const struct config *config, const struct log *log);

void supervisor_close_log(struct supervisor *supervisor);

/* SIGUSR1: the access log's file was moved away; all open it again by its name. */
void supervisor_reopen_log(struct supervisor *supervisor);

/* ---- secure.c ---- */

/* At the start. False with a line in the log. */
bool secure_start(struct supervisor *supervisor);

/* Now and then: see that the keys of tickets do not get old; anew: after a reload. */
void secure_turn(struct supervisor *supervisor, bool anew);

/* Read the files. tickets may be NULL, to see whether that can be done. False with a line in the
 * log. */
bool secure_load(const struct config *config, struct tls_tickets *tickets, const struct log *log,
    struct secured *out);
void secure_free(struct secured *secured);

/* In a child: forget what is the supervisor's alone, and with `all` what is the workers' too. */
void secure_forget(struct supervisor *supervisor, bool all);

/* ---- secure_report.c ---- */

/*
 * Log problems of files that can still be used: certificates that expire or do not cover the hosts
 * of jobs, secrets that other users can read. Writes to out when certificates expire.
 */
void secure_report(const struct config *config, const struct log *log, struct secured *out);

/* ---- session_key.c ---- */

/*
 * The key that seals sessions: of browser.key_file, else the one in `key` as it is, which
 * is made when it is none yet (all 0). False with a line in the log.
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

/* ---- supervisor.c ---- */

/* Paths at which the gateway listens itself: never a backend's. NULL when memory is short. */
const char **own_sockets_list(const struct supervisor *supervisor, const struct config *config);

/* Frees all it has; in a child, and at the end. */
void supervisor_free(struct supervisor *supervisor);

/* ---- reload.c ---- */

/* Read the configuration again and start a generation with it, or say why not. */
void supervisor_reload(struct supervisor *supervisor);

/* That generation serves: what was in force before is over. */
void reload_settle(struct supervisor *supervisor);

/* It does not come up: what was in force before is again. False when there is no way back. */
bool reload_undo(struct supervisor *supervisor);

/* In a child, and at the end: close and free the way back. */
void reload_forget(struct supervisor *supervisor);

/* ---- upgrade.c ---- */

/* Become the binary that is at our path now. Returns only when that failed, after saying why. */
void supervisor_upgrade(struct supervisor *supervisor);

/* How many workers it has left to us; 0 when we did not come by an upgrade. */
size_t upgrade_workers(void);

/*
 * After an upgrade, before sockets are opened: end the control process of the previous binary. In
 * earlier versions it listens at control.listen and control.metrics itself.
 */
void upgrade_end_control(void);

/*
 * After an upgrade: the children, as the binary before us has left them to us, and
 * the descriptor that locks the state directory (-1: none). False when we did not come
 * by an upgrade.
 */
bool upgrade_adopt(struct supervisor *supervisor);

#endif
