/* labels.c - jobs.labels and jobs.labels_file, kept together as the text of a selector. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/builder.h"

#define LABELS_TEXT_MAX (SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2))

static void
append_label(char text[LABELS_TEXT_MAX], const struct label *label)
{
	size_t len = strlen(text);

	snprintf(text + len, LABELS_TEXT_MAX - len, "%s%.*s=%.*s", len > 0 ? "," : "",
	    (int)label->name.len, label->name.at, (int)label->value.len, label->value.at);
}

/* Add "name=value" to the text. */
static bool
add_label(struct builder *builder, const yaml_node_t *name, const yaml_node_t *value, char *text)
{
	struct label label;
	enum label_error error;
	size_t bad;

	if (name->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE)
		return builder_error(
		    builder, &name->start_mark, "jobs.labels: expected a name and a value");
	label.name =
	    (struct slice){(const char *)name->data.scalar.value, name->data.scalar.length};
	label.value =
	    (struct slice){(const char *)value->data.scalar.value, value->data.scalar.length};
	error = jg_label_name_check(label.name, &bad);
	if (error != LABEL_OK)
		return builder_error(
		    builder, &name->start_mark, "jobs.labels: %s", jg_label_error_text(error));
	error = jg_label_value_check(label.value, &bad);
	if (error != LABEL_OK)
		return builder_error(
		    builder, &value->start_mark, "jobs.labels: %s", jg_label_error_text(error));
	append_label(text, &label);
	return true;
}

/* Keep the text, whose labels are valid one by one. False when a name comes twice. */
static bool
keep_labels(struct builder *builder, const char *key, const yaml_mark_t *mark, const char *text)
{
	struct label labels[SELECTOR_LABELS_MAX];
	size_t count, bad;
	enum label_error error = jg_selector_parse(slice_of(text), labels, &count, &bad);

	if (error != LABEL_OK)
		return builder_error(builder, mark, "%s: %s", key, jg_label_error_text(error));
	builder->config.jobs.labels = builder_own_text(builder, text);
	return builder->config.jobs.labels != NULL || builder_out_of_memory(builder);
}

bool
assign_labels(struct builder *builder, const yaml_node_t *key, const yaml_node_t *node)
{
	char text[LABELS_TEXT_MAX] = "";

	if (node->type != YAML_MAPPING_NODE)
		return builder_error(builder, &key->start_mark,
		    "jobs.labels: expected names and values, such as {team: blue}");
	if (node->data.mapping.pairs.top - node->data.mapping.pairs.start > SELECTOR_LABELS_MAX)
		return builder_error(builder, &node->start_mark,
		    "jobs.labels: expected at most %d labels", SELECTOR_LABELS_MAX);
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++)
		if (!add_label(builder, yaml_document_get_node(builder->document, pair->key),
			yaml_document_get_node(builder->document, pair->value), text))
			return false;
	return keep_labels(builder, "jobs.labels", &node->start_mark, text);
}

/* name="value". Values of labels have no character that would be escaped there. */
static bool
read_label(struct slice line, struct label *label)
{
	const char *equals = line.len > 0 ? memchr(line.at, '=', line.len) : NULL;
	struct slice value;
	size_t bad;

	if (equals == NULL)
		return false;
	label->name = (struct slice){line.at, (size_t)(equals - line.at)};
	value = slice_after(line, label->name.len + 1);
	if (value.len < 2 || value.at[0] != '"' || value.at[value.len - 1] != '"')
		return false;
	label->value = (struct slice){value.at + 1, value.len - 2};
	return jg_label_name_check(label->name, &bad) == LABEL_OK &&
	       jg_label_value_check(label->value, &bad) == LABEL_OK;
}

/* Add the lines of the file to the text. False after an error. */
static bool
read_labels(struct builder *builder, const yaml_mark_t *mark, FILE *file, char *text)
{
	struct label label, had[SELECTOR_LABELS_MAX];
	unsigned number = 0;
	size_t count = 0, cap = 0, bad;
	char *line = NULL;
	ssize_t len;
	bool good = true;

	jg_selector_parse(slice_of(text), had, &count, &bad);
	while (good && (len = getline(&line, &cap, file)) > 0) {
		number++;
		if (line[len - 1] == '\n')
			len--;
		if (len == 0)
			continue;
		if (!read_label((struct slice){line, (size_t)len}, &label))
			good = builder_error(builder, mark,
			    "jobs.labels_file: line %u: expected name=\"value\", as the downward "
			    "API of Kubernetes writes it",
			    number);
		else if (++count > SELECTOR_LABELS_MAX)
			good = builder_error(builder, mark,
			    "jobs.labels_file: expected at most %d labels, with those of "
			    "jobs.labels",
			    SELECTOR_LABELS_MAX);
		else
			append_label(text, &label);
	}
	free(line);
	return good;
}

bool
labels_load_file(struct builder *builder)
{
	const char *path = builder->config.jobs.labels_file, *labels = builder->config.jobs.labels;
	const yaml_mark_t *mark = builder_mark(builder, "jobs.labels_file");
	char text[LABELS_TEXT_MAX] = "";
	FILE *file;
	bool good;

	if (path == NULL)
		return true;
	if (labels != NULL)
		memcpy(text, labels, strlen(labels));
	file = fopen(path, "re");
	good = file != NULL && read_labels(builder, mark, file, text);
	if (file == NULL || (good && ferror(file)))
		good = builder_error(builder, mark, "jobs.labels_file: %s cannot be read: %s", path,
		    strerror(errno));
	if (file != NULL)
		fclose(file);
	return good && keep_labels(builder, "jobs.labels_file", mark, text);
}
