/*
 * each_failure.h - makes one run for each allocation and each call that may fail, and has it fail
 * there.
 */
#ifndef SIM_EACH_FAILURE_H
#define SIM_EACH_FAILURE_H

#include <stdint.h>

/*
 * A small run that has all kinds of exchanges is repeated. In each repetition one allocation of the
 * worker fails, or one of its system calls: the every-th of them, from the first-th on. Returns the
 * exit status.
 */
int each_failure(uint64_t seed, uint64_t first, uint64_t every);

#endif
