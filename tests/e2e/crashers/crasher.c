/* SPDX-License-Identifier: MIT */
/* Dies as its first argument says, with other threads around. Built with -fno-builtin and little optimisation, so that
 * each function has its frame. */
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS       6
#define UNFLUSHED     "these sixty-seven bytes stay in the buffer of stdio and are recovered"
#define LINES         500
#define OVERFLOW_STEP 256

static volatile uintptr_t nowhere = 0x10;
static volatile int deep;
static pthread_barrier_t started;
static const char *how;

__attribute__((noinline)) void leaf_crash(void)
{
    *(volatile int *)nowhere = 1;
    deep++;
}

__attribute__((noinline)) void middle(void)
{
    leaf_crash();
    deep++;
}

__attribute__((noinline)) void outer(void)
{
    middle();
    deep++;
}

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char room[OVERFLOW_STEP];
    room[depth % OVERFLOW_STEP] = (char)depth;
    return overflow(depth + 1) + room[0];
}

__attribute__((noinline)) static void jump_to_null(void)
{
    void (*volatile target)(void) = NULL;
    target();
    deep++;
}

__attribute__((noinline)) static void smash(const char *text)
{
    char small[16];
    memcpy(small, text, 64);
    deep += small[0];
}

__attribute__((noinline)) static void allocate(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (;;) {
        char *memory = malloc(1 << 20);
        if (memory) memset(memory, 1, 1 << 20);
    }
}

__attribute__((noinline)) static void free_twice(void)
{
    char *volatile memory = malloc(2000);
    free(memory);
    free(memory);
}

/* Writes past its end, over the size of what is free behind it. */
__attribute__((noinline)) static void corrupt_heap(void)
{
    char *volatile memory = malloc(24);
    for (size_t i = 0; i < 40; i++)
        memory[i] = (char)0xff;
    memory = malloc(5000);
    deep += memory != NULL;
}

static void die(void)
{
    static const char many[128] = "0123456789";
    if (strcmp(how, "segv") == 0) outer();
    if (strcmp(how, "overflow") == 0) overflow(0);
    if (strcmp(how, "abort") == 0) {
        fputs("last words before abort\n", stderr);
        abort();
    }
    if (strcmp(how, "assert") == 0) assert(deep == 4711);
    if (strcmp(how, "free-twice") == 0) free_twice();
    if (strcmp(how, "corrupt") == 0) corrupt_heap();
    if (strcmp(how, "smash") == 0) smash(many);
    if (strcmp(how, "jump") == 0) jump_to_null();
    if (strcmp(how, "noncanonical") == 0) {
        nowhere = UINT64_C(0x8000000000000000);
        outer();
    }
    if (strcmp(how, "oom") == 0) allocate();
    if (strcmp(how, "unflushed") == 0) {
        fputs(UNFLUSHED, stdout);
        outer();
    }
    if (strcmp(how, "lines") == 0) {
        for (int i = 0; i < LINES; i++)
            dprintf(STDERR_FILENO, "line %d of %d password=hunter%d\n", i, LINES, i);
        kill(getpid(), SIGKILL);
    }
}

static void *work(void *user)
{
    char name[16];
    int number = (int)(intptr_t)user;
    snprintf(name, sizeof name, "worker-%d", number);
    pthread_setname_np(pthread_self(), name);
    pthread_barrier_wait(&started);
    if (number == 3) die();
    for (;;)
        pause();
}

/* crasher HOW [main|THREADS]: who crashes is worker-3 of six, the main thread, or worker-3 of so many. */
int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_attr_t small;
    int threads = argc > 2 && strcmp(argv[2], "main") != 0 ? (int)strtol(argv[2], NULL, 10) : THREADS;
    how = argc > 1 ? argv[1] : "segv";
    if (argc > 2 && strcmp(argv[2], "main") == 0) {
        die();
        return 1;
    }
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 << 10);
    pthread_barrier_init(&started, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&thread, threads > 100 ? &small : NULL, work, (void *)(intptr_t)i) != 0) return 2;
    }
    pthread_barrier_wait(&started);
    for (;;)
        pause();
}
