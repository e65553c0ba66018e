/* certificates.c - tls.certificates: a list of mappings, each of a certificate with its key. */
#include <string.h>

#include "config/loading.h"

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
load_pair(struct loading *loading, struct certificate_config *out, const yaml_node_t *key,
    const yaml_node_t *value)
{
	const char **member = key->type == YAML_SCALAR_NODE
				  ? member_of(out, (const char *)key->data.scalar.value)
				  : NULL;

	if (member == NULL)
		return loading_mistake(loading, &key->start_mark,
		    "tls.certificates: expected certificate, key and perhaps ocsp, each with a "
		    "file");
	if (*member != NULL)
		return loading_mistake(loading, &key->start_mark,
		    "tls.certificates: %s given twice", (const char *)key->data.scalar.value);
	if (value->type != YAML_SCALAR_NODE || value->data.scalar.length == 0)
		return loading_mistake(
		    loading, &value->start_mark, "tls.certificates: expected the name of a file");
	*member = loading_own_text(loading, (const char *)value->data.scalar.value);
	return *member != NULL || loading_out_of_memory(loading);
}

static bool
load_certificate(struct loading *loading, const yaml_node_t *node, struct certificate_config *out)
{
	if (node->type != YAML_MAPPING_NODE)
		return loading_mistake(loading, &node->start_mark,
		    "tls.certificates: expected items such as {certificate: FILE, key: FILE}");
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++)
		if (!load_pair(loading, out, yaml_document_get_node(loading->document, pair->key),
			yaml_document_get_node(loading->document, pair->value)))
			return false;
	if (out->certificate == NULL || out->key == NULL)
		return loading_mistake(loading, &node->start_mark,
		    "tls.certificates: each needs a certificate and a key");
	return true;
}

bool
assign_certificates(struct loading *loading, const yaml_node_t *key, const yaml_node_t *node)
{
	struct certificate_config *items;
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE)
		return loading_mistake(
		    loading, &key->start_mark, "tls.certificates: expected a list");
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	items = loading_own(loading, (count + 1) * sizeof(*items));
	if (items == NULL)
		return loading_out_of_memory(loading);
	for (size_t i = 0; i < count; i++)
		if (!load_certificate(loading,
			yaml_document_get_node(
			    loading->document, node->data.sequence.items.start[i]),
			&items[i]))
			return false;
	loading->config.tls.certificates = items;
	loading->config.tls.certificate_count = count;
	return true;
}
