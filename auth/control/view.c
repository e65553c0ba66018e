/* view.c - tokens and jobs as JSON. */
#include "auth/control/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/moment.h"
#include "auth/record_fields.h"
#include "auth/replace.h"

static json_t *
text(struct slice slice)
{
	return json_stringn(slice.at != NULL ? slice.at : "", slice.len);
}

static json_t *
view_selector(const struct label_set *labels)
{
	char selector[SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2)];

	jg_selector_format(labels, selector, sizeof(selector));
	return json_string(selector);
}

static json_t *
view_labels(const struct label_set *labels)
{
	json_t *object = json_object();

	for (size_t i = 0; i < labels->count; i++) {
		char name[LABEL_NAME_MAX + 1];

		snprintf(name, sizeof(name), "%.*s", (int)labels->items[i].name.len,
		    labels->items[i].name.at);
		json_object_set_new(object, name, text(labels->items[i].value));
	}
	return object;
}

static json_t *
view_hash(const unsigned char hash[TOKEN_HASH_LEN])
{
	char hex[2 * TOKEN_HASH_LEN + 1];

	jg_token_hash_format(hash, hex);
	return json_string(hex);
}

static json_t *
view_moment(uint64_t ms)
{
	char moment[MOMENT_TEXT_MAX];

	moment_format(ms, moment);
	return json_string(moment);
}

static json_t *
view_ranges(const struct ip_ranges *ranges)
{
	char from[TOKEN_FROM_TEXT_MAX];

	jg_ip_ranges_format(ranges, from, sizeof(from));
	return json_string(from);
}

static json_t *
view_job_url(struct slice id, const char *public_url)
{
	char *url = jg_replace(public_url, "{job}", id);
	json_t *value = url != NULL ? json_string(url) : NULL;

	free(url);
	return value;
}

static json_t *
view_ports(const struct job_ports *ports)
{
	json_t *object = json_object();

	for (size_t i = 0; i < ports->count; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%u", (unsigned)ports->items[i].number);
		json_object_set_new(object, name, text(ports->items[i].url_text));
	}
	return object;
}

/* Where the gateway serves the ports: "<job>-<port>" is in a host, "<job>:<port>" in a path. */
static json_t *
view_port_urls(const struct job *job, const char *public_url)
{
	const char *mark = public_url != NULL ? strstr(public_url, "{job}") : NULL;
	const char *host = mark != NULL ? strstr(public_url, "://") : NULL;
	bool in_host = host != NULL && mark < host + 3 + strcspn(host + 3, "/");
	json_t *object = json_object();

	for (size_t i = 0; i < job->ports.count; i++) {
		char number[8], id[JOB_ID_MAX + sizeof(number) + 1];
		int len;

		snprintf(number, sizeof(number), "%u", (unsigned)job->ports.items[i].number);
		len = snprintf(id, sizeof(id), "%.*s%c%s", (int)job->id.len, job->id.at,
		    in_host ? '-' : ':', number);
		if (!in_host || len <= JOB_ID_MAX) /* a longer label is no host of ours */
			json_object_set_new(object, number,
			    view_job_url((struct slice){id, (size_t)len}, public_url));
	}
	return object;
}

/* NULL when memory is short. */
static json_t *
view_field(const struct record_field *field, const struct record *record, const char *public_url)
{
	const void *member = field_of_const(field, record);

	switch (field->form) {
	case AS_ID:
	case AS_TEXT:
	case AS_TIME:
	case AS_MAKER:
	case AS_URL:
		return text(*(const struct slice *)member);
	case AS_MOMENT:
	case AS_USED:
		return view_moment(*(const uint64_t *)member);
	case AS_COUNT:
		return json_integer((json_int_t)(*(const uint64_t *)member - 1));
	case AS_NUMBER:
		return json_integer((json_int_t) * (const uint64_t *)member);
	case AS_ROLE:
		return json_string(jg_role_name(*(const enum token_role *)member));
	case AS_SELECTOR:
		return view_selector(member);
	case AS_LABELS:
		return view_labels(member);
	case AS_RANGES:
		return view_ranges(member);
	case AS_PORTS:
		return view_ports(member);
	case AS_PORT_URLS:
		return view_port_urls(&record->job, public_url);
	case AS_HASH:
		return view_hash(member);
	case AS_JOB_URL:
		return view_job_url(*(const struct slice *)member, public_url);
	case AS_VALUE:
		break;
	}
	return NULL;
}

/* NULL when memory is short. */
static json_t *
view_fields(const struct record *record, unsigned uses, const char *public_url)
{
	const struct record_fields *fields = &record_fields[record->kind];
	json_t *view = json_object();
	bool ok = view != NULL;

	for (size_t i = 0; i < fields->count && ok; i++) {
		const struct record_field *field = &fields->rows[i];
		/* Other programs may leave out fields that a record does not need. */
		bool none = field_is_none(field, record);

		if ((field->uses & uses) == 0 || (none && !field->is_nullable) ||
		    ((field->form == AS_JOB_URL || field->form == AS_PORT_URLS) &&
			public_url == NULL) ||
		    ((field->form == AS_USED || field->form == AS_COUNT) &&
			(uses & USE_EXPORT) != 0))
			continue;
		ok = json_object_set_new(view, field->name,
			 none ? json_null() : view_field(field, record, public_url)) == 0;
	}
	if (ok)
		return view;
	json_decref(view);
	return NULL;
}

json_t *
view_record(const struct record *record, const char *public_url)
{
	return view_fields(record, USE_SHOW, public_url);
}

json_t *
view_export(const struct record *record)
{
	return view_fields(record, USE_SHOW | USE_EXPORT, NULL);
}

void
view_time(uint64_t unix_ms, char out[VIEW_TIME_MAX])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(out, VIEW_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
