/* SPDX-License-Identifier: MIT */
/* Ways to die, for a Python process that loads this: what each kind of crash reporter sees of them is compared. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int *volatile nowhere = (int *)16;
static volatile int sink;

static __attribute__((noinline)) int overflow(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    if (depth < 0) return sink;
    sink = overflow(depth + 1) + room[0];
    return sink;
}

static void fault(void)
{
    *nowhere = 1;
}

static void *overflow_in_thread(void *unused)
{
    sink = overflow(0);
    return unused;
}

static void die_in_thread(void *(*run)(void *))
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, NULL);
    pthread_join(thread, NULL);
}

static void free_twice(void)
{
    void *volatile memory = malloc(5000);
    void *volatile fence = malloc(16);
    free(memory);
    free(memory);
    free(fence);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void forbidden_call(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    syscall(SYS_getppid);
}

static void in_child(void)
{
    pid_t child = fork();
    if (child == 0) fault();
    waitpid(child, NULL, 0);
}

/* Only returns from "fork". */
void die(const char *kind)
{
    if (strcmp(kind, "null store") == 0) fault();
    if (strcmp(kind, "abort") == 0) abort();
    if (strcmp(kind, "double free") == 0) free_twice();
    if (strcmp(kind, "jump to NULL") == 0) ((void (*volatile)(void))0)();
    if (strcmp(kind, "stack overflow") == 0) sink = overflow(0);
    if (strcmp(kind, "stack overflow in a thread") == 0) die_in_thread(overflow_in_thread);
    if (strcmp(kind, "signal blocked") == 0) {
        block_all();
        fault();
    }
    if (strcmp(kind, "signal ignored") == 0) {
        signal(SIGSEGV, SIG_IGN);
        fault();
    }
    if (strcmp(kind, "seccomp kill") == 0) forbidden_call();
    if (strcmp(kind, "kill -9") == 0) kill(getpid(), SIGKILL);
    if (strcmp(kind, "forked child") == 0) in_child();
}
