/* session_key.c - the key that seals browsers' sessions. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "auth/seal.h"
#include "jobgate/token.h"
#include "server/supervisor.h"

#define FILE_MIN 32
#define FILE_MAX 4096

/* Read the key: the hash of the file's content. */
static bool
read_key(const char *path, const struct log *log, unsigned char key[32])
{
	unsigned char bytes[FILE_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : -1;
	unsigned len = 32;
	bool good =
	    n >= FILE_MIN && EVP_Digest(bytes, (size_t)n, key, &len, EVP_sha256(), NULL) == 1;

	if (n < 0)
		log_error(log, "browser.key_file: %s: %s", path, strerror(errno));
	else if (!good)
		log_error(
		    log, "browser.key_file: %s: needs at least %d random bytes", path, FILE_MIN);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	if (fd >= 0)
		close(fd);
	return good;
}

/*
 * OpenSSL looks an algorithm up when it is first needed. If memory is short just then, it never
 * finds that algorithm again in this process: a worker would refuse all sign-ins until it ends. So
 * the algorithms are used once here, and workers inherit what was found.
 */
static bool
algorithms_work(const struct log *log, const unsigned char key[32])
{
	const struct seal seal = {key, SLICE("trial"), SEAL_BASE64};
	unsigned char hash[TOKEN_HASH_LEN];
	char text[SEAL_TEXT_LEN(2)], opened[2];

	SEAL_LEN_CHECK(2);
	if (seal_text(&seal, "ok", 2, text) &&
	    unseal_text(&seal, (struct slice){text, sizeof(text)}, opened, 2) &&
	    jg_token_hash(SLICE("trial"), hash))
		return true;
	log_error(log,
	    "OpenSSL cannot encrypt or hash: see whether memory is short, and whether its "
	    "configuration (OPENSSL_CONF) allows AES-256-GCM and SHA-256");
	return false;
}

bool
session_key_load(const struct config *config, const struct log *log, unsigned char key[32])
{
	static const unsigned char none[32];

	if (config->browser.key_file != NULL) {
		if (!read_key(config->browser.key_file, log, key))
			return false;
	} else if (memcmp(key, none, sizeof(none)) == 0 && RAND_bytes(key, 32) != 1) {
		return false;
	}
	return algorithms_work(log, key);
}
