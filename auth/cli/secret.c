/* secret.c - reads secrets from a file or a terminal, so that they need not be in argv. */
#include "auth/cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define SECRET_MAX 4096 /* bytes; a token has 70 */

/* Turn the terminal's echo off; *before is what to restore. False when fd is not a terminal. */
static bool
echo_off(int fd, struct termios *before)
{
	struct termios quiet;

	if (!isatty(fd) || tcgetattr(fd, before) != 0)
		return false;
	quiet = *before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
}

/*
 * Read up to the end of the line or file; returns the length, or -1 with errno. Unbuffered, because
 * stdio would keep a copy.
 */
static ssize_t
read_line(int fd, char *line, size_t cap)
{
	size_t len = 0;

	while (len < cap) {
		ssize_t got = read(fd, line + len, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0 || line[len] == '\n')
			return (ssize_t)len;
		len++;
	}
	errno = EMSGSIZE;
	return -1;
}

char *
secret_read(const char *file, const char *prompt)
{
	bool from_stdin = strcmp(file, "-") == 0;
	int fd = from_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	char line[SECRET_MAX];
	struct termios before;
	char *secret = NULL;
	ssize_t len = -1;
	bool quiet;

	if (fd >= 0) {
		quiet = echo_off(fd, &before);
		if (quiet)
			fputs(prompt, stderr);
		len = read_line(fd, line, sizeof(line));
		if (quiet) {
			tcsetattr(fd, TCSAFLUSH, &before);
			fputc('\n', stderr);
		}
	}
	if (len < 0) {
		fprintf(stderr, "jobgate: %s: %s\n", from_stdin ? "standard input" : file,
		    strerror(errno));
		goto done;
	}
	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL)
		len--;
	if (len == 0) {
		fprintf(stderr, "jobgate: %s contains no token\n",
		    from_stdin ? "standard input" : file);
		goto done;
	}
	secret = strndup(line, (size_t)len);
done:
	OPENSSL_cleanse(line, sizeof(line));
	if (fd >= 0 && !from_stdin)
		close(fd);
	return secret;
}

void
secret_free(char *secret)
{
	if (secret == NULL)
		return;
	OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}
