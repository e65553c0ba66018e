/* job.h - jobs, and the URLs of the backends behind them. */
#ifndef JOBGATE_JOB_H
#define JOBGATE_JOB_H

#include <stdint.h>

#include "jobgate/label.h"

#define JOB_ID_MAX 63
#define JOB_URL_MAX 2048 /* bytes, of all URLs of a job together */
#define JOB_URLS_MAX 16
#define JOB_LEASE_MAX 86400 /* seconds */
#define JOB_PORTS_MAX 16
#define JOBS_PUBLIC_MAX 10000 /* of a store: each worker holds their ids */
#define JOB_HEALTH_MAX 256    /* bytes */

enum job_url_scheme {
	JOB_URL_NONE,
	JOB_URL_HTTP,
	JOB_URL_HTTPS,
	JOB_URL_UNIX,  /* HTTP/1 */
	JOB_URL_H2C,   /* h2c:// and grpc://: HTTP/2 in cleartext */
	JOB_URL_GRPCS, /* HTTP/2 over TLS, and nothing else */
};

/*
 * Where a job's backend listens: http://host[:port][/base], or the same with https, h2c, grpc or
 * grpcs, or unix:/path/to.sock. The slices point into the parsed text.
 */
struct job_url {
	struct slice path; /* of the socket, for unix */
	struct slice base; /* "/base" without a slash at its end; may be empty */
	uint64_t hash;	   /* of all that is here, FNV-1a: URLs that differ in it lead elsewhere */
	enum job_url_scheme scheme; /* JOB_URL_NONE: the job has no URL yet */
	uint16_t port;		    /* given, or 80, with TLS 443; 0 for unix */
	struct slice host;	    /* name or address, IPv6 without its brackets; empty for unix */
};

/* True when connections to it are TLS. */
static inline bool
jg_job_url_tls(const struct job_url *url)
{
	return url->scheme == JOB_URL_HTTPS || url->scheme == JOB_URL_GRPCS;
}

/* A further port of a job, which has a host and a path of its own (exchange/route.h). */
struct job_port {
	uint16_t number;       /* 1 to 65535 */
	struct slice url_text; /* as stored; never empty */
	struct job_url url;
};

/* In the order of their numbers. */
struct job_ports {
	size_t count;
	const struct job_port *items;
};

/* All URLs of a job that has several; for other jobs the count is 0. */
struct job_replicas {
	size_t count;
	const struct job_url *items;
};

/* A job's record; all slices point into its owner's memory. */
struct job {
	struct slice id;
	struct label_set labels;
	struct slice url_text; /* as stored: its URLs, separated by single spaces; may be empty */
	struct slice affinity; /* "cookie": browsers stay at one replica; empty: they do not */
	struct slice health;   /* the path by which replicas are checked; empty: they are not */
	struct job_ports ports;
	struct slice access; /* "public": everyone may pass; empty: only with a token for it */
	struct slice created_at, updated_at; /* RFC 3339, UTC; may be empty */
	/*
	 * Seconds after which the record expires unless its lease is renewed; 0: it stays. Redis
	 * counts them; no decision depends on this number.
	 */
	uint64_t lease;
	/*
	 * When the last request for it began, in milliseconds since 1970 and whole minutes; 0: none
	 * is known. Only the control API's store has it.
	 */
	uint64_t last_request_ms;
	bool use_unknown; /* the store did not let it be read */
	/*
	 * The number of sessions that run at the job at this gateway, plus one; 0: not counted.
	 * Only the control API counts them.
	 */
	uint64_t sessions;
	uint64_t unused; /* so that the next ones end where the record ends (record_fields.c) */
	struct job_replicas replicas;
	struct job_url url; /* the first of them */
};

/* True for no text (at is NULL), and for "public". */
bool jg_job_access_valid(struct slice text);

/* True when the job lets everyone in. */
static inline bool
jg_job_is_public(const struct job *job)
{
	return job->access.len > 0;
}

