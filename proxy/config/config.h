/* config.h - the configuration: one immutable struct, made from a YAML file or from defaults. */
#ifndef JOBGATE_CONFIG_H
#define JOBGATE_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "jobgate/ip.h"
#include "jobgate/job.h"
#include "jobgate/log.h"
#include "jobgate/purpose.h"
#include "jobgate/settings.h"

/* Where the gateway listens for clients. */
struct listener_config {
	const char *address; /* as written, without what follows it: "127.0.0.1:8080", "[::]:8080",
				":8080" (every address), "unix:/path" */
	const char *host;    /* numeric, or NULL for unix; "::" for every address */
	uint16_t port;	     /* 0: any free one */
	const char *path;    /* for unix, else NULL */
	bool tls;	     /* "tls" follows the address */
	bool redirect;	     /* the word "redirect": requests are redirected to https */
	bool proxied;	     /* the word "proxied": connections begin with a PROXY header */
	bool authorize;	     /* the word "authorize": other proxies ask for decisions there */
	enum purpose purpose;
	const char *setting; /* the setting with this address, for messages: "listen"; static */
};

/* A certificate for clients, in files; ocsp may be NULL. */
struct certificate_config {
	const char *certificate, *key, *ocsp;
};

/*
 * All text is NUL-terminated and owned by the configuration. Times are milliseconds, sizes bytes.
 */
struct config {
	const char *file;	/* where it came from; NULL for the built-in defaults */
	bool embedded_defaults; /* no file at all: loopback jobs allowed, embedded store */

	size_t
	    listener_count; /* those of `listen` first, then control.listen and control.metrics */
	uint16_t redirect_port; /* of https, where redirects lead */
	struct listener_config *listeners;
	unsigned workers; /* processes; 0 in the file ("auto") becomes the number of cores */

	struct job_forms jobs;

	struct {
		const char *url;	   /* NULL: a private redis-server of our own */
		const char *read_url;	   /* where workers read; NULL with url NULL only */
		const char *write_url;	   /* the primary, where changes go; the same */
		bool wait_required;	   /* control.process.wait has the rest */
		const char *prefix;	   /* of keys, "jobgate:" */
		const char *ca_file;	   /* for rediss://; NULL: the system's */
		const char *password_file; /* in place of the URLs' password; NULL: none */
		const char *state_dir;	   /* of the private redis-server */
		const char *redis_server;  /* its program, "redis-server" */
		struct store_timeouts timeouts;
		uint64_t max_staleness;
		size_t cache_entries; /* for each worker */
	} store;

	struct {
		struct forwarding forwarding;
		struct ip_ranges
		    trusted_proxies; /* whose X-Forwarded-*, Forwarded and X-Request-Id count */
		struct ip_ranges allow, deny; /* of backend addresses: deny has precedence; with an
						 allow list nothing else passes */
		bool allow_loopback;
		const char *ca_file;	       /* for https:// backends; NULL: the system's */
		const char *certificate, *key; /* shown to backends that ask for one; NULL: none */
		bool verify;		       /* check the certificates of https:// backends */
		struct pool_settings pool;
	} backends;

	struct { /* towards clients */
		size_t certificate_count;
		struct certificate_config *certificates;
		bool only_1_3;		    /* no TLS 1.2 */
		const char *ticket_secrets; /* file; NULL: keys of tickets are random */
		uint64_t ticket_lifetime;
		const char
		    *client_ca; /* whose certificates clients have; NULL: none are asked for */
		bool clients_optional; /* a client may have none */
		const char *hsts;      /* Strict-Transport-Security; NULL: none */
	} tls;

	struct {
		bool sign_in;	      /* people may sign in with a token, in the host form */
		uint64_t session;     /* how long a session lasts */
		const char *key_file; /* seals sessions; NULL: a key of this gateway's own */
		const char *help;     /* where people get a token; NULL: no such text */
		const char *host;   /* at which people sign in for all jobs; NULL: at each job's own
				       host, or not at all */
		bool same_host;	    /* at each job's own host */
		const char **embed; /* origins whose pages may frame jobs; NULL at the end */
	} browser;

	struct timeouts timeouts;
	struct limits limits;

	struct {
		bool clients; /* may speak it */
		struct http2_limits limits;
	} http2;

	struct {
		struct control_settings process;
		const char *host; /* at which workers serve the API too; NULL: nowhere */
		struct job_url gateway_target; /* process.gateway_socket, as a URL */
		const char *metrics;   /* "host:port" of /metrics, /healthz, /readyz; NULL: off */
		size_t metrics_tokens; /* of /metrics: how many tokens have samples of their own */
		const char *listen;    /* "host:port" of the API for operators; NULL: off */
		const char *certificate, *key; /* of `listen`, PEM; NULL: no TLS */
		const char *client_ca; /* whose certificates clients must have; NULL: none */
		bool allow_plain;      /* `listen` may be without TLS beyond loopback */
	} control;

	struct {
		size_t jobs_max; /* of /metrics: how many jobs have samples of their own */
	} metrics;

	struct {
		enum log_level level;
		bool json;	    /* the service log */
		const char *access; /* "-": standard output, "off", "syslog", "syslog:/path", or a
				       file */
	} log;

	const char *user; /* to become after binding, when started as root; NULL: stay */
};

/* An error, for messages: FILE:line:column: message */
struct config_error {
	size_t line, column; /* from 1; 0 when it concerns no place in the file */
	char message[256];
};

/*
 * Read a YAML file over the defaults; with path NULL, take the defaults alone. Unknown keys, wrong
 * types, values out of range and contradictions are errors. NULL on an error, with *error filled
 * in. The caller frees the configuration.
 */
struct config *config_load(const char *path, struct config_error *error);
void config_free(struct config *config);

/*
 * The name of a key that differs between the two and that a reload cannot change (key_reload in
 * keys.h); NULL when there is none. Both are for a private store, or both are not.
 */
const char *config_fixed_key(const struct config *old, const struct config *new);

#endif
