/* console.c - the console, a page for operators. It needs no token: what it shows does. */
#include "jobgate/console.h"

#include "exchange/handlers.h"

static bool
is_console(const struct exchange_peer *peer, const struct request *request)
{
	(void)peer;
	return slice_equal(request->path, SLICE(CONSOLE_PATH)) && !request->path_resolved &&
	       (request->method_id == METHOD_GET || request->method_id == METHOD_HEAD);
}

/* The page has only one form, compressed: every browser reads it. */
static enum local_action
show(const struct local_call *call, struct local_answer *answer)
{
	const struct console_page *page = console_page();

	(void)call;
	if (page == NULL)
		return LOCAL_UNAVAILABLE;
	answer->outcome = OUTCOME_ANSWERED;
	answer->status = 200;
	answer->title = SLICE("Console");
	answer->page = page->gzip;
	answer->policy = page->policy;
	local_answer_add(answer, SLICE("Content-Encoding"), SLICE("gzip"));
	local_answer_add(answer, SLICE("Cross-Origin-Resource-Policy"), SLICE("same-origin"));
	return LOCAL_ANSWER;
}

const struct local_handler console_handler = {.handles = is_console, .begin = show};
