/* noted_reply.h - what a call of the control API was answered with. */
#ifndef JOBGATE_NOTED_REPLY_H
#define JOBGATE_NOTED_REPLY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/call.h"
#include "auth/control/reply.h"

static char sent[400];
static unsigned answered; /* the status */

static void
note(struct call *call, const struct reply *reply)
{
	(void)call;
	assert_true(reply->len < sizeof(sent));
	memcpy(sent, reply->content, reply->len);
	sent[reply->len] = '\0';
	answered = reply->status;
	free(reply->content);
}

#endif
