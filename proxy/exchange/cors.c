/* cors.c - which pages of other origins may read answers. */
#include "exchange/cors.h"

#include "exchange/rewrite.h"
#include "http/bytes.h"
#include "http/head.h"

/* How many fields have this name, and the value of the last one. */
static size_t
find(const struct fields *fields, struct slice name, struct slice *value)
{
	size_t n = 0;

	for (size_t i = 0; i < fields->count; i++) {
		if (!slice_equal_nocase(fields->items[i].name, name))
			continue;
		*value = fields->items[i].value;
		n++;
	}
	return n;
}

const char *
cors_origin(const char *const *origins, const struct fields *fields)
{
	struct slice origin = {0};

	if (origins == NULL)
		return NULL;
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_ORIGIN)
			continue;
		if (origin.at != NULL)
			return NULL;
		origin = fields->items[i].value;
	}
	for (; origin.len > 0 && *origins != NULL; origins++)
		if (strcmp(*origins, "*") == 0 || slice_equal(slice_of(*origins), origin))
			return *origins;
	return NULL;
}

/* True for a list of tokens. */
static bool
is_list_of_tokens(struct slice list)
{
	struct slice member;

	while (list_next(&list, &member))
		if (!is_token(member))
			return false;
	return true;
}

bool
cors_preflight(const struct request *request, struct preflight *out)
{
	size_t lists;

	*out = (struct preflight){0};
	if (request->method_id != METHOD_OPTIONS ||
	    field_value(&request->fields, FIELD_ORIGIN).len == 0 ||
	    find(&request->fields, SLICE("Access-Control-Request-Method"), &out->method) != 1)
		return false;
	lists = find(&request->fields, SLICE("Access-Control-Request-Headers"), &out->fields);
	return is_token(out->method) && lists <= 1 && out->fields.len <= PREFLIGHT_FIELDS_MAX &&
	       is_list_of_tokens(out->fields);
}

static bool
says_something(const struct fields *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!fields->items[i].dropped &&
		    slice_starts_with_nocase(fields->items[i].name, SLICE("Access-Control-")))
			return true;
	return false;
}

/* The configured limit on fields leaves room for these in an answer's head. */
static void
append(struct fields *fields, struct slice name, struct slice value)
{
	if (fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] = (struct field){.name = name, .value = value};
}

void
cors_answer(struct fields *fields, const char *origin, struct writer *room)
{
	if (says_something(fields))
		return;
	rewrite_vary(fields, SLICE("Origin"), room);
	if (origin == NULL)
		return;
	append(fields, SLICE("Access-Control-Allow-Origin"), slice_of(origin));
	append(fields, SLICE("Access-Control-Expose-Headers"), CORS_EXPOSED);
}
