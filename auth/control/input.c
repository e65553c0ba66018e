/* input.c - JSON bodies, read member by member; the first mistake names its field. */
#include "auth/control/input.h"

#include <stdarg.h>
#include <stdio.h>

#include "jobgate/ip.h"

const char *const token_input_fields[] = {"name", "role", "label_selector", NULL};
const char *const job_create_fields[] = {"id", "url", "labels", "lease", NULL};
const char *const job_patch_fields[] = {"url", "labels", "lease", NULL};
const char *const authorize_input_fields[] = {"token", "job", NULL};

/* Leave what is plain text: of a letter in UTF-8 that was cut, JSON could not tell. */
static void
make_plain(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Note a mistake; returns false, for `return wrong(...)`. */
__attribute__((format(printf, 3, 4))) static bool
wrong(struct mistake *mistake, const char *field, const char *detail, ...)
{
	va_list args;

	snprintf(mistake->field, sizeof(mistake->field), "%s", field);
	make_plain(mistake->field);
	va_start(args, detail);
	vsnprintf(mistake->detail, sizeof(mistake->detail), detail, args);
	make_plain(mistake->detail);
	va_end(args);
	return false;
}

static bool
is_known(const char *name, const char *const *known)
{
	for (; *known != NULL; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}

bool
input_fields(json_t *object, const char *const *known, struct mistake *mistake)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) if (!is_known(name, known))
	{
		return wrong(mistake, name, "there is no such field");
	}
	return true;
}

