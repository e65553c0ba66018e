/* bulk.h - `jobgate store`: looking after all that a store holds, straight at the store. */
#ifndef JOBGATE_BULK_H
#define JOBGATE_BULK_H

#include <stdbool.h>

#include "jobgate/resolver.h"

/* Where the store is. All text outlives the command. */
struct bulk_store {
	const char *url;     /* redis://, rediss://, unix: */
	const char *prefix;  /* of keys, "jobgate:" */
	const char *ca_file; /* for rediss://; NULL: the system's */
	const char *dir;     /* where the files of a private store lie; NULL: it is elsewhere */
};

/*
 * Run `jobgate store verify|export|import`; argv is "store", "verify", ... load gives
 * the store of a configuration (file NULL: the one without a file), or returns false
 * after telling why. resolver_open makes what resolves names in its URL. A URL given by --store is
 * wiped from argv. Returns the exit status: 0 done, 1 something is wrong with what was read, 2
 * wrong usage, 3 store out of reach.
 */
int bulk_main(int argc, char **argv,
    bool (*load)(void *ctx, const char *file, struct bulk_store *out), void *ctx,
    resolver_open_fn *resolver_open);

#endif
