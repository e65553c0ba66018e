/* url.h - parses the store's URL: redis://, redis+sentinel://, redis+cluster://, the same with TLS
 * (rediss), or unix:.
 */
#ifndef JOBGATE_REDIS_URL_H
#define JOBGATE_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_TEXT_MAX 256
#define REDIS_PLACES_MAX 7

/* The id of a server in a cluster: 40 hex digits. */
#define CLUSTER_ID_LEN 40

struct redis_place {
	char host[REDIS_TEXT_MAX]; /* IPv6 without brackets */
	uint16_t port;
};

/* The arguments of AUTH. */
struct redis_login {
	bool given;
	char user[REDIS_TEXT_MAX]; /* may be empty: AUTH is sent with the password alone */
	char password[REDIS_TEXT_MAX];
};

/* A plain value. */
struct redis_url {
	bool tls;
	char path[108];		   /* of a Unix socket; empty: host and port */
	char host[REDIS_TEXT_MAX]; /* IPv6 without brackets */
	uint16_t port;		   /* 0, with an empty host, when others name the place */
	unsigned place_count;	   /* 0: the URL names the place itself */
	struct redis_place places[REDIS_PLACES_MAX]; /* sentinels, or servers of a cluster */
	bool cluster;				     /* the server is in a Redis Cluster */
	/* Not from the text: the id of that server in its cluster, once it is elected; empty: none.
	 */
	char node_id[CLUSTER_ID_LEN + 1];
	char master[64];	  /* the name of the primary at the sentinels */
	struct redis_login login; /* to Redis */
	/*
	 * Not from the text. The file that has the password of `login`; it is read for each
	 * connection, outlives the URL and everything made from it. NULL: there is none.
	 */
	const char *password_file;
	struct redis_login sentinel_login;
	unsigned database;
};

/*
 * Parse redis://[[user]:password@]host[:port][/db], rediss://...,
 * redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/db]
 * [?sentinel_username=user][&sentinel_password=password], rediss+sentinel://...,
 * redis+cluster://[[user]:password@]host[:port][,host[:port]...][/], rediss+cluster://..., or
 * unix:[//]/path[?db=N]; users and passwords are percent-decoded. The login before the hosts is for
 * Redis, the one in the query for the sentinels. False on an error, with a sentence in error that
 * repeats no user and no password.
 */
bool redis_url_parse(const char *text, struct redis_url *out, char *error, size_t cap);

/* The prefix of the store's keys at this URL if none is set: "jobgate:"; in a cluster, where all
 * keys must be in one slot, "{jobgate}:". */
const char *redis_default_prefix(const char *url);

/* True for a DNS name or an IP address, IPv6 without brackets. */
bool redis_host_valid(const char *host);

/* Wipe the password. */
void redis_login_wipe(struct redis_login *login);

/* Wipe the passwords of both logins. */
void redis_url_wipe(struct redis_url *url);

#endif
