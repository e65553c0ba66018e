/* certificates.c - tls.certificates: a list of mappings, each of a certificate with its key. */
#include <string.h>

#include "config/builder.h"

/* The member of a certificate that a key names; NULL when there is none. */
static const char **
member_of(struct certificate_config *certificate, const char *key)
{
	if (strcmp(key, "certificate") == 0)
		return &certificate->certificate;
	if (strcmp(key, "key") == 0)
		return &certificate->key;
	return strcmp(key, "ocsp") == 0 ? &certificate->ocsp : NULL;
}

static bool
load_pair(struct builder *builder, struct certificate_config *out, const yaml_node_t *key,
    const yaml_node_t *value)
{
	const char **member = key->type == YAML_SCALAR_NODE
				  ? member_of(out, (const char *)key->data.scalar.value)
				  : NULL;

	if (member == NULL)
		return builder_error(builder, &key->start_mark,
		    "tls.certificates: expected certificate, key and perhaps ocsp, each with a "
		    "file");
	if (*member != NULL)
		return builder_error(builder, &key->start_mark, "tls.certificates: %s given twice",
		    (const char *)key->data.scalar.value);
	if (value->type != YAML_SCALAR_NODE || value->data.scalar.length == 0)
		return builder_error(
		    builder, &value->start_mark, "tls.certificates: expected the name of a file");
	*member = builder_own_text(builder, (const char *)value->data.scalar.value);
	return *member != NULL || builder_out_of_memory(builder);
}

static bool
load_certificate(struct builder *builder, const yaml_node_t *node, struct certificate_config *out)
{
	if (node->type != YAML_MAPPING_NODE)
		return builder_error(builder, &node->start_mark,
		    "tls.certificates: expected items such as {certificate: FILE, key: FILE}");
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++)
		if (!load_pair(builder, out, yaml_document_get_node(builder->document, pair->key),
			yaml_document_get_node(builder->document, pair->value)))
			return false;
	if (out->certificate == NULL || out->key == NULL)
		return builder_error(builder, &node->start_mark,
		    "tls.certificates: each needs a certificate and a key");
	return true;
}

bool
assign_certificates(struct builder *builder, const yaml_node_t *key, const yaml_node_t *node)
{
	struct certificate_config *items;
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE)
		return builder_error(
		    builder, &key->start_mark, "tls.certificates: expected a list");
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	items = builder_own(builder, (count + 1) * sizeof(*items));
	if (items == NULL)
		return builder_out_of_memory(builder);
	for (size_t i = 0; i < count; i++)
		if (!load_certificate(builder,
			yaml_document_get_node(
			    builder->document, node->data.sequence.items.start[i]),
			&items[i]))
			return false;
	builder->config.tls.certificates = items;
	builder->config.tls.certificate_count = count;
	return true;
}
