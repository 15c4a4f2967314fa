/* SPDX-License-Identifier: MIT */
/* Where a thread is: from a caller on, with the files that the addresses lie in. */
#include <pthread.h>
#include <string.h>

#include "base/call_stack.h"
#include "check.h"

static struct call_stack stack;

static void __attribute__((noinline)) innermost(void)
{
    ccol__call_stack_take(&stack, __builtin_return_address(0));
    __asm__ volatile(""); /* no tail call */
}

static void *__attribute__((noinline)) outer(void *user)
{
    innermost();
    __asm__ volatile("");
    return user;
}

static bool is_near(uintptr_t address, uintptr_t function)
{
    return address > function && address < function + 4096;
}

static void check_outer(void)
{
    REQUIRE(stack.frame_count >= 2);
    CHECK(is_near(stack.frames[0], (uintptr_t)outer));
    const struct call_module *module = ccol__call_stack_module(&stack, stack.frames[0]);
    REQUIRE(module != NULL);
    CHECK(strstr(module->path, "test_call_stack") != NULL);
    CHECK(module->start < (uintptr_t)outer && module->end > (uintptr_t)&stack);
}

static void begins_with_a_caller(void)
{
    outer(NULL);
    check_outer();
    CHECK(ccol__call_stack_module(&stack, 1) == NULL);
}

static void in_a_thread(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, outer, NULL) == 0 && pthread_join(thread, NULL) == 0);
    check_outer();
    CHECK(stack.module_count >= 2); /* libc's, or a sanitizer's, begins it */
}

static void no_such_caller(void)
{
    ccol__call_stack_take(&stack, (const void *)1);
    CHECK_INT(stack.frame_count, 0);
    CHECK_INT(stack.module_count, 0);
}

static __attribute__((noinline)) void deep(unsigned depth)
{
    if (depth)
        deep(depth - 1);
    else
        innermost();
    __asm__ volatile("");
}

static void a_deep_one_is_cut(void)
{
    deep(3 * CALL_STACK_FRAMES);
    CHECK_INT(stack.frame_count, CALL_STACK_FRAMES);
    CHECK(is_near(stack.frames[CALL_STACK_FRAMES - 1], (uintptr_t)deep));
}

int main(void)
{
    RUN(begins_with_a_caller);
    RUN(in_a_thread);
    RUN(no_such_caller);
    RUN(a_deep_one_is_cut);
    return check_done();
}
