/* documents_test.c - the documents name the fields of records that their table has, and no others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "auth/record.h"
#include "auth/record_fields.h"

#define OPENAPI "auth/control/openapi.json"
#define CONTRACT "auth/redis/README.md"

/* How many fields of a record have one of the uses; each must be in the object or array. */
static size_t
expect_fields(const char *schema, enum record_kind kind, unsigned uses, const json_t *names)
{
	const struct record_fields *fields = &record_fields[kind];
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++) {
		const char *name = fields->rows[i].name;
		bool found = json_object_get(names, name) != NULL;

		if ((fields->rows[i].uses & uses) == 0)
			continue;
		count++;
		for (size_t at = 0; at < json_array_size(names); at++)
			found = found ||
				strcmp(json_string_value(json_array_get(names, at)), name) == 0;
		if (!found)
			fail_msg(OPENAPI ": schema %s lacks %s", schema, name);
	}
	return count;
}

static void
expect_schema(const json_t *schemas, const char *schema, enum record_kind kind, unsigned uses,
    unsigned required_uses)
{
	const json_t *object = json_object_get(schemas, schema);
	const json_t *properties = json_object_get(object, "properties");
	const json_t *required = json_object_get(object, "required");

	assert_non_null(object);
	if (expect_fields(schema, kind, uses, properties) != json_object_size(properties))
		fail_msg(OPENAPI ": schema %s has a field that record_fields.def does not give it",
		    schema);
	if (expect_fields(schema, kind, required_uses, required) != json_array_size(required))
		fail_msg(
		    OPENAPI ": schema %s requires a field that record_fields.def does not", schema);
}

static void
openapi(void **state)
{
	json_error_t error;
	json_t *document = json_load_file(SOURCE_DIR "/" OPENAPI, 0, &error);
	const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");

	(void)state;
	assert_non_null(schemas);
	expect_schema(schemas, "Token", RECORD_TOKEN, USE_SHOW, USE_SHOW);
	expect_schema(
	    schemas, "IssuedToken", RECORD_TOKEN, USE_SHOW | USE_ISSUE, USE_SHOW | USE_ISSUE);
	expect_schema(schemas, "NewToken", RECORD_TOKEN, USE_CREATE, USE_REQUIRED);
	expect_schema(schemas, "Job", RECORD_JOB, USE_SHOW, USE_SHOW);
	expect_schema(schemas, "NewJob", RECORD_JOB, USE_CREATE, USE_REQUIRED);
	expect_schema(schemas, "JobPatch", RECORD_JOB, USE_PATCH, 0);
	json_decref(document);
}

/* What the README says of a type's hash: the rest of the line that begins with its key. */
static char *
contract_of(enum record_kind kind)
{
	char begin[64], *line = NULL, *rest = NULL;
	FILE *file = fopen(SOURCE_DIR "/" CONTRACT, "re");
	size_t room = 0;

	assert_non_null(file);
	snprintf(begin, sizeof(begin), "| `jobgate:%s:<id>` | hash |", record_types[kind].noun);
	while (rest == NULL && getline(&line, &room, file) > 0)
		if (strncmp(line, begin, strlen(begin)) == 0)
			rest = strdup(line + strlen(begin));
	fclose(file);
	free(line);
	if (rest == NULL)
		fail_msg(CONTRACT " has no line that begins with %s", begin);
	return rest;
}

/* The field that a name in the README means; a prefix, such as "label:", has more behind it. */
static const struct record_field *
stored_as(enum record_kind kind, struct slice name)
{
	for (size_t i = 0; i < record_fields[kind].count; i++) {
		const struct record_field *field = &record_fields[kind].rows[i];

		if (field->stored == NULL)
			continue;
		if (field->form == AS_LABELS || field->form == AS_PORTS
			? slice_starts_with(name, slice_of(field->stored))
			: slice_equal(name, slice_of(field->stored)))
			return field;
	}
	return NULL;
}

static void
expect_contract(enum record_kind kind)
{
	char *contract = contract_of(kind), *rest = contract, *name, *end;
	bool named[RECORD_FIELDS_MOST] = {false};

	while ((name = strchr(rest, '`')) != NULL && (end = strchr(name + 1, '`')) != NULL) {
		struct slice text = {name + 1, (size_t)(end - name - 1)};
		const struct record_field *field = stored_as(kind, text);

		if (field == NULL)
			fail_msg(CONTRACT ": a %s has no field %.*s", record_types[kind].noun,
			    (int)text.len, text.at);
		else
			named[field - record_fields[kind].rows] = true;
		rest = end + 1;
	}
	for (size_t i = 0; i < record_fields[kind].count; i++)
		if (record_fields[kind].rows[i].stored != NULL && !named[i])
			fail_msg(CONTRACT ": the hash of a %s lacks %s", record_types[kind].noun,
			    record_fields[kind].rows[i].stored);
	free(contract);
}

static void
contract(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		expect_contract(kind);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(openapi),
	    cmocka_unit_test(contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
