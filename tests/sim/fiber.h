/* fiber.h - runs real code that can be stopped in the middle of a call and continued later. */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct fiber {
	void (*run)(void *ctx);
	void *ctx;
	bool begun, ended;
	char *stack;
	jmp_buf here;	  /* where it goes on */
	ucontext_t born;  /* where it begins */
	void *fake_stack; /* AddressSanitizer's */
};

/* run(ctx) begins with the first fiber_resume. */
void fiber_init(struct fiber *fiber, void (*run)(void *ctx), void *ctx);

/* Let it go on until it yields or ends. Not from within a fiber. */
void fiber_resume(struct fiber *fiber);

/* Within a fiber: let what resumed it go on. */
void fiber_yield(void);

/* Free its stack. What is on it is dropped as it is, when the fiber has not ended. */
void fiber_free(struct fiber *fiber);

#endif
