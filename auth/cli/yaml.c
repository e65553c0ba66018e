/* yaml.c - writes JSON values as YAML documents with libyaml's emitter. */
#include "auth/cli/present.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

/*
 * True when a YAML 1.1 reader would take this text, unquoted, for something other than text: yes,
 * off, 1e3, 1_000, 0x1f, 12:30:45, 2024-01-01, ~. All of these except the words begin with a digit,
 * a sign, a dot, '~' or '<'.
 */
static bool
needs_quotes(const char *text)
{
	static const char *const words[] = {
	    "null", "true", "false", "yes", "no", "on", "off", "y", "n"};

	if (!isalpha((unsigned char)text[0]) && text[0] != '/')
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool
emit(yaml_emitter_t *emitter, int initialized, yaml_event_t *event)
{
	return initialized == 1 && yaml_emitter_emit(emitter, event) == 1;
}

static bool
emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	return emit(emitter,
	    yaml_scalar_event_initialize(
		&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1, style),
	    &event);
}

static bool
emit_text(yaml_emitter_t *emitter, const char *text)
{
	return emit_scalar(emitter, text,
	    needs_quotes(text) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value);

static bool
emit_array(yaml_emitter_t *emitter, const json_t *array)
{
	yaml_event_t event;
	const json_t *item;
	size_t i;

	if (!emit(emitter,
		yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
		    json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE),
		&event))
		return false;
	json_array_foreach(array, i, item) if (!emit_value(emitter, item)) return false;
	return emit(emitter, yaml_sequence_end_event_initialize(&event), &event);
}

static bool
emit_object(yaml_emitter_t *emitter, const json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *value;

	if (!emit(emitter,
		yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
		    json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE),
		&event))
		return false;
	json_object_foreach((json_t *)object, key,
	    value) if (!emit_text(emitter, key) || !emit_value(emitter, value)) return false;
	return emit(emitter, yaml_mapping_end_event_initialize(&event), &event);
}

static bool
emit_value(yaml_emitter_t *emitter, const json_t *value)
{
	char number[64];

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return emit_object(emitter, value);
	case JSON_ARRAY:
		return emit_array(emitter, value);
	case JSON_STRING:
		return emit_text(emitter, json_string_value(value));
	case JSON_INTEGER:
		snprintf(
		    number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return emit_scalar(emitter, number, YAML_PLAIN_SCALAR_STYLE);
	case JSON_REAL:
		snprintf(number, sizeof(number), "%.17g", json_real_value(value));
		return emit_scalar(emitter, number, YAML_PLAIN_SCALAR_STYLE);
	case JSON_TRUE:
		return emit_scalar(emitter, "true", YAML_PLAIN_SCALAR_STYLE);
	case JSON_FALSE:
		return emit_scalar(emitter, "false", YAML_PLAIN_SCALAR_STYLE);
	case JSON_NULL:
		return emit_scalar(emitter, "null", YAML_PLAIN_SCALAR_STYLE);
	}
	return false;
}

static bool
document_begin(yaml_emitter_t *emitter, FILE *out)
{
	yaml_event_t event;

	yaml_emitter_set_output_file(emitter, out);
	yaml_emitter_set_width(emitter, -1); /* folded lines would break text that people copy */
	return emit(emitter, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING),
		   &event) &&
	       emit(emitter, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1),
		   &event);
}

static bool
document_end(yaml_emitter_t *emitter)
{
	yaml_event_t event;

	return emit(emitter, yaml_document_end_event_initialize(&event, 1), &event) &&
	       emit(emitter, yaml_stream_end_event_initialize(&event), &event);
}

bool
yaml_write(FILE *out, const json_t *value)
{
	yaml_emitter_t emitter;
	bool ok;

	if (yaml_emitter_initialize(&emitter) != 1)
		return false;
	ok = document_begin(&emitter, out) && emit_value(&emitter, value) && document_end(&emitter);
	yaml_emitter_delete(&emitter);
	return ok;
}

struct yaml_list {
	yaml_emitter_t emitter;
	bool ok;
};

struct yaml_list *
yaml_list_begin(FILE *out)
{
	struct yaml_list *list = malloc(sizeof(*list));
	yaml_event_t event;

	if (list == NULL || yaml_emitter_initialize(&list->emitter) != 1) {
		free(list);
		return NULL;
	}
	list->ok = document_begin(&list->emitter, out) &&
		   emit(&list->emitter,
		       yaml_sequence_start_event_initialize(
			   &event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE),
		       &event);
	return list;
}

bool
yaml_list_add(struct yaml_list *list, const json_t *value)
{
	list->ok = list->ok && emit_value(&list->emitter, value);
	return list->ok;
}

bool
yaml_list_end(struct yaml_list *list, bool whole)
{
	yaml_event_t event;
	bool ok;

	if (list == NULL)
		return false;
	ok = whole && list->ok &&
	     emit(&list->emitter, yaml_sequence_end_event_initialize(&event), &event) &&
	     document_end(&list->emitter);
	yaml_emitter_delete(&list->emitter);
	free(list);
	return ok;
}
