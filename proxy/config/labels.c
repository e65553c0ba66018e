/* labels.c - jobs.labels: a mapping, kept as the text of a selector. */
#include <string.h>

#include "config/builder.h"

#define LABELS_TEXT_MAX (SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2))

/* Add "name=value" to the text. */
static bool
add_label(struct builder *builder, const yaml_node_t *name, const yaml_node_t *value, char *text)
{
	size_t len = strlen(text), bad;
	struct label label;
	enum label_error error;

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
	snprintf(text + len, LABELS_TEXT_MAX - len, "%s%.*s=%.*s", len > 0 ? "," : "",
	    (int)label.name.len, label.name.at, (int)label.value.len, label.value.at);
	return true;
}

bool
assign_labels(struct builder *builder, const yaml_node_t *key, const yaml_node_t *node)
{
	struct label labels[SELECTOR_LABELS_MAX];
	char text[LABELS_TEXT_MAX] = "";
	size_t count, bad;
	enum label_error error;

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
	error = jg_selector_parse(slice_of(text), labels, &count, &bad);
	if (error != LABEL_OK)
		return builder_error(
		    builder, &node->start_mark, "jobs.labels: %s", jg_label_error_text(error));
	builder->config.jobs.labels = builder_own_text(builder, text);
	return builder->config.jobs.labels != NULL || builder_out_of_memory(builder);
}
