/* tls_tickets.c - makes ticket keys, and shares them with other processes without a lock. */
#include "net/tls_tickets.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SECRETS_MAX 4
#define SECRET_MIN 32
#define SECRET_MAX 256

/*
 * For each secret the keys of this lifetime, of the previous one, and of the next one, since clocks
 * differ.
 */
#define KEYS_OF_SECRET 3
#define KEYS_MAX (SECRETS_MAX * KEYS_OF_SECRET)

/* After this many tries while the keys change, a reader keeps the keys that it has. */
#define TRIES_MAX 1000

struct keys {
	uint32_t count;
	struct ticket_key items[KEYS_MAX]; /* tickets are made with the first one */
};

/* The content of the mapping. The sequence is odd while the keys change (a seqlock). */
struct shared_keys {
	_Atomic uint32_t sequence;
	struct keys keys;
};

struct tls_tickets {
	struct shared_keys *shared;
	/* Used by the supervisor: */
	int64_t lifetime; /* number of the lifetime that the keys are for; -1: none yet */
	bool random;	  /* the keys are random */
	/* Used by a worker: its own copy of the keys, and the sequence of that copy. */
	uint32_t sequence;
	struct keys keys;
};

struct secret {
	size_t len;
	char text[SECRET_MAX];
};

struct ticket_secrets {
	uint64_t lifetime_s;
	size_t count; /* 0: keys are random */
	struct secret items[SECRETS_MAX];
};

struct tls_tickets *
tls_tickets_new(void)
{
	struct tls_tickets *tickets = calloc(1, sizeof(*tickets));

	if (tickets == NULL)
		return NULL;
	tickets->lifetime = -1;
	tickets->shared = mmap(NULL, sizeof(*tickets->shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tickets->shared == MAP_FAILED) {
		free(tickets);
		return NULL;
	}
	/* Keep it out of core dumps and, if we are allowed to, out of swap. */
	madvise(tickets->shared, sizeof(*tickets->shared), MADV_DONTDUMP);
	mlock(tickets->shared, sizeof(*tickets->shared));
	return tickets;
}

void
tls_tickets_free(struct tls_tickets *tickets)
{
	if (tickets == NULL)
		return;
	munmap(tickets->shared, sizeof(*tickets->shared));
	OPENSSL_cleanse(tickets, sizeof(*tickets));
	free(tickets);
}

/* ---- secrets ---- */

/* Read one line of the file. Returns NULL, or what is wrong. */
static const char *
take_line(struct ticket_secrets *secrets, const char *line)
{
	size_t len = strcspn(line, "\r\n");
	struct secret *secret = &secrets->items[secrets->count];

	if (len == 0 || line[0] == '#')
		return NULL;
	if (len < SECRET_MIN || len > SECRET_MAX)
		return "each line must be a secret of 32 to 256 bytes, as openssl rand -base64 48 "
		       "makes one";
	if (secrets->count == SECRETS_MAX)
		return "there are more than 4 secrets";
	memcpy(secret->text, line, len);
	secret->len = len;
	secrets->count++;
	return NULL;
}

static const char *
read_secrets(struct ticket_secrets *secrets, const char *path)
{
	char line[SECRET_MAX +
		  3]; /* with its line end, and one byte more to see that it is too long */
	FILE *file = fopen(path, "re");
	const char *expected = NULL;

	if (file == NULL)
		return strerror(errno);
	setvbuf(file, NULL, _IONBF, 0); /* no copy in a buffer that is not wiped */
	while (expected == NULL && fgets(line, sizeof(line), file) != NULL)
		expected = take_line(secrets, line);
	if (expected == NULL && ferror(file))
		expected = strerror(errno);
	if (expected == NULL && secrets->count == 0)
		expected = "it contains no secret";
	fclose(file);
	OPENSSL_cleanse(line, sizeof(line));
	return expected;
}

struct ticket_secrets *
ticket_secrets_load(const char *file, uint64_t lifetime_s, char *error, size_t cap)
{
	struct ticket_secrets *secrets = calloc(1, sizeof(*secrets));
	const char *wrong;

	if (secrets == NULL) {
		snprintf(error, cap, "out of memory");
		return NULL;
	}
	secrets->lifetime_s = lifetime_s;
	wrong = file != NULL ? read_secrets(secrets, file) : NULL;
	if (wrong == NULL)
		return secrets;
	snprintf(error, cap, "%s: %s", file, wrong);
	ticket_secrets_free(secrets);
	return NULL;
}

void
ticket_secrets_free(struct ticket_secrets *secrets)
{
	if (secrets == NULL)
		return;
	OPENSSL_cleanse(secrets, sizeof(*secrets));
	free(secrets);
}

/* ---- the supervisor's part ---- */

/* Derive the keys of one lifetime from the secret, by HKDF (RFC 5869). */
static bool
derive(const struct secret *secret, int64_t lifetime, struct ticket_key *out)
{
	char info[64];
	int info_len =
	    snprintf(info, sizeof(info), "jobgate session ticket %lld", (long long)lifetime);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, (void *)secret->text, secret->len),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, (size_t)info_len),
	    OSSL_PARAM_construct_end(),
	};
	bool good =
	    ctx != NULL && EVP_KDF_derive(ctx, (unsigned char *)out, sizeof(*out), params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return good;
}

