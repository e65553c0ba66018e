/* fuzz_config.c - configurations: each file is either a configuration or an error. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_error error;
	struct config *config;
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load(path, &error);
	CHECK(config != NULL || error.message[0] != '\0');
	CHECK(config != NULL || memchr(error.message, '\0', sizeof(error.message)) != NULL);
	CHECK(config != NULL || (error.line == 0) == (error.column == 0));
	if (config != NULL)
		config_free(config);
	close(fd);
	return 0;
}
