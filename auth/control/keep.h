/* keep.h - a token's record that outlives the call that brought it. */
#ifndef JOBGATE_CONTROL_KEEP_H
#define JOBGATE_CONTROL_KEEP_H

#include "jobgate/token.h"

/* A token in one allocation, freed with free(); its slices point into the same. */
struct kept_token {
	struct token token;
	struct label labels[SELECTOR_LABELS_MAX];
	char text[]; /* all of its texts, one behind another */
};

/* NULL when memory is short. */
struct kept_token *token_keep(const struct token *token);

#endif
