/* control_answers.h - the control process answers what an exchange has asked it. */
#ifndef JOBGATE_CONTROL_ANSWERS_H
#define JOBGATE_CONTROL_ANSWERS_H

#include "exchange_world.h"

/* The head and the end of an answer without content. Nothing was said to the client before. */
static void
world_control_answers(struct world *asking, unsigned status)
{
	struct response response = {.status = status};
	struct upstream_user *user = &asking->exchange->upstream_user;

	user->ops->head(user, &response);
	assert_int_equal(asking->client.answers, 0);
	user->ops->content_end(user, NULL);
}

#endif
