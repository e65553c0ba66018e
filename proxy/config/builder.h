/* builder.h - a configuration that is being built; what the files of this room share. */
#ifndef JOBGATE_CONFIG_BUILDER_H
#define JOBGATE_CONFIG_BUILDER_H

#include <yaml.h>

#include "config/config.h"
#include "config/keys.h"

/*
 * config.c        loads: defaults, then the file, then what follows from them
 * builder.c       errors, and memory
 * document.c      a YAML document, section by section
 * assign.c        the value of one key, parsed and put into its place
 * certificates.c  tls.certificates, the one list of mappings
 * labels.c        jobs.labels, the one mapping, and jobs.labels_file
 * validate.c      rules that several keys must keep together
 * defaults.c      values that a file leaves open and that follow from others
 */

#define KEY_MAX 64

/* Text and lists that a configuration owns, freed with it. */
struct owned {
	struct owned *next;
	_Alignas(16) char bytes[];
};

/* A configuration, followed by what it owns; the first member is what others see. */
struct builder {
	struct config config;
	struct owned *owned;
	struct config_error *error;
	yaml_document_t *document;
	yaml_mark_t given_at[KEYS_MAX]; /* where each key stands in the file */
	bool is_given[KEYS_MAX];
};

/*
 * Describe an error, with its place in the file (mark may be NULL). Returns false,
 * so that a caller can return it.
 */
__attribute__((format(printf, 3, 4))) bool builder_error(
    struct builder *builder, const yaml_mark_t *mark, const char *format, ...);

/* The same for an error of a key: "NAME: text", at the key's place if the file has it. */
bool builder_key_error(struct builder *builder, const char *name, const char *text);
bool builder_out_of_memory(struct builder *builder);

/* Where a key stands in the file; NULL when it does not. */
const yaml_mark_t *builder_mark(const struct builder *builder, const char *name);

/* Memory that lives as long as the configuration; zeroed. NULL when there is none. */
void *builder_own(struct builder *builder, size_t bytes);
char *builder_own_text(struct builder *builder, const char *text);

/* ---- document.c ---- */

/* Assign every key of a YAML file, or of a text. False after an error. */
bool document_load_file(struct builder *builder, const char *path);
bool document_load_text(struct builder *builder, const char *text, size_t len);

/* ---- assign.c ---- */

/* Put the value of the key with this index into its place. False after an error. */
bool assign_key(
    struct builder *builder, size_t index, const yaml_node_t *name, const yaml_node_t *value);

/* An address to listen at. Returns what was expected instead, or NULL. */
const char *assign_listener(struct builder *builder, const char *text, struct listener_config *out);

/* ---- certificates.c ---- */

/* tls.certificates: a list of mappings. False after an error. */
bool assign_certificates(struct builder *builder, const yaml_node_t *key, const yaml_node_t *node);

/* ---- labels.c ---- */

/* jobs.labels: a mapping. False after an error. */
bool assign_labels(struct builder *builder, const yaml_node_t *key, const yaml_node_t *node);

/* Add the labels of jobs.labels_file to those of jobs.labels; after all keys. False after an error.
 */
bool labels_load_file(struct builder *builder);

/* ---- validate.c ---- */

/* Check the rules that several keys must keep together. False after an error. */
bool validate_config(struct builder *builder);

/* ---- defaults.c ---- */

/* Assign the default of every key that has one. False after an error. */
bool defaults_load(struct builder *builder);

/* Fill in the store's URLs that are left open; before validate_config. */
void defaults_derive_store(struct builder *builder);

/* Fill in what follows from other values, after validate_config has accepted them. False after an
 * error.
 */
bool defaults_derive(struct builder *builder);

#endif
