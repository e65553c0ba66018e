/* short_memory.h - OpenSSL finds no memory to seal or open anything while a test says so. */
#ifndef JOBGATE_TEST_SHORT_MEMORY_H
#define JOBGATE_TEST_SHORT_MEMORY_H

#include <dlfcn.h>
#include <openssl/evp.h>
#include <stdbool.h>

static bool is_short;

EVP_CIPHER_CTX *
EVP_CIPHER_CTX_new(void)
{
	EVP_CIPHER_CTX *(*make)(void);

	*(void **)&make = dlsym(RTLD_NEXT, "EVP_CIPHER_CTX_new");
	return is_short ? NULL : make();
}

#endif
