/* frame.h - which pages may show jobs in a frame (browser.embed). Pure functions.
 *
 * Two things keep others out: a request for a frame counts only if the page around it says that it
 * has one of these origins (Referer, which no page can invent), and browsers show the answer in no
 * other frame (frame-ancestors, CSP level 3).
 */
#ifndef JOBGATE_BROWSER_FRAME_H
#define JOBGATE_BROWSER_FRAME_H

#include "jobgate/message.h"
#include "jobgate/settings.h"

#define FRAME_ANCESTORS_MAX (BROWSER_EMBED_MAX + 32)

/* "frame-ancestors 'self'", and these origins; a NULL ends them. Returns the length. */
size_t frame_ancestors(const char *const *origins, char out[FRAME_ANCESTORS_MAX]);

/* True when the browser says (Fetch Metadata) that the answer will be shown in an iframe. */
bool frame_is_asked(const struct request *request);

/* True for such a request from a page of one of these origins. False without a Referer, or two. */
bool frame_is_from(const char *const *origins, const struct request *request);

#endif
