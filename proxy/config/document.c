/* document.c - a YAML document: its sections and keys, each value handed to assign.c. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "config/builder.h"

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
unknown_key(struct builder *builder, const yaml_node_t *node, const char *key)
{
	size_t best = 3, len = 0;
	const char *nearest = "";

	for (size_t i = 0; i < config_key_count; i++) {
		const char *known = config_keys[i].name;
		/* A key at the top may be meant to be a section. */
		size_t whole = strlen(known),
		       most = strchr(key, '.') == NULL ? strcspn(known, ".") : whole;
		char candidate[KEY_MAX];
		size_t d;

		snprintf(candidate, sizeof(candidate), "%.*s", (int)most, known);
		d = distance(key, candidate);
		if (d < best) {
			best = d;
			nearest = known;
			len = most;
		}
	}
	if (len > 0)
		return builder_error(builder, &node->start_mark,
		    "%s: unknown key; did you mean %.*s?", key, (int)len, nearest);
	return builder_error(builder, &node->start_mark,
	    "%s: unknown key; jobgate.yaml(5) and deploy/jobgate.yaml list all there are", key);
}

static bool load_mapping(struct builder *builder, const char *section, const yaml_node_t *node);

/* True when this is the name of a section ("store"). */
static bool
is_section(const char *name)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_keys[i].form == FORM_SECTION && strcmp(config_keys[i].name, name) == 0)
			return true;
	return false;
}

/* The keys of a section. A file that has the section `jobs` names all forms of job URLs in use, so
 * the defaults do not add others. */
static bool
load_section(struct builder *builder, const char *name, const yaml_node_t *value)
{
	if (strcmp(name, "jobs") == 0)
		builder->config.jobs.domain = builder->config.jobs.prefix = NULL;
	if (value->type == YAML_MAPPING_NODE)
		return load_mapping(builder, name, value);
	if (value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0)
		return true; /* a section that has only comments */
	return builder_error(
	    builder, &value->start_mark, "%s: expected keys of its own below it", name);
}

static bool
load_pair(struct builder *builder, const char *section, const yaml_node_t *key_node,
    const yaml_node_t *value)
{
	const char *name = (const char *)key_node->data.scalar.value;
	char key[KEY_MAX];
	size_t index;

	if (key_node->type != YAML_SCALAR_NODE)
		return builder_error(builder, &key_node->start_mark, "expected a key");
	snprintf(key, sizeof(key), "%s%s%.40s", section, section[0] != '\0' ? "." : "", name);
	if (section[0] == '\0' && is_section(name))
		return load_section(builder, name, value);
	index = config_key_find(key);
	if (index == config_key_count)
		return unknown_key(builder, key_node, key);
	return assign_key(builder, index, key_node, value);
}

static bool
load_mapping(struct builder *builder, const char *section, const yaml_node_t *node)
{
	const yaml_node_pair_t *first = node->data.mapping.pairs.start,
			       *end = node->data.mapping.pairs.top;

	for (const yaml_node_pair_t *pair = first; pair < end; pair++) {
		const yaml_node_t *key = yaml_document_get_node(builder->document, pair->key);

		for (const yaml_node_pair_t *other = first; other < pair; other++) {
			const yaml_node_t *earlier =
			    yaml_document_get_node(builder->document, other->key);

			if (key->type == YAML_SCALAR_NODE && earlier->type == YAML_SCALAR_NODE &&
			    strcmp((char *)key->data.scalar.value,
				(char *)earlier->data.scalar.value) == 0)
				return builder_error(builder, &key->start_mark,
				    "%s: given twice, first on line %zu",
				    (char *)key->data.scalar.value, earlier->start_mark.line + 1);
		}
		if (!load_pair(builder, section, key,
			yaml_document_get_node(builder->document, pair->value)))
			return false;
	}
	return true;
}

static bool
parser_error(struct builder *builder, const yaml_parser_t *parser)
{
	return builder_error(builder, &parser->problem_mark, "not valid YAML: %s%s%s",
	    parser->problem != NULL ? parser->problem : "it cannot be read",
	    parser->context != NULL ? ", " : "", parser->context != NULL ? parser->context : "");
}

/* The file must hold exactly one document. */
static bool
check_end(struct builder *builder, yaml_parser_t *parser)
{
	yaml_document_t second;
	const yaml_node_t *root;
	bool good = true;

	if (!yaml_parser_load(parser, &second))
		return parser_error(builder, parser);
	root = yaml_document_get_root_node(&second);
	if (root != NULL)
		good = builder_error(builder, &root->start_mark,
		    "a second document: a configuration is a single document");
	yaml_document_delete(&second);
	return good;
}

static bool
load_document(struct builder *builder, yaml_parser_t *parser)
{
	yaml_document_t document;
	const yaml_node_t *root;
	bool good = true;

	if (!yaml_parser_load(parser, &document))
		return parser_error(builder, parser);
	builder->document = &document;
	root = yaml_document_get_root_node(&document);
	if (root != NULL && root->type != YAML_MAPPING_NODE)
		good = builder_error(
		    builder, &root->start_mark, "expected keys and values, such as workers: 2");
	else if (root != NULL)
		good = load_mapping(builder, "", root) && check_end(builder, parser);
	builder->document = NULL;
	yaml_document_delete(&document);
	return good;
}

bool
document_load_file(struct builder *builder, const char *path)
{
	yaml_parser_t parser;
	FILE *file = fopen(path, "re");
	struct stat found;
	bool good;

	if (file == NULL)
		return builder_error(builder, NULL, "cannot be read: %s", strerror(errno));
	if (fstat(fileno(file), &found) == 0 && S_ISDIR(found.st_mode)) {
		fclose(file);
		return builder_error(builder, NULL, "cannot be read: %s", strerror(EISDIR));
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return builder_out_of_memory(builder);
	}
	yaml_parser_set_input_file(&parser, file);
	good = load_document(builder, &parser);
	yaml_parser_delete(&parser);
	fclose(file);
	return good;
}

bool
document_load_text(struct builder *builder, const char *text, size_t len)
{
	yaml_parser_t parser;
	bool good;

	if (!yaml_parser_initialize(&parser))
		return builder_out_of_memory(builder);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	good = load_document(builder, &parser);
	yaml_parser_delete(&parser);
	return good;
}
