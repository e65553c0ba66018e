/* tls_tickets.h - the keys of session tickets, shared by all workers, and by several gateways if
 * configured.
 */
#ifndef JOBGATE_TLS_TICKETS_H
#define JOBGATE_TLS_TICKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A session ticket is the session itself, encrypted for ourselves and stored by the client. Its
 * keys are in a mapping that is made before the fork: the supervisor makes new keys in each
 * lifetime, and workers copy them at their next use. Tickets made with the keys of the previous
 * lifetime are still accepted.
 *
 * With a file of secrets, keys are derived from a secret and the time, so that all gateways with
 * this file accept each other's tickets. Without a file they are random.
 */
struct tls_tickets;

#define TICKET_NAME_LEN 16
#define TICKET_KEY_LEN 32

struct ticket_key {
	unsigned char name[TICKET_NAME_LEN];  /* in the ticket, to find its key */
	unsigned char cipher[TICKET_KEY_LEN]; /* AES-256-CBC */
	unsigned char mac[TICKET_KEY_LEN];    /* HMAC-SHA256 */
};

/* Make the mapping. NULL when memory is short. */
struct tls_tickets *tls_tickets_new(void);
void tls_tickets_free(struct tls_tickets *tickets);

/* The source of keys. */
struct ticket_secrets;

/*
 * Read at most 4 secrets from a file, one per line, 32 to 256 bytes each; empty lines and lines
 * that begin with # are ignored. Tickets are made with the first secret and accepted with all. file
 * NULL: random keys. NULL, with a sentence in error (cap bytes), when the file cannot be used.
 */
struct ticket_secrets *ticket_secrets_load(
    const char *file, uint64_t lifetime_s, char *error, size_t cap);
void ticket_secrets_free(struct ticket_secrets *secrets);

/*
 * For the supervisor: make the keys for this time (Unix seconds), if the current ones are from an
 * earlier lifetime, or secrets_changed is set.
 */
void tls_tickets_turn(struct tls_tickets *tickets, const struct ticket_secrets *secrets,
    int64_t now_s, bool secrets_changed);

/* For workers: the key to make tickets with; NULL when there is none. */
const struct ticket_key *tls_tickets_current(struct tls_tickets *tickets);

/* The key with this name; NULL when it is unknown or too old. */
const struct ticket_key *tls_tickets_find(
    struct tls_tickets *tickets, const unsigned char name[TICKET_NAME_LEN]);

#endif
