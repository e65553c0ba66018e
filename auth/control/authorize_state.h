/* authorize_state.h - a question of what the gateway would decide, and the reason of the answer. */
#ifndef JOBGATE_CONTROL_AUTHORIZE_STATE_H
#define JOBGATE_CONTROL_AUTHORIZE_STATE_H

#include "auth/control/input.h"
#include "jobgate/decision.h"

#define SELECTOR_TEXT_MAX (SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2))
#define REASON_MAX (SELECTOR_TEXT_MAX + TOKEN_FROM_TEXT_MAX + 256)

/* Why a port of a job is not served (exchange/lookup_port.c decides so). */
enum port_state {
	PORT_SERVED,	   /* it is, or its job is not known, or no port is asked for */
	PORT_ABSENT,	   /* its job's record does not name it */
	PORT_HOST_TAKEN,   /* there is a job whose id is the label of its host */
	PORT_OF_FIXED_JOB, /* the gateway serves one job, whatever a request names */
};

/*
 * A question under way: first the token is read, then the job. For a port, the job is read before
 * the job whose id is the label of the port's host, and again after it.
 */
struct question {
	json_t *body; /* what the slices below point into */
	struct authorize_input input;
	char *field; /* "Bearer <token>", as the gateway would see it */
	struct evidence evidence;
	struct bearer bearer;
	struct slice id; /* the token's id, in the bearer; empty: the value has another form */
	bool minted_elsewhere;	  /* it has the form of a token's value */
	enum port_state port;	  /* of the port that is asked for */
	struct record *token;	  /* NULL: not known */
	struct job effective;	  /* the job with the URL of its port, or of the configuration */
	struct record configured; /* all of the job, where the configuration has its labels, too */
	struct label labels[SELECTOR_LABELS_MAX];
};

/* Write why the gateway would decide so: one sentence for people, without a full stop. */
void authorize_reason(const struct question *question, enum verdict verdict, char out[REASON_MAX]);

#endif
