/* url.h - where the store is: redis://, rediss:// and unix: URLs. */
#ifndef JOBGATE_REDIS_URL_H
#define JOBGATE_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_TEXT_MAX 256
#define REDIS_SENTINELS_MAX 7

struct redis_place {
	char host[REDIS_TEXT_MAX]; /* IPv6 without brackets */
	uint16_t port;
};

/* What AUTH is sent with. */
struct redis_login {
	bool given;
	char user[REDIS_TEXT_MAX]; /* may be empty: AUTH with a password alone */
	char password[REDIS_TEXT_MAX];
};

/* A plain value. */
struct redis_url {
	bool tls;
	char path[108];		   /* of a Unix socket; empty: host and port */
	char host[REDIS_TEXT_MAX]; /* IPv6 without brackets */
	uint16_t port;		   /* 0, without a host: sentinels are to be asked for both */
	unsigned sentinel_count;   /* 0: none are */
	struct redis_place sentinels[REDIS_SENTINELS_MAX];
	char master[64];	  /* the name by which they know the primary */
	struct redis_login login; /* to Redis */
	struct redis_login sentinel_login;
	unsigned database;
};

/*
 * Parse redis://[[user]:password@]host[:port][/db], rediss://...,
 * redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/db]
 * [?sentinel_username=user][&sentinel_password=password], rediss+sentinel://..., or
 * unix:[//]/path[?db=N]; users and passwords percent-decoded: those in front for Redis,
 * those behind for the sentinels. On an error false, with a sentence in error that repeats no user
 * and no password.
 */
bool redis_url_parse(const char *text, struct redis_url *out, char *error, size_t cap);

/* True for the text of a host: a DNS name or an IP address, IPv6 without brackets. */
bool redis_host_valid(const char *host);

/* Wipe the password. */
void redis_login_wipe(struct redis_login *login);

/* The same for both. */
void redis_url_wipe(struct redis_url *url);

#endif
