/* console.h - the console: a page with which operators use the control API (operate.md). */
#ifndef JOBGATE_CONSOLE_H
#define JOBGATE_CONSOLE_H

#include "jobgate/slice.h"

/* Where it is, on each address that serves the control API. */
#define CONSOLE_PATH "/console"

struct console_page {
	struct slice gzip;   /* the page, in the format of RFC 1952, so that it takes little memory
				of a client that does not read it */
	struct slice policy; /* its Content-Security-Policy, with the hashes of its style and script
			      */
};

/*
 * The page, which is made at the first call. It holds no secret and is the same for everyone. It is
 * valid until the process ends. NULL when memory is short.
 */
const struct console_page *console_page(void);

#endif
