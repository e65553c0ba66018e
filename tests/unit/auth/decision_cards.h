/* decision_cards.h - decides from records, and compares that with what cards in their place say. */
#ifndef JOBGATE_TEST_DECISION_CARDS_H
#define JOBGATE_TEST_DECISION_CARDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobgate/decision.h"

/* The same evidence as a directory gives it, with as little of the records as it may. */
static inline struct evidence
with_cards(const struct evidence *evidence)
{
	struct evidence carded = *evidence;
	const struct token *token = evidence->token;
	const struct job *job = evidence->job;

	if (token != NULL && !jg_token_is_timed(token) && token->from.count == 0) {
		carded.card = (struct token_card){token->id.at, token->hash, &token->selector};
		if (evidence->credential == CREDENTIAL_BEARER && !evidence->names_control)
			carded.token = NULL;
	}
	if (job != NULL && job->url.scheme != JOB_URL_NONE) {
		carded.labels = &job->labels;
		carded.job = NULL;
	}
	return carded;
}

static inline enum verdict
decide_twice(const struct evidence *evidence)
{
	struct evidence carded = with_cards(evidence);
	enum verdict verdict = jg_decide(evidence);

	assert_int_equal(jg_evidence_proves(&carded), jg_evidence_proves(evidence));
	assert_int_equal(jg_decide(&carded), verdict);
	assert_int_equal(jg_decide_proved(&carded, false), jg_decide_proved(evidence, false));
	return verdict;
}

#endif
