/* check_catch.h - tests of what a CHECK must not let pass. */
#ifndef JOBGATE_TESTS_CHECK_CATCH_H
#define JOBGATE_TESTS_CHECK_CATCH_H

#include <setjmp.h>
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

#endif