/* A DNS label: 1 to 63 characters [a-z0-9-], alphanumeric at both ends. */
bool jg_job_id_valid(struct slice id);

/* Room for an id, and a character more. */
#define JOB_ID_ROOM (JOB_ID_MAX + 1)

/*
 * Write text with its letters in lower case to out; what lies behind it there is not an id's.
 * False when that is no id: out is undefined then.
 */
bool jg_job_id_fold(struct slice text, char out[JOB_ID_ROOM]);

/* The number of a port, 1 to 65535, in decimal without zeros in front. False for another text. */
bool jg_job_port_parse(struct slice text, uint16_t *out);

/* The job's port of this number; NULL when it has none. Valid as long as the job. */
const struct job_port *jg_job_port_find(const struct job *job, uint16_t number);

/* Put a port into its place among `count` ports that are in order; there must be room for it. */
void jg_job_port_insert(struct job_port *ports, size_t count, const struct job_port *port);

/*
 * Write the label of a port's host: the job's id (at most JOB_ID_MAX bytes), '-' and the number. It
 * is a host's only if it has at most JOB_ID_MAX characters.
 */
#define JOB_PORT_LABEL_MAX (JOB_ID_MAX + sizeof("-65535"))
struct slice jg_job_port_label(struct slice id, uint16_t number, char out[JOB_PORT_LABEL_MAX]);

/*
 * The reverse of jg_job_port_label. If a label (a valid id itself)
 * has this form, *id_len is the length of the id at its beginning and *number the port; only the
 * last '-' counts, so "a-1-2" is port 2 of job "a-1". False for other labels: no number at the end,
 * one that jg_job_port_parse refuses, or nothing valid before it.
 */
bool jg_job_port_split(struct slice label, size_t *id_len, uint16_t *number);

/*
 * Parse a job's URL; an empty text gives JOB_URL_NONE. Returns false for a text in none of the
 * forms above, such as one with user info, a query, a fragment, white space or control characters,
 * an empty host, a port of 0 or over 65535, a base with dot segments (also as %2e) or an encoded
 * slash, a socket path that is not absolute or over 107 bytes. *bad is the offset of the first byte
 * that does not fit. A host is a DNS name (letters, digits, '-', '_', '.'; at most 253), an IPv4
 * address, or an IPv6 address in brackets without a zone.
 */
bool jg_job_url_parse(struct slice text, struct job_url *out, size_t *bad);

/*
 * Parse the URLs of a job: up to JOB_URLS_MAX of them, each as above and not empty, with one blank
 * between two. An empty text gives a count of 0. False, with *bad as above, when one of them is not
 * valid, or when they are too many or too long.
 */
bool jg_job_urls_parse(
    struct slice text, struct job_url urls[JOB_URLS_MAX], size_t *count, size_t *bad);

/* True for no text (at is NULL), and for "cookie". */
bool jg_job_affinity_valid(struct slice text);

/*
 * True for no text (at is NULL), and for the path of a check: in the form of a URL's base, from its
 * '/' on, and at most JOB_HEALTH_MAX bytes.
 */
bool jg_job_health_valid(struct slice text);

/* The job gets these URLs. The items stay the caller's, and are used if there are several. */
static inline void
jg_job_set_urls(struct job *job, const struct job_url *items, size_t count)
{
	job->url = count > 0 ? items[0] : (struct job_url){.scheme = JOB_URL_NONE};
	job->replicas = count > 1 ? (struct job_replicas){count, items} : (struct job_replicas){0};
}

/*
 * The job with the URL that the gateway uses. A sidecar's job has the URL of the configuration
 * (fixed); with fixed NULL, the record's URL stays. Returns record, or room after filling it in.
 */
static inline const struct job *
jg_effective_job(const struct job *record, const struct job_url *fixed, struct job *room)
{
	if (fixed == NULL)
		return record;
	*room = *record;
	room->url = *fixed;
	room->replicas.count = 0;
	return room;
}

#endif
