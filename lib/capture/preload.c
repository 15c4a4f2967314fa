/* SPDX-License-Identifier: MIT */
/* What LD_PRELOAD puts into a program that knows nothing of us: the handler goes in before the program's own code runs,
 * each thread gets an alternate stack, and stdout is line-buffered if that was asked for. */
#include <crashcollect/capture.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/handler.h"
#include "capture/watch.h"

typedef int (*create_fn)(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

static bool gives_stacks; /* set before the program has threads */

struct start {
    void *(*run)(void *);
    void *argument;
};

static void *run_with_stack(void *pointer)
{
    struct start start = *(struct start *)pointer;
    free(pointer);
    ccol__altstack_ensure(); /* without one, its stack overflow alone goes unreported */
    return start.run(start.argument);
}

CCOL_API int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    static create_fn next;
    create_fn create = __atomic_load_n(&next, __ATOMIC_ACQUIRE);
    if (!create) {
        void *symbol = dlsym(RTLD_NEXT, "pthread_create");
        if (!symbol) return EAGAIN;
        memcpy(&create, &symbol, sizeof create);
        __atomic_store_n(&next, create, __ATOMIC_RELEASE);
    }
    struct start *start = gives_stacks ? malloc(sizeof *start) : NULL;
    if (!start) return create(thread, attributes, run, argument);
    *start = (struct start){run, argument};
    int code = create(thread, attributes, run_with_stack, start);
    if (code) free(start);
    return code;
}

/* The flags stand behind the second colon; line buffering works without a keeper's socket. */
static bool wants_lines(void)
{
    const char *value = secure_getenv(CAPTURE_VARIABLE);
    const char *flags = value ? strrchr(value, ':') : NULL;
    return flags && strchr(flags, CAPTURE_FLAG_LINES);
}

static __attribute__((constructor)) void start(void)
{
    if (wants_lines()) setvbuf(stdout, NULL, _IOLBF, 0);
    if (!ccol__watch_start() || !ccol__watch_has(CAPTURE_FLAG_HANDLER)) return;
    gives_stacks = ccol_capture_install(NULL) == 0;
}
