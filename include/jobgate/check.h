/* check.h - conditions that hold unless this program has a bug; they stay in release builds. */
#ifndef JOBGATE_CHECK_H
#define JOBGATE_CHECK_H

#include "jobgate/dump.h"

/*
 * CHECK(condition) or CHECK(condition, xxx_dump, object): when the condition is false, a line of
 * the log shows file, line, function, condition and the object's dump, and the process ends with
 * CHECK_EXIT_STATUS; the supervisor counts it (jobgate_check_failures_total) and starts another
 * process. It is better to lose one worker's connections than to continue with broken state.
 *
 * A CHECK never tests what a peer, the store, the configuration or the system said, because a CHECK
 * that fails for such input would let others end every worker. Bad input is an error, which the
 * code handles. The supervisor itself has no CHECK: no process would take its place.
 *
 * A CHECK that holds costs a comparison and a branch that is never taken. A condition must not have
 * side effects.
 *
 * Built with -DJOBGATE_CHECK_COUNTS=ON, a failed CHECK is only counted and logged, and the program
 * continues. Each new CHECK must pass one full run of the tests in such a build before it may end a
 * process.
 */
#define CHECK(...)                                                                          \
	CHECK_CHOOSE_(__VA_ARGS__, CHECK_OBJECT_, CHECK_WRONG_, CHECK_ALONE_, CHECK_WRONG_) \
	(__VA_ARGS__)

/* sysexits.h calls it EX_SOFTWARE. */
#define CHECK_EXIT_STATUS 70

/*
 * Write failed CHECKs of this process to *log, which is copied; the default is standard error.
 * Lines go directly to its descriptor, because the log's thread may not run any more. Call it once
 * in each process, before the process has threads.
 */
void jg_check_log(const struct log *log);

/*
 * For tests: call `caught` with the message instead of ending the process. It must not return
 * (longjmp). NULL: the process ends again.
 */
void jg_check_catch(void (*caught)(const char *message));

/* ---- for the macro alone ---- */

#define CHECK_CHOOSE_(condition, dump, object, chosen, ...) chosen
#define CHECK_ALONE_(condition) CHECK_(condition, (void)0)
#define CHECK_OBJECT_(condition, dump, object) CHECK_(condition, dump(object, check_dump_))
#define CHECK_(condition, write_dump)                                                 \
	do {                                                                          \
		if (__builtin_expect(!(condition), 0)) {                              \
			struct dump *check_dump_ =                                    \
			    jg_check_begin(__FILE__, __LINE__, __func__, #condition); \
			(void)check_dump_;                                            \
			write_dump;                                                   \
			jg_check_end();                                               \
		}                                                                     \
	} while (0)

#ifdef JOBGATE_CHECK_COUNTS
#define CHECK_NORETURN_
#else
#define CHECK_NORETURN_ , noreturn
#endif

struct dump *jg_check_begin(const char *file, int line, const char *function, const char *condition)
    __attribute__((cold));
void jg_check_end(void) __attribute__((cold CHECK_NORETURN_));

#endif
