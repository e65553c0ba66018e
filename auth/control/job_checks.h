/* job_checks.h - what an operator may give a job, at its creation and in a patch. */
#ifndef JOBGATE_CONTROL_JOB_CHECKS_H
#define JOBGATE_CONTROL_JOB_CHECKS_H

#include "auth/control/handlers.h"
#include "auth/record.h"

/* True when a field is in a set of fields (FIELD_BIT), such as record_input.given. */
static inline bool
job_has(uint32_t fields, enum job_field field)
{
	return (fields & FIELD_BIT(field)) != 0;
}

/* Each returns false after it has answered with the refusal. */

/*
 * Refuse URLs, of the job and of its ports, outside control.scoped_urls to a caller with a scope. A
 * local caller could do everything by leaving the token out, so it is not refused.
 */
bool job_check_urls(struct call *call, const struct record_input *input);

/*
 * Only operators without a scope may let everyone in; all that may change the job may end that. As
 * for URLs, a local caller is not refused.
 */
bool job_check_access(struct call *call, const struct record_input *input);

/* Refuse a port whose host, with this id of the job, is the gateway's own. */
bool job_check_hosts(struct call *call, struct slice id, const struct record_input *input);

#endif
