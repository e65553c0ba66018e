/* config.c - builds a configuration: of defaults, of a file, and of what follows from both. */
#include "config/config.h"

#include <stdlib.h>

#include "config/builder.h"

/* Defaults, then the file's values over them, then what follows from both. */
static bool
build(struct builder *builder, const char *path)
{
	struct config *config = &builder->config;

	if (!defaults_load(builder))
		return false;
	config->embedded_defaults = path == NULL;
	if (path == NULL)
		config->backends.allow_loopback = true;
	else
		config->file = builder_own_text(builder, path);
	if (path != NULL && !document_load_file(builder, path))
		return false;
	defaults_derive_store(builder);
	return labels_load_file(builder) && validate_config(builder) && defaults_derive(builder);
}

struct config *
config_load(const char *path, struct config_error *error)
{
	struct builder *builder = calloc(1, sizeof(*builder));

	*error = (struct config_error){0};
	if (builder == NULL) {
		snprintf(error->message, sizeof(error->message), "out of memory");
		return NULL;
	}
	builder->error = error;
	if (build(builder, path))
		return &builder->config;
	config_free(&builder->config);
	return NULL;
}

void
config_free(struct config *config)
{
	struct builder *builder = (struct builder *)config;

	while (builder != NULL && builder->owned != NULL) {
		struct owned *owned = builder->owned;

		builder->owned = owned->next;
		free(owned);
	}
	free(builder);
}
