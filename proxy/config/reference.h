/* reference.h - the reference configuration, deploy/jobgate.yaml, written from the table of keys.
 */
#ifndef JOBGATE_CONFIG_REFERENCE_H
#define JOBGATE_CONFIG_REFERENCE_H

#include <stdio.h>

/* Every key with its help, at its default; a key without a default as a comment with an example. */
void reference_write(FILE *out);

/* The same without any comment: a document that assigns every default. */
void reference_write_defaults(FILE *out);

#endif
