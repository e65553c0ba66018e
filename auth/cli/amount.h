/* amount.h - durations and numbers of bytes as short texts for people. */
#ifndef JOBGATE_CLI_AMOUNT_H
#define JOBGATE_CLI_AMOUNT_H

#include <stdint.h>

#define AMOUNT_MAX 32 /* bytes of each text, with its NUL */

/* "0.3s", "59s", "12m05s", "3h04m", "12d03h". */
void amount_duration(double seconds, char out[AMOUNT_MAX]);

/* "0", "999", "1.2K", "12K", "3.4M": powers of 1024. */
void amount_bytes(double bytes, char out[AMOUNT_MAX]);

#endif
