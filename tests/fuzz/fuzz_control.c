/* fuzz_control.c - all that the control API reads: queries, fields, JSON bodies, paths. */
#include "auth/control/endpoint.h"
#include "auth/control/head.h"
#include "auth/control/query.h"
#include "fuzz.h"

/* An error goes into an answer as JSON, so it must be text, and say something. */
static void
check_error(const struct input_error *error)
{
	json_t *field = json_string(error->field), *detail = json_string(error->detail);

	CHECK(field != NULL && detail != NULL && error->detail[0] != '\0');
	json_decref(field);
	json_decref(detail);
}

static void
check_labels(const struct label *labels, size_t count)
{
	size_t bad;

	for (size_t i = 0; i < count; i++) {
		CHECK(jg_label_name_check(labels[i].name, &bad) == LABEL_OK);
		CHECK(jg_label_value_check(labels[i].value, &bad) == LABEL_OK);
	}
}

/* A cursor that was taken is given out again, in either form, as one that means the same. */
static void
check_cursor(const struct store_cursor *cursor, enum record_kind kind)
{
	static const unsigned char key[CURSOR_KEY_LEN] = "k";
	static struct list_query again;

	for (int sealed = 0; sealed <= 1; sealed++) {
		char text[sizeof("cursor=") + CURSOR_TEXT_MAX] = "cursor=";
		struct input_error error;

		if (sealed)
			CHECK(cursor_seal(key, kind, cursor, text + strlen(text)));
		else
			cursor_format(cursor, text + strlen(text));
		CHECK(query_parse(slice_of(text), kind, key, &again, &error));
		CHECK(strcmp(again.after.score, cursor->score) == 0);
		CHECK(strcmp(again.after.id, cursor->id) == 0);
	}
}

static void
try_query(struct slice text, enum record_kind kind)
{
	static struct list_query query;
	struct slice room = {query.text, sizeof(query.text)};
	struct input_error error = {0};

	if (!query_parse(text, kind, NULL, &query, &error)) {
		check_error(&error);
		return;
	}
	CHECK(query.limit >= 1 && query.limit <= QUERY_LIMIT_MAX);
	CHECK(query.label_count <= SELECTOR_LABELS_MAX);
	CHECK(
	    kind == RECORD_JOB ? !query.role_set && query.name.at == NULL : query.label_count == 0);
	CHECK(query.name.at == NULL || jg_token_name_valid(query.name));
	CHECK(slice_within(query.name, room));
	check_labels(query.labels, query.label_count);
	if (query.after.id[0] != '\0')
		check_cursor(&query.after, kind);
}

/* Each line a field: name, colon, value. */
static void
try_head(struct slice text)
{
	struct head head = {0};
	size_t lengths = 0, codings = 0, authorizations = 0;

	while (text.len > 0) {
		const char *lf = memchr(text.at, '\n', text.len);
		struct slice line = {text.at, lf != NULL ? (size_t)(lf - text.at) : text.len};
		const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;
		struct slice name = {line.at, colon != NULL ? (size_t)(colon - line.at) : line.len};

		CHECK(head_field(
		    &head, name, slice_after(line, colon != NULL ? name.len + 1 : line.len)));
		lengths += slice_equal_nocase(name, SLICE("content-length"));
		codings += slice_equal_nocase(name, SLICE("transfer-encoding"));
		authorizations += slice_equal_nocase(name, SLICE("authorization"));
		text = slice_after(text, line.len + (lf != NULL));
	}
	if (head.error == NULL && !head.too_large) {
		CHECK(lengths + codings <= 1);
		CHECK(head.has_length == (lengths == 1) && head.has_coding == (codings == 1));
		CHECK(head.authorizations == authorizations);
		CHECK((head.authorization != NULL) == (authorizations > 0));
	}
	head_clear(&head);
	CHECK(head.authorization == NULL && head.fields == 0);
}

static void
check_record(const struct record_input *input)
{
	const struct job *job = &input->record.job;
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	CHECK((input->given & input->removed) == 0);
	CHECK(input->label_count <= JOB_LABELS_MAX && input->removed_label_count <= JOB_LABELS_MAX);
	check_labels(input->labels, input->label_count);
	switch (input->record.kind) {
	case RECORD_TOKEN:
		CHECK(jg_token_name_valid(input->record.token.name));
		CHECK(input->label_count <= SELECTOR_LABELS_MAX);
		break;
	case RECORD_JOB:
		CHECK(job->id.len == 0 || jg_job_id_valid(job->id));
		CHECK(job->lease <= JOB_LEASE_MAX);
		if (input->given & FIELD_BIT(JOB_FIELD_URL))
			CHECK(jg_job_urls_parse(job->url_text, urls, &count, &bad) &&
			      job->url_text.len <= JOB_URL_MAX);
		break;
	case RECORD_KINDS:
		CHECK(false);
	}
}

/* As a body for each kind of record and each purpose, and as a question. */
static void
try_body(struct slice text)
{
	static struct record_input input;
	static struct authorize_input authorize;
	struct input_error error = {0};
	json_t *object = input_object(text.at, text.len, NULL, &error);

	if (object == NULL) {
		check_error(&error);
		return;
	}
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		for (unsigned purpose = INPUT_CREATE; purpose <= INPUT_IMPORT; purpose++) {
			error = (struct input_error){0};
			/* nothing patches a token, which would need no name */
			if (kind == RECORD_TOKEN && purpose == INPUT_PATCH)
				continue;
			if (input_record(object, kind, purpose, &input, &error))
				check_record(&input);
			else
				check_error(&error);
		}
	error = (struct input_error){0};
	if (!input_fields(object, authorize_input_fields, &error) ||
	    !input_authorize(object, &authorize, &error))
		check_error(&error);
	json_decref(object);
}

static void
handle(struct call *call)
{
	(void)call;
}

static void
try_path(struct slice path)
{
	static const struct endpoint rows[] = {
	    {"GET", "/v1/jobs", handle},
	    {"POST", "/v1/jobs", handle},
	    {"GET", "/v1/jobs/{id}", handle},
	    {"PATCH", "/v1/jobs/{id}", handle},
	    {"POST", "/v1/tokens/{id}/renew", handle},
	};
	static const struct endpoint_table table = {rows, sizeof(rows) / sizeof(rows[0])};
	static const struct slice methods[] = {SLICE("HEAD"), SLICE("POST"), SLICE("DELETE")};

	for (size_t i = 0; i < 3; i++) {
		const struct endpoint *row = NULL;
		struct slice id;
		char allow[ENDPOINT_ALLOW_MAX] = "";

		switch (endpoint_find(&table, methods[i], path, &row, &id, allow)) {
		case ENDPOINT_FOUND:
			CHECK((strstr(row->pattern, "{id}") != NULL) == (id.len > 0));
			CHECK(slice_within(id, path));
			CHECK(id.len == 0 || memchr(id.at, '/', id.len) == NULL);
			break;
		case ENDPOINT_NO_METHOD:
			CHECK(allow[0] != '\0');
			break;
		case ENDPOINT_NO_PATH:
			break;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = exact_copy(data, size);
	struct slice text = {copy, size};

	try_query(text, RECORD_TOKEN);
	try_query(text, RECORD_JOB);
	try_head(text);
	try_body(text);
	try_path(text);
	free(copy);
	return 0;
}
