/* tls_tickets.h - the keys of session tickets, shared by all workers, and by gateways that wish it.
 */
#ifndef JOBGATE_TLS_TICKETS_H
#define JOBGATE_TLS_TICKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A session ticket is the session itself, encrypted for ourselves, which the client
 * keeps. Its keys lie in a mapping made before the fork: the supervisor makes new ones each
 * lifetime, workers take them over when they look. Tickets made with the keys of the lifetime
 * before are still taken.
 *
 * With a file of secrets the keys follow from a secret and the time, so that all gateways
 * that have the file take each other's tickets; without one they are random.
 */
struct tls_tickets;

#define TICKET_NAME_LEN 16
#define TICKET_KEY_LEN 32

struct ticket_key {
	unsigned char name[TICKET_NAME_LEN];  /* stands in the ticket, to find the key by */
	unsigned char cipher[TICKET_KEY_LEN]; /* AES-256-CBC */
	unsigned char mac[TICKET_KEY_LEN];    /* HMAC-SHA256 */
};

/* Map the room for keys. NULL when memory is short. */
struct tls_tickets *tls_tickets_new(void);
void tls_tickets_free(struct tls_tickets *tickets);

/* Where keys come from. */
struct ticket_secrets;

/*
 * Read secrets from a file, one a line, 32 to 256 bytes each, at most 4; lines that are
 * empty or begin with # do not count. Tickets are made with the first and taken with all. file
 * NULL: random keys. NULL with a sentence in error (cap bytes) when the file cannot be used.
 */
struct ticket_secrets *ticket_secrets_load(
    const char *file, uint64_t lifetime_s, char *error, size_t cap);
void ticket_secrets_free(struct ticket_secrets *secrets);

/*
 * For the supervisor: make the keys of this moment (Unix seconds), if the present ones are of an
 * earlier lifetime, or if secrets_changed is set.
 */
void tls_tickets_turn(struct tls_tickets *tickets, const struct ticket_secrets *secrets,
    int64_t now_s, bool secrets_changed);

/* The workers' part: the key to make tickets with; NULL when there is none. */
const struct ticket_key *tls_tickets_current(struct tls_tickets *tickets);

/* The key with this name; NULL: it is not known, or not any more. */
const struct ticket_key *tls_tickets_find(
    struct tls_tickets *tickets, const unsigned char name[TICKET_NAME_LEN]);

#endif
