/* reload.c - SIGHUP: another configuration comes into force, or the old one stays. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/notify.h"
#include "server/supervisor.h"

/*
 * The name of a changed key that needs a restart, for the log; NULL when a reload can bring all
 * changes into force.
 */
static const char *
fixed_change(const struct config *old, const struct config *new, size_t worker_slots)
{
	if (new->workers > worker_slots / 2)
		return "workers (to that many)";
	if ((old->store.url == NULL) != (new->store.url == NULL))
		return "store.url (between a private store and another)";
	return config_fixed_key(old, new);
}

static struct config *
read_again(const struct supervisor *supervisor)
{
	const struct config *old = supervisor->config;
	struct config_error error;
	struct config *config = config_load(old->file, &error);
	const char *fixed;

	if (config == NULL) {
		log_error(&supervisor->log, "%s:%zu:%zu: %s; the configuration in force stays",
		    old->file != NULL ? old->file : "defaults", error.line, error.column,
		    error.message);
		return NULL;
	}
	fixed = fixed_change(old, config, supervisor->worker_slots);
	if (fixed != NULL) {
		log_error(&supervisor->log,
		    "%s: a change of %s takes a restart; the configuration in force stays",
		    old->file, fixed);
		config_free(config);
		return NULL;
	}
	return config;
}

/* Remove the files of Unix sockets at which the new configuration does not listen. */
static void
unlink_removed(const struct config *old, const struct config *new)
{
	for (size_t i = 0; i < old->listener_count; i++) {
		const char *path = old->listeners[i].path;
		bool stays = path == NULL;

		for (size_t j = 0; j < new->listener_count; j++)
			stays = stays || text_equal(path, new->listeners[j].path);
		if (!stays)
			unlink(path);
	}
}

/* A configuration with all that it needs. When it lacks a part, nothing changes. */
struct configured {
	struct config *config;
	struct listeners listeners;
	struct tls_material tls_material;
	unsigned char session_key[32];
	int access_log_fd;
	const char **own_sockets;
};

static bool
gather(const struct supervisor *supervisor, struct configured *out)
{
	const struct config *config = out->config;
	struct inherited inherited;
	bool good;

	/* Keep a key that the gateway made itself. A key that came from a file is not kept. */
	if (supervisor->config->browser.key_file == NULL)
		memcpy(out->session_key, supervisor->session_key, sizeof(out->session_key));
	if (!listeners_duplicate(&supervisor->listeners, &inherited))
		return false;
	good =
	    listeners_open(&out->listeners, config, &inherited, &supervisor->log) &&
	    access_log_open(config, &supervisor->log, &out->access_log_fd) &&
	    tls_material_load(config, supervisor->tickets, &supervisor->log, &out->tls_material) &&
	    session_key_load(config, &supervisor->log, out->session_key);
	inherited_close(&inherited);
	out->own_sockets = own_sockets_list(supervisor, config);
	return good && out->own_sockets != NULL;
}

static void
configured_free(struct configured *configured)
{
	listeners_close(&configured->listeners, false);
	tls_material_free(&configured->tls_material);
	OPENSSL_cleanse(configured->session_key, sizeof(configured->session_key));
	if (configured->access_log_fd > STDERR_FILENO)
		close(configured->access_log_fd);
	free(configured->own_sockets);
	config_free(configured->config);
	free(configured);
}

/* The new configuration, with all it needs; NULL after saying why the old one stays. */
static struct configured *
prepare(const struct supervisor *supervisor)
{
	struct configured *configured = calloc(1, sizeof(*configured));

	if (configured == NULL)
		return NULL;
	configured->access_log_fd = -1;
	configured->config = read_again(supervisor);
	if (configured->config != NULL && gather(supervisor, configured))
		return configured;
	if (configured->config != NULL)
		log_error(&supervisor->log, "the configuration in force stays");
	configured_free(configured);
	return NULL;
}

/* Swap what the supervisor has with what another configuration brought. */
static void
exchange(struct supervisor *supervisor, struct configured *with)
{
	struct configured old = {.config = supervisor->config,
	    .listeners = supervisor->listeners,
	    .tls_material = supervisor->tls_material,
	    .access_log_fd = supervisor->access_log_fd,
	    .own_sockets = supervisor->own_sockets};

	memcpy(old.session_key, supervisor->session_key, sizeof(old.session_key));
	supervisor->config = with->config;
	supervisor->listeners = with->listeners;
	supervisor->tls_material = with->tls_material;
	memcpy(supervisor->session_key, with->session_key, sizeof(supervisor->session_key));
	supervisor->access_log_fd = with->access_log_fd;
	supervisor->own_sockets = with->own_sockets;
	*with = old;
	OPENSSL_cleanse(old.session_key, sizeof(old.session_key));
	tls_material_turn(supervisor, true);
	supervisor->log.level = supervisor->config->log.level;
	supervisor->log.json = supervisor->config->log.json;
}

struct supervision_settings
supervision_settings_of(const struct config *config)
{
	return (struct supervision_settings){
	    .workers = config->workers,
	    .drain_ms = config->timeouts.drain,
	    .watchdog_ms = config->timeouts.watchdog,
	    .proof_ms = config->store.timeouts.connect + config->store.timeouts.ping_deadline,
	    .staleness_ms = config->store.max_staleness,
	};
}

void
supervisor_reload(struct supervisor *supervisor)
{
	struct supervision_settings settings;
	struct configured *configured;

	notify_reloading();
	configured = prepare(supervisor);
	if (configured == NULL) {
		supervision_prepared(supervisor->supervision, NULL, supervisor_clock_ms());
		return;
	}
	exchange(supervisor, configured);
	supervisor->previous = configured;
	raise_descriptor_limit(supervisor);
	settings = supervision_settings_of(supervisor->config);
	supervision_prepared(supervisor->supervision, &settings, supervisor_clock_ms());
}

void
reload_settle(struct supervisor *supervisor)
{
	if (supervisor->previous == NULL)
		return;
	unlink_removed(supervisor->previous->config, supervisor->config);
	control_child_follow(supervisor);
	reload_forget(supervisor);
	log_info(&supervisor->log, "a new configuration is in force");
}

static const char *
failure_text(enum supervision_failure failure)
{
	switch (failure) {
	case FAILURE_NONE:
		break;
	case FAILURE_ENDED:
		return "a worker ended before it could serve";
	case FAILURE_STORE_LATE:
		return "a worker did not reach its store in time";
	case FAILURE_OLD_ENDED:
		return "the old workers ended, and the new ones did not reach their store in time";
	}
	return "the new workers failed";
}

void
reload_undo(struct supervisor *supervisor, enum supervision_failure failure)
{
	exchange(supervisor, supervisor->previous);
	unlink_removed(supervisor->previous->config, supervisor->config);
	control_child_follow(supervisor); /* it may have been started again meanwhile */
	reload_forget(supervisor);
	log_error(&supervisor->log, "%s: the previous configuration is in force again",
	    failure_text(failure));
}

void
reload_forget(struct supervisor *supervisor)
{
	if (supervisor->previous != NULL)
		configured_free(supervisor->previous);
	supervisor->previous = NULL;
}