json_t *
input_object(const char *text, size_t len, const char *const *known, struct mistake *mistake)
{
	json_error_t error;
	json_t *object = json_loadb(text != NULL ? text : "", len, JSON_REJECT_DUPLICATES, &error);

	if (object == NULL) {
		wrong(mistake, "", "the body is not JSON: %s (line %d, column %d)", error.text,
		    error.line, error.column);
		return NULL;
	}
	if (!json_is_object(object)) {
		wrong(mistake, "", "the body must be a JSON object");
		json_decref(object);
		return NULL;
	}
	if (known != NULL && !input_fields(object, known, mistake)) {
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

/* A member that must be a string if it is there at all; *out is empty where it is not. */
static bool
get_text(const json_t *object, const char *field, bool required, struct slice *out,
    struct mistake *mistake)
{
	const json_t *value = json_object_get(object, field);

	*out = SLICE("");
	if (value == NULL)
		return !required || wrong(mistake, field, "this field is missing");
	if (!json_is_string(value))
		return wrong(mistake, field, "this field must be a string");
	*out = text_of(value);
	return true;
}

bool
input_token(const json_t *object, struct token_input *out, struct mistake *mistake)
{
	struct slice role, selector;
	enum label_error error;
	size_t bad = 0;

	if (!get_text(object, "name", true, &out->name, mistake) ||
	    !get_text(object, "role", true, &role, mistake) ||
	    !get_text(object, "label_selector", false, &selector, mistake))
		return false;
	if (!jg_token_name_valid(out->name))
		return wrong(mistake, "name",
		    "a name has 1 to %d characters A-Z a-z 0-9 . _ - and begins and ends with a "
		    "letter or digit",
		    TOKEN_NAME_MAX);
	if (!jg_role_parse(role, &out->role))
		return wrong(mistake, "role", "a role is read or operator");
	error = jg_selector_parse(selector, out->selector, &out->selector_count, &bad);
	if (error != LABEL_OK)
		return wrong(mistake, "label_selector", "%s (at character %zu)",
		    jg_label_error_text(error), bad + 1);
	return true;
}

/* One member of "labels". */
static bool
get_label(const char *name, const json_t *value, bool patch, struct job_input *out,
    struct mistake *mistake)
{
	struct label label = {.name = slice_of(name)};
	enum label_error error;
	char field[80];
	size_t bad;

	snprintf(field, sizeof(field), "labels.%s", name);
	error = jg_label_name_check(label.name, &bad);
	if (error == LABEL_OK && patch && json_is_null(value)) {
		if (out->removed_count == JOB_LABELS_MAX)
			return wrong(mistake, "labels", "more than %d labels", JOB_LABELS_MAX);
		out->removed[out->removed_count++] = label.name;
		return true;
	}
	if (error == LABEL_OK && !json_is_string(value))
		return wrong(mistake, field, "a label's value must be a string");
	if (error == LABEL_OK) {
		label.value = text_of(value);
		error = jg_label_value_check(label.value, &bad);
	}
	if (error != LABEL_OK)
		return wrong(
		    mistake, field, "%s (at character %zu)", jg_label_error_text(error), bad + 1);
	if (out->label_count == JOB_LABELS_MAX)
		return wrong(mistake, "labels", "a job has at most %d labels", JOB_LABELS_MAX);
	out->labels[out->label_count++] = label;
	return true;
}

static bool
get_labels(const json_t *object, bool patch, struct job_input *out, struct mistake *mistake)
{
	json_t *labels = json_object_get(object, "labels"), *value;
	const char *name;

	if (labels == NULL)
		return true;
	if (patch && json_is_null(labels)) {
		out->labels_cleared = true;
		return true;
	}
	if (!json_is_object(labels))
		return wrong(mistake, "labels", "labels are an object of strings");
	json_object_foreach(
	    labels, name, value) if (!get_label(name, value, patch, out, mistake)) return false;
	return true;
}

/* Each request to such a URL would be refused; its author sees the reason only here. */
static bool
check_address(const struct job_url *url, struct mistake *mistake)
{
	struct in6_addr address;
	enum ip_class class;

	if (!jg_ip_parse(url->host, &address))
		return true;
	class = jg_ip_class(&address);
	return !jg_ip_class_refused(class) ||
	       wrong(mistake, "url",
		   "%.*s is %s: the gateway never connects to such an address; give the one "
		   "that the job listens at",
		   (int)url->host.len, url->host.at, jg_ip_class_text(class));
}

/* Null and "" both mean: nowhere yet. */
static bool
get_url(const json_t *object, struct job_input *out, struct mistake *mistake)
{
	struct job_url parsed;
	size_t bad = 0;

	if (json_is_null(json_object_get(object, "url"))) {
		out->url_removed = true;
		return true;
	}
	if (!get_text(object, "url", false, &out->url, mistake))
		return false;
	if (json_object_get(object, "url") == NULL)
		return true;
	out->url_set = out->url.len > 0;
	out->url_removed = out->url.len == 0;
	if (out->url.len > JOB_URL_MAX)
		return wrong(mistake, "url", "a URL has at most %d bytes", JOB_URL_MAX);
	if (!jg_job_url_parse(out->url, &parsed, &bad))
		return wrong(mistake, "url",
		    "not http://host[:port][/base], https://... or unix:/path (at character %zu)",
		    bad + 1);
	return check_address(&parsed, mistake);
}

static bool
get_lease(const json_t *object, struct job_input *out, struct mistake *mistake)
{
	const json_t *lease = json_object_get(object, "lease");

	if (lease == NULL)
		return true;
	if (json_is_null(lease)) {
		out->lease_removed = true;
		return true;
	}
	if (!json_is_integer(lease) || json_integer_value(lease) < 1 ||
	    json_integer_value(lease) > JOB_LEASE_MAX)
		return wrong(mistake, "lease", "a lease is a number of seconds, 1 to %d, or null",
		    JOB_LEASE_MAX);
	out->lease = (unsigned)json_integer_value(lease);
	return true;
}

bool
input_job(const json_t *object, bool patch, struct job_input *out, struct mistake *mistake)
{
	memset(out, 0, sizeof(*out));
	if (!get_text(object, "id", false, &out->id, mistake))
		return false;
	if (json_object_get(object, "id") != NULL && !jg_job_id_valid(out->id))
		return wrong(mistake, "id",
		    "an id has 1 to %d characters a-z 0-9 - and begins and ends with a letter or "
		    "digit",
		    JOB_ID_MAX);
	return get_url(object, out, mistake) && get_labels(object, patch, out, mistake) &&
	       get_lease(object, out, mistake);
}

bool
input_authorize(const json_t *object, struct authorize_input *out, struct mistake *mistake)
{
	return get_text(object, "token", true, &out->token, mistake) &&
	       get_text(object, "job", true, &out->job, mistake);
}
