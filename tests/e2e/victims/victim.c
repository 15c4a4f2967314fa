/* SPDX-License-Identifier: MIT */
/* A program that dies in the way that its first argument names. Built without sanitizers, as users' programs are. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __clang__ /* which makes no clones */
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
#define AFTER() __asm__ volatile("" ::: "memory") /* no tail call: the frame stays */

static pthread_barrier_t all_run;
static void (*volatile crash)(void);
static volatile uintptr_t bad_address = 0x10;

NOINLINE static void leaf_crash(void)
{
    *(volatile int *)bad_address = 1;
    AFTER();
}

NOINLINE static void middle(void)
{
    crash();
    AFTER();
}

NOINLINE static void outer(void)
{
    middle();
    AFTER();
}

static void jump_to_null(void)
{
    void (*volatile nowhere)(void) = NULL;
    nowhere();
    AFTER();
}

static void block_all_and_crash(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    leaf_crash();
}

static void ignore_and_crash(void)
{
    signal(SIGSEGV, SIG_IGN);
    leaf_crash();
}

static void refused_call(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    syscall(SYS_getppid);
}

NOINLINE static void eat_memory(void)
{
    for (;;) {
        char *piece = malloc(1 << 20);
        if (piece) memset(piece, 1, 1 << 20);
    }
}

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

/* Some 64 MiB in a second: whoever else takes memory meanwhile may be the one that finds none. */
NOINLINE static void eat_slowly(void)
{
    for (;;) {
        char *piece = malloc(1 << 16);
        if (piece) memset(piece, 1, 1 << 16);
        pause_ms(1);
    }
}

static void *talk(void *unused)
{
    char line[128];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (;;) { /* a megabyte in a second, on either */
        for (int i = 0; i < 8; i++) {
            if (write(STDOUT_FILENO, line, sizeof line) < 0 || write(STDERR_FILENO, line, sizeof line) < 0)
                return unused;
        }
        pause_ms(1);
    }
}

NOINLINE static void eat_and_talk(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, talk, NULL);
    eat_slowly();
    AFTER();
}

static void *worker(void *which)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%d", (int)(intptr_t)which);
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&all_run);
    if ((intptr_t)which == 3 && crash) outer();
    for (;;)
        pause();
    return NULL;
}

/* The main thread and count - 1 workers, of which the third crashes; all stand when it does. */
static void with_threads(int count, void (*how)(void))
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    crash = how;
    pthread_barrier_init(&all_run, NULL, (unsigned)count);
    for (int i = 1; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, worker, (void *)(intptr_t)i) != 0) _exit(90);
    }
    pthread_barrier_wait(&all_run);
    if (!how && write(STDERR_FILENO, "ready\n", 6) < 0) _exit(91);
    for (;;)
        pause();
}

static sigjmp_buf back;
static void recover(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static int recover_often(const char *unused)
{
    (void)unused;
    static volatile int times;
    signal(SIGSEGV, recover);
    sigsetjmp(back, 1);
    if (times++ < 3) leaf_crash();
    return 0;
}

static int crash_after_exec(const char *unused)
{
    (void)unused;
    execl("/proc/self/exe", "victim", "segv", NULL);
    return 98;
}

/* 0 if the child crashed as it should. */
static int in_child(int (*how)(const char *))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0 && how) _exit(how(""));
    if (pid == 0) with_threads(7, leaf_crash);
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 92;
}

static int crash_in_fork(const char *unused)
{
    (void)unused;
    return in_child(NULL);
}

static int crash_in_exec(const char *unused)
{
    (void)unused;
    return in_child(crash_after_exec);
}

static int write_lines(const char *count)
{
    for (long i = 0; i < strtol(count, NULL, 10); i++) {
        char line[160];
        int length = snprintf(line, sizeof line, "line %ld of many, as long as lines of logs are, more or less\n", i);
        if (write(STDERR_FILENO, line, (size_t)length) != length) return 93;
    }
    return 0;
}

static int flood(const char *megabytes)
{
    static char block[1 << 16];
    memset(block, 'f', sizeof block);
    for (size_t i = 0; i < sizeof block; i += 128)
        block[i + 127] = '\n';
    for (long left = strtol(megabytes, NULL, 10) * 16; left > 0; left--) {
        for (size_t at = 0; at < sizeof block;) {
            ssize_t wrote = write(STDERR_FILENO, block + at, sizeof block - at);
            if (wrote < 0) return 94;
            at += (size_t)wrote;
        }
    }
    return 0;
}

/* A grandchild whose parent is gone: process 1 gets it, and is to look at its children until it is no more. */
static int orphan(const char *unused)
{
    (void)unused;
    int ends[2];
    pid_t pid = 0;
    if (pipe(ends) != 0) return 95;
    if (fork() == 0) {
        if ((pid = fork()) == 0) _exit(0);
        _exit(write(ends[1], &pid, sizeof pid) != sizeof pid);
    }
    wait(NULL);
    if (read(ends[0], &pid, sizeof pid) != sizeof pid) return 95;
    for (int i = 0; i < 200 && kill(pid, 0) == 0; i++)
        usleep(10000);
    return kill(pid, 0) == 0 ? 95 : 0;
}

/* Deaths with so many threads, each by its function. */
static const struct {
    const char *name;
    int threads; /* 0: as many as the second argument says */
    void (*how)(void);
} deaths[] = {{"segv", 7, leaf_crash},          {"threads", 0, leaf_crash},
              {"jump", 7, jump_to_null},        {"blocked", 7, block_all_and_crash},
              {"ignored", 7, ignore_and_crash}, {"seccomp", 7, refused_call},
              {"oom", 4, eat_memory},           {"oom-slowly", 4, eat_slowly},
              {"oom-chatty", 4, eat_and_talk},  {"wait", 7, NULL}};

static int eat_alone(const char *unused)
{
    (void)unused;
    eat_memory();
    return 99;
}

/* Ends as a shell would whose child was killed. */
static int eat_in_fork(const char *unused)
{
    (void)unused;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) with_threads(4, eat_memory);
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 98;
}

static int print_ids(const char *unused)
{
    (void)unused;
    return printf("%d %d\n", (int)getuid(), (int)geteuid()) < 0;
}

static int exit_with(const char *status)
{
    return (int)strtol(status, NULL, 10);
}

static int write_lines_and_be_killed(const char *count)
{
    write_lines(count);
    return kill(getpid(), SIGKILL);
}

static int crash_with_words(const char *unused)
{
    (void)unused;
    printf("%s", "the last words of a program: sixty-seven bytes that it never wrote.");
    leaf_crash();
    return 97;
}

static const struct {
    const char *name;
    int (*run)(const char *argument);
} acts[] = {{"exit", exit_with},
            {"oom-alone", eat_alone},
            {"oom-fork", eat_in_fork},
            {"recover", recover_often},
            {"fork", crash_in_fork},
            {"exec", crash_in_exec},
            {"reexec", crash_after_exec},
            {"lines", write_lines},
            {"flood", flood},
            {"orphan", orphan},
            {"ids", print_ids},
            {"lines-kill", write_lines_and_be_killed},
            {"unflushed", crash_with_words}};

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "", *more = argc > 2 ? argv[2] : "0";
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        if (strcmp(how, deaths[i].name) != 0) continue;
        with_threads(deaths[i].threads ? deaths[i].threads : exit_with(more), deaths[i].how);
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (strcmp(how, acts[i].name) == 0) return acts[i].run(more);
    }
    return 96;
}
