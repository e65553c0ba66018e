/* view.c - tokens and jobs as JSON. */
#include "auth/control/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/replace.h"

static json_t *
text(struct slice slice)
{
	return json_stringn(slice.at != NULL ? slice.at : "", slice.len);
}

/* External writers may leave the times out. */
static json_t *
time_text(struct slice time)
{
	return time.len > 0 ? text(time) : json_null();
}

json_t *
view_token(const struct token *token)
{
	char selector[SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2)];

	jg_selector_format(&token->selector, selector, sizeof(selector));
	return json_pack("{s:o, s:o, s:s, s:s, s:I, s:o, s:o}", "id", text(token->id), "name",
	    text(token->name), "role", jg_role_name(token->role), "label_selector", selector,
	    "version", (json_int_t)token->version, "created_at", time_text(token->created_at),
	    "updated_at", time_text(token->updated_at));
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

json_t *
view_job(const struct job *job, const char *public_url)
{
	char *url = jg_replace(public_url, "{job}", job->id);
	json_t *view = json_pack("{s:o, s:o, s:o, s:s*, s:o, s:o, s:o}", "id", text(job->id), "url",
	    job->url_text.len > 0 ? text(job->url_text) : json_null(), "labels",
	    view_labels(&job->labels), "job_url", url, "lease",
	    job->lease > 0 ? json_integer(job->lease) : json_null(), "created_at",
	    time_text(job->created_at), "updated_at", time_text(job->updated_at));

	free(url);
	return view;
}

json_t *
view_record(const struct record *record, const char *public_url)
{
	switch (record->kind) {
	case RECORD_TOKEN:
		return view_token(&record->token);
	case RECORD_JOB:
		return view_job(&record->job, public_url);
	case RECORD_KINDS:
		break;
	}
	return NULL;
}

void
view_time(uint64_t unix_ms, char out[VIEW_TIME_MAX])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(out, VIEW_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
