/* SPDX-License-Identifier: ISC
 *
 * fiber_stack.h - stacks of fibers and the switch between them.
 *
 * A stack is mapped with a guard page below it and kept for the next fiber.
 * Sanitizers are told of every switch, and the leak checker of every stack.
 */
#ifndef EVENT_FIBER_STACK_H
#define EVENT_FIBER_STACK_H
#include "base/def.h"

#ifdef POSTERN_SANITIZED
enum { FIBER_STACK = 512 * 1024 };
#else
enum { FIBER_STACK = 128 * 1024 };
#endif

struct fiber_stack {
    char *low;          /* above the guard page */
    void *sp;           /* while it is switched away; ucontext_t where there is no assembly */
    void *fake_stack;   /* of the address sanitizer */
    bool used;          /* by an earlier fiber; kept only for the sanitizer */
};

/* False: no memory or no room for mappings. */
bool fiber_stack_map(struct fiber_stack *s);
/* The next fiber_stack_enter() starts entry() on it, which must never return. */
void fiber_stack_prepare(struct fiber_stack *s, void (*entry)(void));
/* A fiber begins or ends on it. */
void fiber_stack_in_use(struct fiber_stack *s, bool yes);
/* From the loop's stack to s, until s leaves. */
void fiber_stack_enter(struct fiber_stack *s);
/* First thing on a new stack. */
void fiber_stack_entered(void);
/* Back to the loop's stack. forever: what is on this stack will not be used again. */
void fiber_stack_leave(struct fiber_stack *s, bool forever);
/* Give the memory below the stack pointer back (all: the whole stack). */
void fiber_stack_trim(struct fiber_stack *s, bool all);
/* Is this address in the guard page? */
bool fiber_stack_is_guard(const struct fiber_stack *s, const void *at);
#endif