static bool
make_derived(const struct ticket_secrets *secrets, int64_t lifetime, struct keys *out)
{
	static const int64_t steps[KEYS_OF_SECRET] = {0, -1, 1};

	out->count = 0;
	for (size_t i = 0; i < secrets->count; i++)
		for (size_t j = 0; j < KEYS_OF_SECRET; j++)
			if (!derive(
				&secrets->items[i], lifetime + steps[j], &out->items[out->count++]))
				return false;
	return true;
}

/* Make a random key; the previous one comes second now. */
static bool
make_random(struct keys *keys)
{
	if (keys->count > 0)
		keys->items[1] = keys->items[0];
	keys->count = keys->count > 0 ? 2 : 1;
	return RAND_priv_bytes((unsigned char *)&keys->items[0], sizeof(keys->items[0])) == 1;
}

static void
publish(struct tls_tickets *tickets, const struct keys *keys)
{
	struct shared_keys *shared = tickets->shared;
	uint32_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

	atomic_store_explicit(&shared->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	shared->keys = *keys;
	atomic_store_explicit(&shared->sequence, sequence + 2, memory_order_release);
}

void
tls_tickets_turn(struct tls_tickets *tickets, const struct ticket_secrets *secrets, int64_t now_s,
    bool secrets_changed)
{
	int64_t lifetime = now_s / (int64_t)secrets->lifetime_s;
	bool random = secrets->count == 0;
	struct keys keys;
	bool made;

	/* A reload does not replace random keys. */
	if (tickets->lifetime == lifetime && tickets->random == random &&
	    (!secrets_changed || random))
		return;
	keys = tickets->shared->keys;
	if (!tickets->random)
		keys.count = 0; /* made from secrets, which others may know */
	made = random ? make_random(&keys) : make_derived(secrets, lifetime, &keys);
	if (made) {
		publish(tickets, &keys);
		tickets->lifetime = lifetime;
		tickets->random = random;
	}
	OPENSSL_cleanse(&keys, sizeof(keys));
}

/* ---- the workers' part ---- */

/* Copy the keys if the supervisor has published new ones. */
static void
catch_up(struct tls_tickets *tickets)
{
	struct shared_keys *shared = tickets->shared;

	for (int i = 0; i < TRIES_MAX; i++) {
		uint32_t sequence = atomic_load_explicit(&shared->sequence, memory_order_acquire);

		if (sequence == tickets->sequence)
			return;
		if (sequence % 2 != 0)
			continue;
		tickets->keys = shared->keys;
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&shared->sequence, memory_order_relaxed) == sequence) {
			tickets->sequence = sequence;
			return;
		}
	}
}

const struct ticket_key *
tls_tickets_current(struct tls_tickets *tickets)
{
	catch_up(tickets);
	return tickets->keys.count > 0 ? &tickets->keys.items[0] : NULL;
}

const struct ticket_key *
tls_tickets_find(struct tls_tickets *tickets, const unsigned char name[TICKET_NAME_LEN])
{
	catch_up(tickets);
	for (uint32_t i = 0; i < tickets->keys.count && i < KEYS_MAX; i++)
		if (memcmp(tickets->keys.items[i].name, name, TICKET_NAME_LEN) == 0)
			return &tickets->keys.items[i];
	return NULL;
}
