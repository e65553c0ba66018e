/* observe.c - /healthz, /readyz and /metrics, by functions from the supervisor. */
#include <stdio.h>
#include <string.h>

#include "auth/control/handlers.h"

#define PLAIN "text/plain; charset=utf-8"

/* 200: this process answers. Says nothing about the rest of the gateway. */
void
observe_health(struct call *call)
{
	call_answer_text(call, 200, PLAIN, strdup("ok\n"));
}

void
observe_ready(struct call *call)
{
	const struct control *control = call->ctx;
	char why[256] = "", *text;

	if (control->setup->ready == NULL ||
	    control->setup->ready(control->setup->observe_ctx, why, sizeof(why)))
		call_answer_text(call, 200, PLAIN,
		    asprintf(&text, "ok\n%s%s", why, why[0] != '\0' ? "\n" : "") >= 0 ? text
										      : NULL);
	else
		call_refuse(call, 503, NULL, "%s", why);
}

void
observe_metrics(struct call *call)
{
	const struct control *control = call->ctx;

	if (call->scope.count > 0)
		call_refuse(call, 403, NULL,
		    "the metrics cover all jobs: they need a token without a label selector");
	else if (control->setup->metrics == NULL)
		call_refuse(call, 404, NULL, "there are no metrics here");
	else
		call_answer_text(call, 200,
		    call->takes_openmetrics ? OPENMETRICS_CONTENT_TYPE : PROMETHEUS_CONTENT_TYPE,
		    control->setup->metrics(control->setup->observe_ctx, call->takes_openmetrics));
}
