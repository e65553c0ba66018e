/* control_secret.c - the secret by which the control process recognizes our workers. */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/supervisor.h"

/*
 * After an upgrade the workers of the previous binary still serve, so the secret must stay the
 * same. It is passed in the environment, and wiped there as soon as it has been read.
 */
#define SECRET_VARIABLE "JOBGATE_CONTROL_SECRET"

/* Take over the secret of the previous binary. False when there is none. */
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

/* Unlike the secret, the mark of registrations is another one after an upgrade: for a while, both
 * binaries have a control process. */
static bool
make_mark(char mark[STORE_MARK_LEN + 1])
{
	unsigned char random[STORE_MARK_LEN / 2];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(mark + 2 * i, 3, "%02x", random[i]);
	return true;
}

bool
control_secret_make(struct supervisor *supervisor)
{
	unsigned char random[CONTROL_SECRET_LEN];

	if (!make_mark(supervisor->registration_mark)) {
		log_error(&supervisor->log, "no random bytes for the mark of registrations");
		return false;
	}
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
