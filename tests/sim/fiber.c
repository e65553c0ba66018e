/*
 * fiber.c - a stack for each fiber. ucontext makes the stack; after that, setjmp and longjmp
 * switch, because swapcontext makes a system call each time.
 */
#include "fiber.h"

#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(save, bottom, size) \
	((void)(save), (void)(bottom), (void)(size))
#define __sanitizer_finish_switch_fiber(save, bottom, size) \
	((void)(save), (void)(bottom), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define STACK_BYTES ((size_t)1024 * 1024)

/* The scheduler's own stack, and the fiber that runs on behalf of it. */
static struct {
	struct fiber *current;
	jmp_buf here;
	ucontext_t context;
	const void *bottom;
	size_t size;
} home;

static void
leave(bool for_good)
{
	struct fiber *self = home.current;

	__sanitizer_start_switch_fiber(for_good ? NULL : &self->fake_stack, home.bottom, home.size);
	_longjmp(home.here, 1);
}

static void
begin(void)
{
	struct fiber *self = home.current;

	__sanitizer_finish_switch_fiber(NULL, &home.bottom, &home.size);
	self->run(self->ctx);
	self->ended = true;
	leave(true);
}

void
fiber_init(struct fiber *fiber, void (*run)(void *ctx), void *ctx)
{
	*fiber = (struct fiber){.run = run, .ctx = ctx};
	fiber->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fiber->stack == MAP_FAILED)
		abort();
	getcontext(&fiber->born);
	fiber->born.uc_stack.ss_sp = fiber->stack;
	fiber->born.uc_stack.ss_size = STACK_BYTES;
	fiber->born.uc_link = NULL;
	makecontext(&fiber->born, begin, 0);
}

void
fiber_resume(struct fiber *fiber)
{
	void *own_fake_stack = NULL;

	home.current = fiber;
	__sanitizer_start_switch_fiber(&own_fake_stack, fiber->stack, STACK_BYTES);
	if (_setjmp(home.here) == 0) {
		if (fiber->begun)
			_longjmp(fiber->here, 1);
		fiber->begun = true;
		setcontext(&fiber->born);
	}
	__sanitizer_finish_switch_fiber(own_fake_stack, NULL, NULL);
	home.current = NULL;
}

void
fiber_yield(void)
{
	struct fiber *self = home.current;

	if (_setjmp(self->here) == 0)
		leave(false);
	__sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

void
fiber_free(struct fiber *fiber)
{
	if (fiber->stack == NULL)
		return;
	ASAN_UNPOISON_MEMORY_REGION(fiber->stack, STACK_BYTES);
	munmap(fiber->stack, STACK_BYTES);
	fiber->stack = NULL;
}
