/* SPDX-License-Identifier: MIT */
/* capture_victim HOW [install]: a program that goes wrong. With "install" it tells of itself (capture.h). */
#include <crashcollect/capture.h>

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int *volatile nowhere = (int *)16;
static volatile int sink;
static sigjmp_buf back;

static __attribute__((noinline)) void crash(void)
{
    *nowhere = 1;
}

static __attribute__((noinline)) int overflow(int depth)
{
    volatile char room[256];
    room[0] = (char)depth;
    if (depth < 0) return sink;
    sink = overflow(depth + 1) + room[0]; /* not a tail call */
    return sink;
}

static void *crash_in_thread(void *how)
{
    prctl(PR_SET_NAME, "worker");
    if (strcmp(how, "overflow") == 0) sink = overflow(0);
    crash();
    return NULL;
}

static void in_thread(const char *how)
{
    pthread_t thread;
    pthread_create(&thread, NULL, crash_in_thread, (void *)how);
    pthread_join(thread, NULL);
}

static void give_up(int signal_number)
{
    static const char text[] = "own handler\n";
    signal(signal_number, SIG_DFL);
    sink = (int)write(2, text, sizeof text - 1);
}

static void jump_back(int signal_number)
{
    siglongjmp(back, signal_number);
}

static void recover(void)
{
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0) crash();
    puts("recovered");
}

static void in_child(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        ccol_capture_annotate("Role", "child");
        crash();
    }
    waitpid(child, &status, 0);
    printf("child %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
}

static void many_notes(void)
{
    char text[64];
    for (int i = 0; i < 20000; i++) {
        int length = snprintf(text, sizeof text, "line %d", i);
        ccol_capture_log(CCOL_LOG_INFO, text, (size_t)length);
    }
    ccol_capture_log(CCOL_LOG_ERROR, "last words", 10);
    ccol_capture_breadcrumb(CCOL_LOG_WARNING, "db", "lost the connection");
    ccol_capture_annotate("Request", "GET /");
    ccol_capture_annotate("Gone", "x");
    ccol_capture_annotate("Gone", NULL);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static void fail(const char *how)
{
    if (strcmp(how, "segv") == 0) crash();
    if (strcmp(how, "abort") == 0) {
        ccol_capture_message("why it aborts");
        abort();
    }
    if (strcmp(how, "trap") == 0) __builtin_trap();
    if (strcmp(how, "raise") == 0) raise(SIGFPE);
    if (strcmp(how, "overflow") == 0) sink = overflow(0);
    if (strcmp(how, "thread") == 0) in_thread("segv");
    if (strcmp(how, "thread-overflow") == 0) in_thread("overflow");
    if (strcmp(how, "fork") == 0) in_child();
    if (strcmp(how, "notes") == 0) {
        many_notes();
        puts("ready");
        fflush(stdout);
        pause();
    }
}

static void fail_later(const char *how, char **argv)
{
    if (strcmp(how, "exec") == 0) execl("/proc/self/exe", argv[0], "segv", argv[2], NULL);
    if (strcmp(how, "blocked") == 0) {
        block_all();
        crash();
    }
    if (strcmp(how, "replaced") == 0) {
        signal(SIGSEGV, give_up);
        crash();
    }
    if (strcmp(how, "recover-later") == 0) {
        signal(SIGSEGV, jump_back);
        recover();
    }
    if (strcmp(how, "closed") == 0) {
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        crash();
    }
    if (strcmp(how, "unflushed") == 0) {
        printf("kept back\n");
        crash();
    }
}

int main(int argc, char **argv)
{
    ccol_error err = {0};
    if (argc < 2) return 2;
    if (strcmp(argv[1], "chained") == 0) signal(SIGSEGV, give_up);
    if (strcmp(argv[1], "recover") == 0) signal(SIGSEGV, jump_back);
    if (strcmp(argv[1], "ignored") == 0) signal(SIGSEGV, SIG_IGN);
    if (argc > 2 && strcmp(argv[2], "install") == 0) {
        if (ccol_capture_install(&err)) fprintf(stderr, "%s\n", err.text);
        ccol_capture_annotate("Role", "parent");
    }
    if (strcmp(argv[1], "chained") == 0 || strcmp(argv[1], "ignored") == 0) crash();
    if (strcmp(argv[1], "recover") == 0) recover();
    if (strcmp(argv[1], "watched") == 0) puts(ccol_capture_is_watched() ? "yes" : "no");
    fail(argv[1]);
    fail_later(argv[1], argv);
    return 0;
}
