/* control_secret.c - by which the control process knows that a worker of ours speaks. */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/supervisor.h"

/*
 * After an upgrade workers of the binary before us still serve: the secret stays the same for them.
 * It passes by the environment, which is wiped as soon as it has been read.
 */
#define SECRET_VARIABLE "JOBGATE_CONTROL_SECRET"

/* The secret that was left for us. False when there is none. */
static bool
take_over(struct supervisor *supervisor)
{
	char *left = getenv(SECRET_VARIABLE);
	bool good = left != NULL && strlen(left) == CONTROL_SECRET_TEXT &&
		    strspn(left, "0123456789abcdef") == CONTROL_SECRET_TEXT;

	if (good)
		memcpy(supervisor->control_secret, left, CONTROL_SECRET_TEXT + 1);
	if (left != NULL)
		OPENSSL_cleanse(left, strlen(left));
	unsetenv(SECRET_VARIABLE);
	return good;
}

bool
control_secret_make(struct supervisor *supervisor)
{
	unsigned char random[CONTROL_SECRET_LEN];

	if (take_over(supervisor))
		return true;
	if (RAND_bytes(random, sizeof(random)) != 1) {
		log_error(&supervisor->log, "no random bytes for the control process's secret");
		return false;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(supervisor->control_secret + 2 * i, 3, "%02x", random[i]);
	OPENSSL_cleanse(random, sizeof(random));
	return true;
}

bool
control_secret_leave(const struct supervisor *supervisor)
{
	return setenv(SECRET_VARIABLE, supervisor->control_secret, 1) == 0;
}

void
control_secret_take_back(void)
{
	char *left = getenv(SECRET_VARIABLE);

	if (left != NULL)
		OPENSSL_cleanse(left, strlen(left));
	unsetenv(SECRET_VARIABLE);
}
