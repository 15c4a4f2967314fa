/* SPDX-License-Identifier: MIT */
/* Loads whose cost under a keeper is to be known: watched LOAD COUNT prints nanoseconds per operation,
 * watched traced LOAD COUNT the same under a tracer that does nothing else. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

static void *nothing(void *user)
{
    return user;
}

static void signals(long count)
{
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGUSR1, &action, NULL);
    for (long i = 0; i < count; i++)
        raise(SIGUSR1);
}

static void threads(long count)
{
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) == 0) pthread_join(thread, NULL);
    }
}

static void calls(long count)
{
    for (long i = 0; i < count; i++)
        syscall(SYS_getppid);
}

static void cpu(long count)
{
    volatile unsigned long sum = 1;
    for (long i = 0; i < count; i++)
        sum = sum * 2862933555777941757u + 3037000493u;
}

static void lines(long count)
{
    char line[120];
    memset(line, 'l', sizeof line);
    line[sizeof line - 1] = '\n';
    for (long i = 0; i < count; i++) {
        if (write(STDERR_FILENO, line, sizeof line) < 0) _exit(1);
    }
}

/* The least that any tracer does, and it never sleeps: what the kernel and this machine take for it. */
static int traced(char **argv)
{
    char go;
    int status = 0, ends[2];
    if (pipe(ends) != 0) return 1;
    pid_t pid = fork(), got;
    if (pid == 0) {
        close(ends[1]);
        if (read(ends[0], &go, 1) == 0) execv(argv[0], argv);
        _exit(127);
    }
    close(ends[0]);
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) != 0) kill(pid, SIGKILL);
    close(ends[1]);
    while ((got = waitpid(pid, &status, __WALL | WNOHANG)) >= 0) {
        if (got == 0) continue;
        if (!WIFSTOPPED(status)) break;
        ptrace(PTRACE_CONT, pid, NULL, (void *)(status >> 16 ? 0L : (long)WSTOPSIG(status)));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(long count);
    } loads[] = {{"signals", signals}, {"threads", threads}, {"calls", calls}, {"cpu", cpu}, {"lines", lines}};
    struct timespec start, end;
    if (argc == 4 && strcmp(argv[1], "traced") == 0) {
        argv[1] = argv[0];
        return traced(argv + 1);
    }
    long count = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        if (argc < 3 || strcmp(argv[1], loads[i].name) != 0) continue;
        clock_gettime(CLOCK_MONOTONIC, &start);
        loads[i].run(count);
        clock_gettime(CLOCK_MONOTONIC, &end);
        double ns = (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
        return printf("%.1f\n", ns / (double)count) < 0;
    }
    return 2;
}
