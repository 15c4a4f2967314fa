/* SPDX-License-Identifier: MIT */
/* captured DATA_DIR: a program that crashes, its in-app handler and its keeper, all in one process, for machines that
 * can emulate an aarch64 program but not trace it. What the keeper hands over lies in DATA_DIR, as after any death. */
#include <crashcollect/capture.h>

#include "base/clock.h"
#include "keeper/keeper_private.h"
#include "kernel.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3

static volatile int *volatile nowhere = (int *)16;
static volatile int deep;
static atomic_int ready;

__attribute__((noinline)) static void leaf_crash(void)
{
    *nowhere = 1;
    deep++;
}

__attribute__((noinline)) static void middle(void)
{
    leaf_crash();
    deep++;
}

static inline __attribute__((always_inline)) void inlined(void)
{
    deep++;
    middle();
    deep++;
}

__attribute__((noinline)) static void outer(void)
{
    inlined();
    deep++;
}

__attribute__((noinline)) static void wait_for_ever(void)
{
    for (;;)
        poll(NULL, 0, 1000);
}

static void *work(void *number)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%d", (int)(intptr_t)number);
    prctl(PR_SET_NAME, name);
    kernel_know_thread();
    atomic_fetch_add(&ready, 1);
    wait_for_ever();
    return NULL;
}

static void *keep(void *user)
{
    struct keeper *keeper = user;
    for (;;) {
        struct pollfd wanted = {.fd = keeper->capture_fd, .events = POLLIN};
        if (poll(&wanted, 1, -1) > 0) ccol__capture_receive(keeper);
    }
    return NULL;
}

/* What crashcollect-run does before it executes a program. */
static void start_keeper(struct keeper *keeper)
{
    struct stat status;
    char value[64];
    pthread_t thread;
    keeper->state->app_pid = keeper->app = getpid();
    keeper->state->mode = keeper->mode = CAPTURE_PRELOAD;
    keeper->state->phase = HANDOVER_RUNNING;
    if (ccol__capture_open(keeper) != 0 || fstat(keeper->capture_child_fd, &status) != 0) exit(2);
    snprintf(value, sizeof value, "%d:%llu:hn", keeper->capture_child_fd, (unsigned long long)status.st_ino);
    setenv(CAPTURE_VARIABLE, value, 1);
    struct traced_process *process = ccol__tracees_add_process(&keeper->tracees, keeper->app, NULL);
    process->is_main = true;
    ccol__facts_read(process->facts, keeper->app, keeper->scratch);
    if (pthread_create(&thread, NULL, keep, keeper) != 0) exit(2);
}

static void crash(struct keeper *keeper)
{
    start_keeper(keeper);
    prctl(PR_SET_NAME, "captured"); /* else the emulator's */
    kernel_know_thread();
    for (intptr_t i = 1; i <= WORKERS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)i) != 0) exit(2);
    }
    while (atomic_load(&ready) < WORKERS)
        poll(NULL, 0, 1);
    if (ccol_capture_install(NULL) != 0) exit(2);
    ccol_capture_annotate("Processor", "aarch64");
    printf("%s", "words that stay in the buffer");
    outer();
}

int main(int argc, char **argv)
{
    struct keeper_options options = {
        .data_dir = argc > 1 ? argv[1] : "", .argv = argv, .mode = CAPTURE_PRELOAD, .freeze_ms = 5000};
    struct keeper *keeper;
    ccol_error err = {0};
    int status;
    if (ccol__keeper_new(&keeper, &options, &err) != 0) {
        fprintf(stderr, "captured: %s\n", err.text);
        return 2;
    }
    pid_t child = fork();
    if (child == 0) crash(keeper);
    if (child < 0 || waitpid(child, &status, 0) != child) return 2;
    keeper->state->wait_status = status;
    keeper->state->ended_at_us = ccol__clock_now_us();
    atomic_store(&keeper->state->phase, HANDOVER_ENDED);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
