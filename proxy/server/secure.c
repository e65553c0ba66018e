/* secure.c - certificates and keys, read before the workers are forked, who all use them. */
#include <stdlib.h>

#include "server/server.h"
#include "server/supervisor.h"

#define ERROR_MAX 512

bool
secure_load(const struct config *config, const struct log *log, struct tls_server **out)
{
	struct tls_certificate_files *files;
	struct tls_server_options options = {
	    .count = config->tls.certificate_count,
	    .tls13_only = config->tls.only_1_3,
	};
	char error[ERROR_MAX] = "out of memory";

	*out = NULL;
	if (options.count == 0)
		return true;
	files = calloc(options.count, sizeof(*files));
	for (size_t i = 0; files != NULL && i < options.count; i++) {
		const struct certificate_config *from = &config->tls.certificates[i];

		files[i] = (struct tls_certificate_files){from->certificate, from->key, from->ocsp};
	}
	options.certificates = files;
	if (files != NULL)
		*out = tls_server_new(&options, error, sizeof(error));
	free(files);
	if (*out == NULL)
		log_error(log, "tls: %s", error);
	return *out != NULL;
}

bool
server_check(const struct config *config, const struct log *log)
{
	struct tls_server *tls;

	if (!secure_load(config, log, &tls))
		return false;
	tls_server_free(tls);
	return true;
}
