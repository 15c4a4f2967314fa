/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/handler.h"

#define STACK_BYTES ((size_t)64 << 10)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its value is the mapping of the thread's stack */
static int key_error;

static size_t guard_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void free_stack(void *mapping)
{
    stack_t now, none = {.ss_flags = SS_DISABLE};
    char *stack = (char *)mapping + guard_bytes();
    /* Somebody else may have set another one since. */
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == stack) sigaltstack(&none, NULL);
    munmap(mapping, STACK_BYTES + guard_bytes());
}

static void make_key(void)
{
    key_error = pthread_key_create(&key, free_stack);
}

int ccol__altstack_ensure(void)
{
    stack_t now;
    pthread_once(&once, make_key);
    if (key_error) return -key_error;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE)) return 0;
    size_t guard = guard_bytes();
    char *mapping =
        mmap(NULL, STACK_BYTES + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) return -errno;
    stack_t mine = {.ss_sp = mapping + guard, .ss_size = STACK_BYTES};
    int code = 0;
    if (mprotect(mine.ss_sp, STACK_BYTES, PROT_READ | PROT_WRITE) || sigaltstack(&mine, NULL)) code = -errno;
    if (!code) code = -pthread_setspecific(key, mapping);
    if (code) free_stack(mapping);
    return code;
}
