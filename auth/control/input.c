/* input.c - reads JSON bodies member by member; the first error names its field. */
#include "auth/control/input.h"

#include "auth/control/input_error.h"
#include "auth/control/input_job.h"
#include "auth/moment.h"
#include "auth/parse_memory.h"

const char *const authorize_input_fields[] = {"token", "job", "port", NULL};
const char *const revocation_input_fields[] = {"value", NULL};
const char *const renewal_input_fields[] = {
    "grace", "expires_at", "from", "rate", "burst", "concurrency", NULL};
const char *const token_patch_fields[] = {
    "expires_at", "from", "rate", "burst", "concurrency", NULL};

static bool
is_known(const char *name, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}

bool
input_fields(json_t *object, const char *const *known, struct input_error *error)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) if (!is_known(name, known))
	{
		return input_wrong(error, name, "there is no such field");
	}
	return true;
}

struct parsing {
	const char *text;
	size_t len;
	json_t *value; /* NULL with error set */
	json_error_t error;
};

static void
parse_body(void *ctx)
{
	struct parsing *parsing = ctx;

	parsing->value =
	    json_loadb(parsing->text, parsing->len, JSON_REJECT_DUPLICATES, &parsing->error);
}

json_t *
input_object(const char *text, size_t len, const char *const *known, struct input_error *error)
{
	struct parsing parsing = {.text = text != NULL ? text : "", .len = len};
	json_t *object;

	if (!parse_guarded(parse_body, &parsing)) {
		input_wrong(error, "", "memory is short");
		error->memory_short = true;
		return NULL;
	}
	object = parsing.value;
	if (object == NULL) {
		input_wrong(error, "", "the body is not JSON: %s (line %d, column %d)",
		    parsing.error.text, parsing.error.line, parsing.error.column);
		return NULL;
	}
	if (!json_is_object(object)) {
		input_wrong(error, "", "the body must be a JSON object");
		json_decref(object);
		return NULL;
	}
	if (known != NULL && !input_fields(object, known, error)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static struct slice
text_of(const json_t *string)
{
	return (struct slice){json_string_value(string), json_string_length(string)};
}

/* Read a member that must be a string if it exists; *out is empty when it does not. */
static bool
get_text(const json_t *object, const char *field, bool required, struct slice *out,
    struct input_error *error)
{
	const json_t *value = json_object_get(object, field);

	*out = SLICE("");
	if (value == NULL)
		return !required || input_wrong(error, field, "this field is missing");
	if (!json_is_string(value))
		return input_wrong(error, field, "this field must be a string");
	*out = text_of(value);
	return true;
}

static bool
get_selector(
    const char *name, struct slice text, struct record_input *out, struct input_error *error)
{
	enum label_error label_error;
	size_t bad = 0;

	label_error = jg_selector_parse(text, out->labels, &out->label_count, &bad);
	return label_error == LABEL_OK || input_wrong(error, name, "%s (at character %zu)",
					      jg_label_error_text(label_error), bad + 1);
}

static bool
get_number(const json_t *value, uint64_t max, uint64_t *out)
{
	json_int_t number = json_integer_value(value);

	*out = (uint64_t)number;
	return json_is_integer(value) && number >= 1 && (uint64_t)number <= max;
}

static bool
get_ranges(struct slice text, struct ip_range ranges[TOKEN_FROM_MAX], struct ip_ranges *out)
{
	out->items = ranges;
	return jg_ip_ranges_parse(text, ranges, TOKEN_FROM_MAX, &out->count);
}

/* Read a field that is a string in JSON; if null means none for this field, so does "". */
static bool
get_string(const struct record_field *field, size_t index, const json_t *value,
    struct record_input *out, struct input_error *error)
{
	void *member = field_of(field, &out->record);
	struct slice text = text_of(value);
	bool good = true;

	if (!json_is_string(value))
		return input_wrong(error, field->name, "this field must be a string");
	if (text.len == 0 && field->is_nullable) {
		out->removed |= FIELD_BIT(index);
		return true;
	}
	if (field_text(field, &out->record) != NULL)
		*(struct slice *)member = text;
	switch (field->form) {
	case AS_ID:
	case AS_TEXT:
	case AS_TIME:
	case AS_MAKER:
		good = field->valid(text);
		break;
	case AS_MOMENT:
		good = moment_parse(text, member);
		break;
	case AS_ROLE:
		good = jg_role_parse(text, member);
		break;
	case AS_RANGES:
		good = get_ranges(text, out->ranges, member);
		break;
	case AS_HASH:
		good = jg_token_hash_parse(text, member);
		break;
	case AS_SELECTOR:
		return get_selector(field->name, text, out, error);
	case AS_URL:
		return input_urls(field->name, text, error);
	case AS_NUMBER:
	case AS_LABELS:
	case AS_PORTS:
	case AS_USED:
	case AS_COUNT:
	case AS_JOB_URL:
	case AS_PORT_URLS:
	case AS_VALUE:
		break;
	}
	return good || input_wrong(error, field->name, "%s", field->rule);
}

/* True when the member exists and is not a null that means none. */
static bool
get_field(const struct record_field *field, size_t index, json_t *value, bool patch,
    struct record_input *out, struct input_error *error)
{
	switch (field->form) {
	case AS_NUMBER:
		return get_number(value, field->max, field_of(field, &out->record)) ||
		       input_wrong(error, field->name, "%s", field->rule);
	case AS_LABELS:
		return input_labels(value, patch, out, error);
	case AS_PORTS:
		return input_ports(value, patch, out, error);
	case AS_ID:
	case AS_TEXT:
	case AS_TIME:
	case AS_MAKER:
	case AS_MOMENT:
	case AS_ROLE:
	case AS_SELECTOR:
	case AS_URL:
	case AS_RANGES:
	case AS_HASH:
		return get_string(field, index, value, out, error);
	case AS_USED:
	case AS_COUNT:
	case AS_JOB_URL:
	case AS_PORT_URLS:
	case AS_VALUE:
		break;
	}
	return false;
}

static bool
takes(const struct record_field *field, enum input_purpose purpose)
{
	switch (purpose) {
	case INPUT_CREATE:
		return (field->uses & USE_CREATE) != 0;
	case INPUT_PATCH:
		return (field->uses & USE_PATCH) != 0;
	case INPUT_IMPORT:
		return field->form == AS_ID || field->stored != NULL;
	}
	return false;
}

static bool
must_have(const struct record_field *field, enum input_purpose purpose)
{
	switch (purpose) {
	case INPUT_CREATE:
		return (field->uses & USE_REQUIRED) != 0;
	case INPUT_PATCH:
		return false;
	case INPUT_IMPORT:
		return (field->uses & USE_NEEDED) != 0;
	}
	return false;
}

/* Check that the object has no field that the purpose does not allow, and that none is missing. */
static bool
check_names(json_t *object, const struct record_fields *fields, enum input_purpose purpose,
    struct input_error *error)
{
	const char *known[RECORD_FIELDS_MOST + 3] = {NULL};
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++)
		if (takes(&fields->rows[i], purpose))
			known[count++] = fields->rows[i].name;
	if (purpose == INPUT_IMPORT) {
		known[count++] = INPUT_KIND;
		known[count] = INPUT_CREATED_MS;
	}
	if (!input_fields(object, known, error))
		return false;
	for (size_t i = 0; i < fields->count; i++)
		if (must_have(&fields->rows[i], purpose) &&
		    json_object_get(object, fields->rows[i].name) == NULL)
			return input_wrong(error, fields->rows[i].name, "this field is missing");
	return true;
}

static void
attach(const struct record_field *field, struct record_input *out)
{
	if (field->form == AS_PORTS)
		out->record.job.ports = (struct job_ports){out->port_count, out->ports};
	if (field->form == AS_LABELS || field->form == AS_SELECTOR)
		*(struct label_set *)field_of(field, &out->record) =
		    (struct label_set){out->label_count, out->labels};
}

bool
input_record(json_t *object, enum record_kind kind, enum input_purpose purpose,
    struct record_input *out, struct input_error *error)
{
	const struct record_fields *fields = &record_fields[kind];
	bool patch = purpose == INPUT_PATCH;

	memset(out, 0, sizeof(*out));
	out->record.kind = kind;
	if (!check_names(object, fields, purpose, error))
		return false;
	for (size_t i = 0; i < fields->count; i++) {
		const struct record_field *field = &fields->rows[i];
		json_t *value = json_object_get(object, field->name);
		bool may_be_null = field->is_nullable ||
				   (patch && (field->form == AS_LABELS || field->form == AS_PORTS));

		if (value == NULL || !takes(field, purpose))
			continue;
		if (json_is_null(value) && may_be_null)
			out->removed |= FIELD_BIT(i);
		else if (!get_field(field, i, value, patch, out, error))
			return false;
		attach(field, out);
		out->given |= FIELD_BIT(i) & ~out->removed;
	}
	return true;
}

bool
input_authorize(const json_t *object, struct authorize_input *out, struct input_error *error)
{
	const json_t *port = json_object_get(object, "port");
	json_int_t number = json_integer_value(port);

	if (port != NULL && (!json_is_integer(port) || number < 1 || number > 65535))
		return input_wrong(error, "port", "this field must be a number, 1 to 65535");
	out->port = (uint16_t)number;
	return get_text(object, "token", true, &out->token, error) &&
	       get_text(object, "job", true, &out->job, error);
}

bool
input_revocation(const json_t *object, struct slice *value, struct input_error *error)
{
	return get_text(object, "value", true, value, error);
}

bool
input_expiry_check(uint64_t expires_ms, uint64_t now_ms, struct input_error *error)
{
	return expires_ms == 0 || expires_ms > now_ms ||
	       input_wrong(error, "expires_at", "this time is not in the future");
}

/*
 * Read a limit of a renewal: parse puts its text into *out. Absent: it stays; null, and "" as for a
 * new token: there is none any more.
 */
static bool
get_limit(const json_t *object, enum token_field index,
    bool (*parse)(struct slice text, struct renewal_input *out), struct renewal_input *out,
    struct input_error *error)
{
	const struct record_field *field = &record_fields[RECORD_TOKEN].rows[index];
	const json_t *value = json_object_get(object, field->name);

	if (value == NULL)
		return true;
	out->changed |= FIELD_BIT(index);
	if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
		return true;
	return (json_is_string(value) && parse(text_of(value), out)) ||
	       input_wrong(error, field->name, "%s", field->rule);
}

/* The same for a limit that is a number, which goes to *out; null removes the limit. */
static bool
get_limit_number(const json_t *object, enum token_field index, uint64_t *out,
    struct renewal_input *renewal, struct input_error *error)
{
	const struct record_field *field = &record_fields[RECORD_TOKEN].rows[index];
	const json_t *value = json_object_get(object, field->name);

	if (value == NULL)
		return true;
	renewal->changed |= FIELD_BIT(index);
	return json_is_null(value) || get_number(value, field->max, out) ||
	       input_wrong(error, field->name, "%s", field->rule);
}

static bool
parse_expiry(struct slice text, struct renewal_input *out)
{
	return moment_parse(text, &out->expires_ms);
}

static bool
parse_from(struct slice text, struct renewal_input *out)
{
	return jg_ip_ranges_parse(text, out->from, TOKEN_FROM_MAX, &out->from_count);
}

bool
input_renewal(const json_t *object, struct renewal_input *out, struct input_error *error)
{
	const json_t *grace = json_object_get(object, "grace");

	*out = (struct renewal_input){0};
	if (grace != NULL && !get_number(grace, GRACE_MAX_S, &out->grace_s))
		return input_wrong(
		    error, "grace", "a grace is a number of seconds, 1 to %d", GRACE_MAX_S);
	return get_limit(object, TOKEN_FIELD_EXPIRES_AT, parse_expiry, out, error) &&
	       get_limit(object, TOKEN_FIELD_FROM, parse_from, out, error) &&
	       get_limit_number(object, TOKEN_FIELD_RATE, &out->limits.rate, out, error) &&
	       get_limit_number(object, TOKEN_FIELD_BURST, &out->limits.burst, out, error) &&
	       get_limit_number(
		   object, TOKEN_FIELD_CONCURRENCY, &out->limits.concurrency, out, error);
}

void
input_renewal_apply(struct renewal_input *renewal, struct token *token)
{
	if ((renewal->changed & FIELD_BIT(TOKEN_FIELD_EXPIRES_AT)) != 0)
		token->expires_ms = renewal->expires_ms;
	if ((renewal->changed & FIELD_BIT(TOKEN_FIELD_FROM)) != 0)
		token->from = (struct ip_ranges){renewal->from_count, renewal->from};
	if ((renewal->changed & FIELD_BIT(TOKEN_FIELD_RATE)) != 0)
		token->limits.rate = renewal->limits.rate;
	if ((renewal->changed & FIELD_BIT(TOKEN_FIELD_BURST)) != 0)
		token->limits.burst = renewal->limits.burst;
	if ((renewal->changed & FIELD_BIT(TOKEN_FIELD_CONCURRENCY)) != 0)
		token->limits.concurrency = renewal->limits.concurrency;
}
