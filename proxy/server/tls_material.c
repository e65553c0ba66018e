/* tls_material.c - certificates, keys and secrets, read before the workers are forked. */
#include <errno.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/redis/tls.h"
#include "auth/redis/url.h"
#include "server/server.h"
#include "server/supervisor.h"

#define ERROR_MAX 512

static struct tls_server *
load_server(const struct config *config, struct tls_tickets *tickets, char *error, size_t cap)
{
	struct tls_certificate_files *files = calloc(config->tls.certificate_count, sizeof(*files));
	struct tls_server_options options = {
	    .count = config->tls.certificate_count,
	    .certificates = files,
	    .tls13_only = config->tls.only_1_3,
	    .http2 = config->http2.clients,
	    .client_ca = config->tls.client_ca,
	    .client_certificates = config->tls.client_ca == NULL  ? TLS_CLIENTS_UNASKED
				   : config->tls.clients_optional ? TLS_CLIENTS_OPTIONAL
								  : TLS_CLIENTS_REQUIRED,
	    .tickets = tickets,
	    .ticket_lifetime_s = config->tls.ticket_lifetime / 1000,
	};
	struct tls_server *server;

	if (files == NULL)
		return NULL;
	for (size_t i = 0; i < options.count; i++) {
		const struct certificate_config *from = &config->tls.certificates[i];

		files[i] = (struct tls_certificate_files){from->certificate, from->key, from->ocsp};
	}
	server = tls_server_new(&options, error, cap);
	free(files);
	return server;
}

/*
 * For control.listen. No session is resumed there, so each handshake proves the client's
 * certificate.
 */
static bool
load_control(const struct config *config, const struct log *log, struct tls_server **out)
{
	const struct tls_certificate_files files = {
	    .certificate = config->control.certificate, .key = config->control.key};
	const struct tls_server_options options = {
	    .count = 1,
	    .certificates = &files,
	    .http2 = config->http2.clients,
	    .client_ca = config->control.client_ca,
	    .client_certificates =
		config->control.client_ca == NULL ? TLS_CLIENTS_UNASKED : TLS_CLIENTS_REQUIRED,
	};
	char error[ERROR_MAX] = "out of memory";

	if (config->control.certificate == NULL)
		return true;
	*out = tls_server_new(&options, error, sizeof(error));
	if (*out == NULL)
		log_error(log, "control.certificate, control.key and control.client_ca: %s", error);
	return *out != NULL;
}

static bool
is_reached_by_tls(const char *url)
{
	struct redis_url parsed = {0};
	char error[ERROR_MAX];
	bool tls = url != NULL && redis_url_parse(url, &parsed, error, sizeof(error)) && parsed.tls;

	redis_url_wipe(&parsed);
	return tls;
}

/*
 * Each connection to the store reads the file. Check it now, so that an error shows at the start.
 */
static bool
check_store(const struct config *config, const struct log *log)
{
	const char *file = config->store.ca_file;

	if (file == NULL || (!is_reached_by_tls(config->store.read_url) &&
				!is_reached_by_tls(config->store.write_url)))
		return true;
	if (access(file, R_OK) == 0 && redis_tls_check(file))
		return true;
	log_error(log, "store.ca_file: %s: %s", file,
	    access(file, R_OK) != 0 ? strerror(errno) : "no authorities can be read from it");
	return false;
}

static bool
load(const struct config *config, struct tls_tickets *tickets, const struct log *log,
    struct tls_material *out)
{
	const struct tls_client_options backends = {
	    .ca_file = config->backends.ca_file,
	    .certificate = config->backends.certificate,
	    .key = config->backends.key,
	    .unverified = !config->backends.verify,
	};
	char error[ERROR_MAX] = "out of memory";

	*out = (struct tls_material){0};
	if (!check_store(config, log))
		return false;
	if (!load_control(config, log, &out->control_tls))
		return false;
	out->backend_tls = tls_client_new(&backends, error, sizeof(error));
	if (out->backend_tls == NULL) {
		log_error(log, "backends: %s", error);
		return false;
	}
	if (!config->backends.verify)
		log_warning(log,
		    "backends.verify: false: anyone between the gateway and https:// backends "
		    "can read and change everything");
	if (config->tls.certificate_count == 0)
		return true;
	out->ticket_secrets = ticket_secrets_load(
	    config->tls.ticket_secrets, config->tls.ticket_lifetime / 1000, error, sizeof(error));
	if (out->ticket_secrets == NULL) {
		log_error(log, "tls.ticket_secrets: %s", error);
		return false;
	}
	out->tls = load_server(config, tickets, error, sizeof(error));
	if (out->tls == NULL)
		log_error(log, "tls: %s", error);
	return out->tls != NULL;
}

bool
tls_material_load(const struct config *config, struct tls_tickets *tickets, const struct log *log,
    struct tls_material *out)
{
	if (!load(config, tickets, log, out))
		return false;
	tls_material_report(config, log, out);
	return true;
}

void
tls_material_free(struct tls_material *tls_material)
{
	tls_server_free(tls_material->tls);
	tls_server_free(tls_material->control_tls);
	tls_client_free(tls_material->backend_tls);
	ticket_secrets_free(tls_material->ticket_secrets);
	*tls_material = (struct tls_material){0};
}

bool
tls_material_start(struct supervisor *supervisor)
{
	supervisor->tickets = tls_tickets_new();
	if (supervisor->tickets == NULL) {
		log_error(&supervisor->log, "out of memory");
		return false;
	}
	if (!tls_material_load(supervisor->config, supervisor->tickets, &supervisor->log,
		&supervisor->tls_material))
		return false;
	tls_material_turn(supervisor, true);
	return true;
}

void
tls_material_turn(struct supervisor *supervisor, bool reloaded)
{
	if (supervisor->tls_material.ticket_secrets != NULL)
		tls_tickets_turn(supervisor->tickets, supervisor->tls_material.ticket_secrets,
		    (int64_t)time(NULL), reloaded);
	for (size_t i = 0; reloaded && i < CERTIFICATE_USE_COUNT; i++)
		counter_set(
		    &supervisor->stats->certificate_expiry[i], supervisor->tls_material.expiry[i]);
}

void
tls_material_forget(struct supervisor *supervisor, bool all)
{
	ticket_secrets_free(supervisor->tls_material.ticket_secrets);
	supervisor->tls_material.ticket_secrets = NULL;
	if (!all)
		return;
	tls_material_free(&supervisor->tls_material);
	tls_tickets_free(supervisor->tickets);
	supervisor->tickets = NULL;
}

bool
server_check(const struct config *config, const struct log *log)
{
	struct tls_material tls_material = {0};
	unsigned char key[32] = {0};
	bool good = access_log_check(config, log) &&
		    tls_material_load(config, NULL, log, &tls_material) &&
		    session_key_load(config, log, key) && !tls_material.expired;

	tls_material_free(&tls_material);
	OPENSSL_cleanse(key, sizeof(key));
	if (good && config->user != NULL && getpwnam(config->user) == NULL) {
		log_error(log, "user: there is no user %s", config->user);
		return false;
	}
	return good;
}
