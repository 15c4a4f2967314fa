/* SPDX-License-Identifier: MIT */
/* Runs inside a process that is broken: system calls and memory of its own only, no lock, no allocation.
 *
 * A handler that was there before goes first, as it may know how to go on (JVMs and Go use SIGSEGV for their work). If
 * it comes back and has put the default action in place, it has given up: that is a crash, and it is reported before
 * the process dies of it. */
#include "capture/handler.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/watch.h"

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
#define SIGNAL_COUNT (sizeof signals / sizeof *signals)

static struct sigaction earlier[SIGNAL_COUNT];
static struct capture_crash crash; /* too large for a stack that may be small */
static _Atomic pid_t reporter;     /* the thread that reports; 0: none does */
static char last_words[sizeof crash.message];

const char *ccol__handler_message(const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length > sizeof last_words - 1) length = sizeof last_words - 1;
    if (length) memcpy(last_words, text, length);
    last_words[length] = '\0';
    return length ? last_words : NULL;
}

static void report(int signal_number, const siginfo_t *info, const ucontext_t *context, bool chained)
{
    crash.signal = signal_number;
    crash.handler_frames = chained;
    crash.info = *info;
    crash.context = *context;
#if defined(__x86_64__)
    if (context->uc_mcontext.fpregs) memcpy(crash.float_state, context->uc_mcontext.fpregs, sizeof crash.float_state);
#endif
    prctl(PR_GET_NAME, (unsigned long)crash.thread_name, 0, 0, 0);
    memcpy(crash.message, last_words, sizeof crash.message);
    ccol__watch_hand_over(&crash);
}

/* Back at the instruction the fault happens again, now with the default action and the kernel's own siginfo; other
 * signals are sent once more and come when this one is unblocked. */
static void die_of(int signal_number, const siginfo_t *info)
{
    struct sigaction normal = {.sa_handler = SIG_DFL};
    bool is_fault =
        signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGFPE || signal_number == SIGILL;
    sigaction(signal_number, &normal, NULL);
    if (!is_fault || info->si_code <= 0) syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid), signal_number);
}

static bool is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Calls the handler that was there before. true: it has given up. */
static bool give_to_earlier(const struct sigaction *action, int signal_number, siginfo_t *info, void *context)
{
    struct sigaction now;
    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(signal_number, info, context);
    } else {
        action->sa_handler(signal_number);
    }
    return sigaction(signal_number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

/* Another thread reports already: the process is about to end, and with it this thread. */
static void wait_for_the_end(void)
{
    for (int waited = 0; waited < CAPTURE_WAIT_MS; waited += 100)
        poll(NULL, 0, 100);
}

static void on_signal(int signal_number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    size_t index = 0;
    while (index < SIGNAL_COUNT - 1 && signals[index] != signal_number)
        index++;
    bool chained = is_function(&earlier[index]);
    if (chained && !give_to_earlier(&earlier[index], signal_number, info, context)) {
        errno = saved_errno;
        return;
    }
    pid_t self = (pid_t)syscall(SYS_gettid), nobody = 0;
    if (atomic_compare_exchange_strong(&reporter, &nobody, self)) {
        report(signal_number, info, context, chained);
    } else if (nobody != self) {
        wait_for_the_end();
    } /* else the handler itself is what crashed */
    die_of(signal_number, info);
    errno = saved_errno;
}

static void forget_reporter(void)
{
    atomic_store(&reporter, 0);
}

int ccol__handler_install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (sigaction(signals[i], NULL, &earlier[i])) return -errno;
        /* who ignores a signal wants to live with it: a fault kills all the same */
        if (earlier[i].sa_handler == SIG_IGN && !(earlier[i].sa_flags & SA_SIGINFO)) continue;
        if (sigaction(signals[i], &action, NULL)) return -errno;
    }
    return -pthread_atfork(NULL, NULL, forget_reporter);
}
