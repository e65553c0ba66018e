/* config.c - from a YAML document, or from nothing, to a configuration. */
#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/loading.h"

bool
loading_mistake(struct loading *loading, const yaml_mark_t *mark, const char *format, ...)
{
	struct config_error *error = loading->error;
	va_list args;

	error->line = mark != NULL ? mark->line + 1 : 0;
	error->column = mark != NULL ? mark->column + 1 : 0;
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return false;
}

bool
loading_out_of_memory(struct loading *loading)
{
	return loading_mistake(loading, NULL, "out of memory");
}

void *
loading_own(struct loading *loading, size_t bytes)
{
	struct owned *owned = calloc(1, sizeof(*owned) + bytes);

	if (owned == NULL)
		return NULL;
	owned->next = loading->owned;
	loading->owned = owned;
	return owned->bytes;
}

char *
loading_own_text(struct loading *loading, const char *text)
{
	char *copy = loading_own(loading, strlen(text) + 1);

	return copy != NULL ? strcpy(copy, text) : NULL;
}

/* ---- the document ---- */

/* How many letters must change for one word to become the other (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1], len = strlen(b);

	if (strlen(a) >= KEY_MAX || len >= KEY_MAX)
		return KEY_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[len];
}

static bool
unknown_key(struct loading *loading, const yaml_node_t *node, const char *key)
{
	size_t best = 3, len = 0;
	const char *nearest = "";

	for (size_t i = 0; i < config_setting_count; i++) {
		const char *setting = config_settings[i].key;
		/* Of a key at the top, the section may be what was meant. */
		size_t whole = strlen(setting),
		       most = strchr(key, '.') == NULL ? strcspn(setting, ".") : whole;
		char candidate[KEY_MAX];
		size_t d;

		snprintf(candidate, sizeof(candidate), "%.*s", (int)most, setting);
		d = distance(key, candidate);
		if (d < best) {
			best = d;
			nearest = setting;
			len = most;
		}
	}
	if (len > 0)
		return loading_mistake(loading, &node->start_mark,
		    "%s: unknown key; did you mean %.*s?", key, (int)len, nearest);
	return loading_mistake(loading, &node->start_mark,
	    "%s: unknown key; jobgate.yaml(5) and deploy/jobgate.yaml list all there are", key);
}

/* Is the key the name of a section ("store")? */
static bool
is_section(const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < config_setting_count; i++)
		if (strncmp(config_settings[i].key, key, len) == 0 &&
		    config_settings[i].key[len] == '.')
			return true;
	return false;
}

static bool load_mapping(struct loading *loading, const char *section, const yaml_node_t *node);

static bool
load_pair(struct loading *loading, const char *section, const yaml_node_t *key_node,
    const yaml_node_t *value)
{
	const char *name = (const char *)key_node->data.scalar.value;
	char key[KEY_MAX];
	size_t index;

	if (key_node->type != YAML_SCALAR_NODE)
		return loading_mistake(loading, &key_node->start_mark, "expected a key");
	snprintf(key, sizeof(key), "%s%s%.40s", section, section[0] != '\0' ? "." : "", name);
	if (section[0] == '\0' && is_section(name)) {
		if (strcmp(name, "jobs") == 0)
			loading->jobs_given = true;
		if (value->type == YAML_MAPPING_NODE)
			return load_mapping(loading, name, value);
		if (value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0)
			return true; /* a section of comments alone */
		return loading_mistake(
		    loading, &value->start_mark, "%s: expected keys of its own below it", key);
	}
	index = config_setting_find(key);
	if (index == config_setting_count)
		return unknown_key(loading, key_node, key);
	return assign_setting(loading, index, key_node, value);
}

