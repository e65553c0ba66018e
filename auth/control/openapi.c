/* openapi.c - the description of the API, which openapi.json holds. */
#include "auth/control/openapi.h"

#include "auth/control/handlers.h"

void
openapi_get(struct call *call)
{
	call_answer_text(
	    call, 200, "application/json", strndup(openapi_document, openapi_document_len));
}
