/* loading.h - a configuration in the making; what the files of its loading share. */
#ifndef JOBGATE_CONFIG_LOADING_H
#define JOBGATE_CONFIG_LOADING_H

#include <yaml.h>

#include "config/config.h"
#include "config/schema.h"

/*
 * config.c     the YAML document, section by section
 * assign.c     one setting: its text, or its list, put where it belongs
 * certificates.c   tls.certificates, the one list of mappings
 * complete.c   defaults, and what settings say together
 * complete_listeners.c   the control process's listeners, beside those of `listen`
 */

#define KEY_MAX 64

/* Text and lists that a configuration owns, freed with it. */
struct owned {
	struct owned *next;
	_Alignas(16) char bytes[];
};

/* A configuration with what it owns behind it; the first member is what others see. */
struct loading {
	struct config config;
	struct owned *owned;
	struct config_error *error;
	yaml_document_t *document;
	bool jobs_given;		/* the file has a section of jobs: no defaults for it */
	yaml_mark_t seen[SETTINGS_MAX]; /* where each setting stands in the file, for mistakes found
					   later */
	bool is_seen[SETTINGS_MAX];
};

/*
 * Describe a mistake, with its place in the file (mark may be NULL). Returns false,
 * so that a caller can return it.
 */
__attribute__((format(printf, 3, 4))) bool loading_mistake(
    struct loading *loading, const yaml_mark_t *mark, const char *format, ...);
bool loading_out_of_memory(struct loading *loading);

/* Memory that lives as long as the configuration; zeroed. NULL when there is none. */
void *loading_own(struct loading *loading, size_t bytes);
char *loading_own_text(struct loading *loading, const char *text);

/* ---- assign.c ---- */

/* Put the value of the setting with this index where it belongs. False after a mistake. */
bool assign_setting(
    struct loading *loading, size_t index, const yaml_node_t *key, const yaml_node_t *node);

/* An address to listen on. Returns what was expected instead, or NULL. */
const char *assign_listener(struct loading *loading, const char *text, struct listener_config *out);

/* ---- certificates.c ---- */

/* tls.certificates: a list of mappings. False after a mistake. */
bool assign_certificates(struct loading *loading, const yaml_node_t *key, const yaml_node_t *node);

/* ---- complete.c ---- */

/* What holds before the file is read. */
extern const struct config complete_defaults;

/* Check what settings say together and fill in what the file leaves open. False after a mistake. */
bool complete_config(struct loading *loading);

/* ---- complete_listeners.c ---- */

/*
 * Append control.listen and control.metrics to the listeners of `listen`: workers serve them all.
 * False when memory is short.
 */
bool complete_listeners(struct loading *loading);

#endif
