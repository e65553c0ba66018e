/* fields.c - makes bodies of requests and columns from the table of record fields. */
#include "auth/cli/fields.h"

#include <assert.h>

static const struct record_field *
field_at(const struct options *options, size_t index)
{
	return &record_fields[options->kind].rows[index];
}

bool
fields_given(const struct options *options)
{
	for (size_t i = 0; i < record_fields[options->kind].count; i++)
		if (options->fields[i] != NULL)
			return true;
	return false;
}

static json_t *
value_of(const struct record_field *field, const char *text, bool patch)
{
	uint64_t number = 0;

	if (patch && text[0] == '\0')
		return json_null();
	if (field->form != AS_NUMBER)
		return json_string(text);
	slice_to_number(slice_of(text), field->max, &number);
	return json_integer((json_int_t)number);
}

bool
fields_body(const struct options *options, json_t *body)
{
	for (size_t i = 0; i < record_fields[options->kind].count; i++) {
		const struct record_field *field = field_at(options, i);
		const char *text = options->fields[i];

		if (text != NULL && json_object_set_new(body, field->name,
					value_of(field, text, options->patches)) != 0) {
			fprintf(
			    stderr, "jobgate: the value of --%s is not UTF-8 text\n", field->name);
			return false;
		}
	}
	return true;
}

void
fields_columns(enum record_kind kind, unsigned uses, struct column out[COLUMNS_MAX])
{
	const struct record_fields *fields = &record_fields[kind];
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++) {
		const struct record_field *field = &fields->rows[i];

		if ((field->uses & uses) == 0)
			continue;
		assert(count + 1 < COLUMNS_MAX);
		out[count++] = (struct column){field->title, field->name,
		    field->none != NULL ? field->none : "-", field->form == AS_JOB_URL};
	}
	out[count] = (struct column){0};
}

bool
fields_present(const struct printer *printer, const json_t *record, enum record_kind kind)
{
	struct column columns[COLUMNS_MAX];

	fields_columns(kind, USE_SHOW | USE_ISSUE, columns);
	return present_record(printer, record, columns);
}
