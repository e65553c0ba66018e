/* job_checks.c - what an operator may give a job, at its creation and in a patch. */
#include "auth/control/job_checks.h"

#include <stdio.h>

#include "auth/control/scope.h"

static bool
check_url(struct call *call, const char *field, struct slice url)
{
	const struct control *control = call->ctx;
	const struct control_setup *setup = control->setup;

	if (call->scope.count == 0 || call->local ||
	    scope_may_lead_to(
		url, setup->settings.scoped_urls.items, setup->settings.scoped_urls.count))
		return true;
	call_refuse(call, 403, field,
	    "with a token that is limited to labels, a job's URL may only lead to addresses in "
	    "control.scoped_urls");
	return false;
}

bool
job_check_urls(struct call *call, const struct record_input *input)
{
	if (job_has(input->given, JOB_FIELD_URL) &&
	    !check_url(call, "url", input->record.job.url_text))
		return false;
	for (size_t i = 0; i < input->port_count; i++) {
		char field[16];

		snprintf(field, sizeof(field), "ports.%u", (unsigned)input->ports[i].number);
		if (!check_url(call, field, input->ports[i].url_text))
			return false;
	}
	return true;
}

bool
job_check_access(struct call *call, const struct record_input *input)
{
	if (!job_has(input->given, JOB_FIELD_ACCESS) || call->scope.count == 0 || call->local)
		return true;
	call_refuse(call, 403, "access",
	    "with a token that is limited to labels, a job cannot be made public");
	return false;
}

bool
job_check_hosts(struct call *call, struct slice id, const struct record_input *input)
{
	char room[JOB_PORT_LABEL_MAX], field[16];

	for (size_t i = 0; i < input->port_count; i++) {
		uint16_t number = input->ports[i].number;

		if (!handler_job_is_taken(call->ctx, jg_job_port_label(id, number, room)))
			continue;
		snprintf(field, sizeof(field), "ports.%u", (unsigned)number);
		call_refuse(call, 409, field,
		    "the host of this port would be the gateway's own (control.host or "
		    "browser.host): give the port another number");
		return false;
	}
	return true;
}
