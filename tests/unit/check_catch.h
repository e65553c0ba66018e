/* check_catch.h - tests of what a CHECK must not let pass. */
#ifndef JOBGATE_TESTS_CHECK_CATCH_H
#define JOBGATE_TESTS_CHECK_CATCH_H

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include "jobgate/check.h"

static jmp_buf check_back;
static char check_message[1024];

static void
check_caught(const char *message)
{
	strncpy(check_message, message, sizeof(check_message) - 1);
	longjmp(check_back, 1);
}

/* The statement must fail a CHECK whose message contains the words. */
#define assert_check_fails(statement, words)                                                   \
	do {                                                                                   \
		jg_check_catch(check_caught);                                                  \
		check_message[0] = '\0';                                                       \
		if (setjmp(check_back) == 0) {                                                 \
			statement;                                                             \
		}                                                                              \
		jg_check_catch(NULL);                                                          \
		if (strstr(check_message, words) == NULL)                                      \
			fail_msg("no failed CHECK says \"%s\": \"%s\"", words, check_message); \
	} while (0)

/* Whether {from, to} is one of these steps. */
static inline bool
is_step(const unsigned (*steps)[2], size_t count, unsigned from, unsigned to)
{
	for (size_t i = 0; i < count; i++)
		if (steps[i][0] == from && steps[i][1] == to)
			return true;
	return false;
}

/*
 * From each state up to `last` to each other: set_state, an expression of `to`, must assign `state`
 * if {from, to} is one of the steps, and must fail a CHECK if it is not. Both are volatile because
 * a failed CHECK comes back by longjmp.
 */
#define TRY_STATES(steps, last, state, set_state)                                                 \
	for (volatile unsigned from = 0; from <= (last); from++)                                  \
		for (volatile unsigned to = 0; to <= (last); to++) {                              \
			(state) = from;                                                           \
			if (is_step(steps, sizeof(steps) / sizeof((steps)[0]), from, to))         \
				set_state;                                                        \
			else                                                                      \
				assert_check_fails(set_state, "state_allows");                    \
			assert_int_equal(state,                                                   \
			    is_step(steps, sizeof(steps) / sizeof((steps)[0]), from, to) ? to     \
											 : from); \
		}

#endif
