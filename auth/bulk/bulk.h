/* bulk.h - `jobgate store`: checks, exports and imports all records of a store, without a gateway.
 */
#ifndef JOBGATE_BULK_H
#define JOBGATE_BULK_H

#include <stdbool.h>

#include "jobgate/resolver.h"

/* Where the store is. All text outlives the command. */
struct bulk_store {
	const char *url;	   /* redis://, rediss://, unix: */
	const char *prefix;	   /* of keys, "jobgate:" */
	const char *ca_file;	   /* for rediss://; NULL: the system's */
	const char *password_file; /* in place of the URL's password; NULL: none */
	const char *dir;	   /* the directory of a private store; NULL for another store */
	const char *const *taken; /* ids that no job may have, as their hosts are the gateway's own;
				     NULL at the end */
};

/*
 * Run `jobgate store verify|export|import|mint`; argv is "store", "verify", ... load finds the
 * store of a configuration file (NULL: of the default configuration), or returns false after
 * printing why. resolver_open makes the resolver for names in the store's URL. A URL given by
 * --store is wiped from argv. Returns the exit status: 0 done, 1 something is wrong with what was
 * read, 2 wrong usage, 3 store out of reach.
 */
int bulk_main(int argc, char **argv,
    bool (*load)(void *ctx, const char *file, struct bulk_store *out), void *ctx,
    resolver_open_fn *resolver_open);

#endif