static bool
load_mapping(struct loading *loading, const char *section, const yaml_node_t *node)
{
	const yaml_node_pair_t *first = node->data.mapping.pairs.start,
			       *end = node->data.mapping.pairs.top;

	for (const yaml_node_pair_t *pair = first; pair < end; pair++) {
		const yaml_node_t *key = yaml_document_get_node(loading->document, pair->key);

		for (const yaml_node_pair_t *other = first; other < pair; other++) {
			const yaml_node_t *earlier =
			    yaml_document_get_node(loading->document, other->key);

			if (key->type == YAML_SCALAR_NODE && earlier->type == YAML_SCALAR_NODE &&
			    strcmp((char *)key->data.scalar.value,
				(char *)earlier->data.scalar.value) == 0)
				return loading_mistake(loading, &key->start_mark,
				    "%s: given twice, first on line %zu",
				    (char *)key->data.scalar.value, earlier->start_mark.line + 1);
		}
		if (!load_pair(loading, section, key,
			yaml_document_get_node(loading->document, pair->value)))
			return false;
	}
	return true;
}

static bool
parser_mistake(struct loading *loading, const yaml_parser_t *parser)
{
	return loading_mistake(loading, &parser->problem_mark, "not valid YAML: %s%s%s",
	    parser->problem != NULL ? parser->problem : "it cannot be read",
	    parser->context != NULL ? ", " : "", parser->context != NULL ? parser->context : "");
}

/* There must be one document and no other. */
static bool
check_end(struct loading *loading, yaml_parser_t *parser)
{
	yaml_document_t second;
	const yaml_node_t *root;
	bool good = true;

	if (!yaml_parser_load(parser, &second))
		return parser_mistake(loading, parser);
	root = yaml_document_get_root_node(&second);
	if (root != NULL)
		good = loading_mistake(
		    loading, &root->start_mark, "a second document: a configuration is one alone");
	yaml_document_delete(&second);
	return good;
}

static bool
load_document(struct loading *loading, yaml_parser_t *parser)
{
	yaml_document_t document;
	const yaml_node_t *root;
	bool good = true;

	if (!yaml_parser_load(parser, &document))
		return parser_mistake(loading, parser);
	loading->document = &document;
	root = yaml_document_get_root_node(&document);
	if (root != NULL && root->type != YAML_MAPPING_NODE)
		good = loading_mistake(
		    loading, &root->start_mark, "expected keys and values, such as workers: 2");
	else if (root != NULL)
		good = load_mapping(loading, "", root) && check_end(loading, parser);
	loading->document = NULL;
	yaml_document_delete(&document);
	return good;
}

static bool
load_file(struct loading *loading, const char *path)
{
	yaml_parser_t parser;
	FILE *file = fopen(path, "re");
	struct stat found;
	bool good;

	if (file == NULL)
		return loading_mistake(loading, NULL, "cannot be read: %s", strerror(errno));
	if (fstat(fileno(file), &found) == 0 && S_ISDIR(found.st_mode)) {
		fclose(file);
		return loading_mistake(loading, NULL, "cannot be read: %s", strerror(EISDIR));
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return loading_out_of_memory(loading);
	}
	yaml_parser_set_input_file(&parser, file);
	good = load_document(loading, &parser);
	yaml_parser_delete(&parser);
	fclose(file);
	return good;
}

struct config *
config_load(const char *path, struct config_error *error)
{
	struct loading *loading = calloc(1, sizeof(*loading));

	*error = (struct config_error){0};
	if (loading == NULL) {
		snprintf(error->message, sizeof(error->message), "out of memory");
		return NULL;
	}
	loading->error = error;
	loading->config = complete_defaults;
	loading->config.jobs.domain = loading->config.jobs.prefix = NULL;
	loading->config.embedded_defaults = path == NULL;
	loading->config.backends.allow_loopback = path == NULL;
	if (path != NULL) {
		loading->config.file = loading_own_text(loading, path);
		if (!load_file(loading, path))
			goto fail;
	}
	if (!complete_config(loading))
		goto fail;
	return &loading->config;
fail:
	config_free(&loading->config);
	return NULL;
}

void
config_free(struct config *config)
{
	struct loading *loading = (struct loading *)config;

	while (loading != NULL && loading->owned != NULL) {
		struct owned *owned = loading->owned;

		loading->owned = owned->next;
		free(owned);
	}
	free(loading);
}
