/* SPDX-License-Identifier: ISC */
#include "event/fiber_stack.h"
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

#if defined(__x86_64__) || defined(__aarch64__)
#define WITH_ASSEMBLY 1
void fiber_switch(void **save_sp, void *load_sp);
#else
#include <ucontext.h>
#endif

/* A guard of several pages: no frame of ours (-Wframe-larger-than) steps over it. */
enum { PAGE = 4096, GUARD = 4 * PAGE };

/* The loop's own stack. */
static struct {
    void *sp;
    void *fake_stack;
    const void *bottom;
    size_t size;
#ifndef WITH_ASSEMBLY
    ucontext_t context;
#endif
} base;

bool fiber_stack_map(struct fiber_stack *s)
{
    char *p = mmap(NULL, FIBER_STACK + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    if (mprotect(p, GUARD, PROT_NONE) < 0) {
        (void)munmap(p, FIBER_STACK + GUARD);
        return false;
    }
    /* A huge page under a stack would be 2 MiB for a few KiB of use. */
    (void)madvise(p + GUARD, FIBER_STACK, MADV_NOHUGEPAGE);
    *s = (struct fiber_stack){ .low = p + GUARD };
    return true;
}

/* The leak checker looks at the stacks in use, which are few at exit. */
void fiber_stack_in_use(struct fiber_stack *s, bool yes)
{
#ifdef WITH_ASAN
    if (yes)
        __lsan_register_root_region(s->low, FIBER_STACK);
    else
        __lsan_unregister_root_region(s->low, FIBER_STACK);
    s->used |= yes;
#else
    (void)s, (void)yes;
#endif
}

#ifdef WITH_ASSEMBLY
void fiber_stack_prepare(struct fiber_stack *s, void (*entry)(void))
{
    uintptr_t *top = (uintptr_t *)(void *)(s->low + FIBER_STACK);
#ifdef WITH_ASAN
    if (s->used)                /* what the last fiber's frames left marked */
        __asan_unpoison_memory_region(s->low, FIBER_STACK);
#endif
#if defined(__x86_64__)
    /* Six registers, the return address, and one word where entry() finds "its caller". */
    uintptr_t *sp = top - 8;
    memset(sp, 0, 8 * sizeof *sp);
    sp[6] = (uintptr_t)entry;
#else
    uintptr_t *sp = top - 20;
    memset(sp, 0, 20 * sizeof *sp);
    sp[11] = (uintptr_t)entry;
#endif
    s->sp = sp;
}
static void go(struct fiber_stack *s) { fiber_switch(&base.sp, s->sp); }
static void back(struct fiber_stack *s) { fiber_switch(&s->sp, base.sp); }
#else
void fiber_stack_prepare(struct fiber_stack *s, void (*entry)(void))
{
    /* The context lives in the lowest part of the stack: plain machines are few. */
    ucontext_t *u = (ucontext_t *)(void *)s->low;
    (void)getcontext(u);
    u->uc_stack.ss_sp = s->low + sizeof *u;
    u->uc_stack.ss_size = FIBER_STACK - sizeof *u;
    u->uc_link = NULL;
    makecontext(u, entry, 0);
    s->sp = NULL;
}
static void go(struct fiber_stack *s) { (void)swapcontext(&base.context, (ucontext_t *)(void *)s->low); }
static void back(struct fiber_stack *s) { (void)swapcontext((ucontext_t *)(void *)s->low, &base.context); }
#endif

void fiber_stack_enter(struct fiber_stack *s)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&base.fake_stack, s->low, FIBER_STACK);
#endif
    go(s);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(base.fake_stack, NULL, NULL);
#endif
}

void fiber_stack_entered(void)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &base.bottom, &base.size);
#endif
}

void fiber_stack_leave(struct fiber_stack *s, bool forever)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(forever ? NULL : &s->fake_stack, base.bottom, base.size);
#else
    (void)forever;
#endif
    back(s);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(s->fake_stack, &base.bottom, &base.size);
#endif
}

void fiber_stack_trim(struct fiber_stack *s, bool all)
{
#ifdef WITH_ASSEMBLY
    uintptr_t low = (uintptr_t)s->low, top = low + FIBER_STACK;
    /* The signal red zone of x86-64 is 128 bytes below the stack pointer; a page is plenty. */
    uintptr_t until = all ? top : ((uintptr_t)s->sp & ~(uintptr_t)(PAGE - 1));
    if (until > low)
        (void)madvise(s->low, until - low, MADV_DONTNEED);
#else
    (void)s, (void)all;
#endif
}

bool fiber_stack_is_guard(const struct fiber_stack *s, const void *at)
{
    uintptr_t a = (uintptr_t)at, low = (uintptr_t)s->low;
    return a < low && a >= low - GUARD;
}
