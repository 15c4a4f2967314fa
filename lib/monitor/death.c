/* SPDX-License-Identifier: MIT */
#include "monitor/death.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define NAMED(number, code)                                                                                            \
    {                                                                                                                  \
        number, code, #code                                                                                            \
    }
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* glibc has no name for it yet */
#endif
#define SIGSYS_CALL 24 /* si_syscall in the kernel's siginfo_t of 64-bit machines */
#define SENDER_PID  16
#define SENDER_UID  20

struct code_name {
    int number, code;
    const char *name;
};

static const char *const signal_names[] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT", [SIGILL] = "SIGILL",
    [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",     [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",
    [SIGKILL] = "SIGKILL", [SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM", [SIGSTKFLT] = "SIGSTKFLT",
    [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT",     [SIGSTOP] = "SIGSTOP", [SIGTSTP] = "SIGTSTP",
    [SIGTTIN] = "SIGTTIN", [SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",
    [SIGXFSZ] = "SIGXFSZ", [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF", [SIGWINCH] = "SIGWINCH",
    [SIGIO] = "SIGIO",     [SIGPWR] = "SIGPWR",       [SIGSYS] = "SIGSYS"};

static const struct code_name code_names[] = {NAMED(SIGSEGV, SEGV_MAPERR),
                                              NAMED(SIGSEGV, SEGV_ACCERR),
                                              NAMED(SIGSEGV, SEGV_BNDERR),
                                              NAMED(SIGSEGV, SEGV_PKUERR),
                                              NAMED(SIGBUS, BUS_ADRALN),
                                              NAMED(SIGBUS, BUS_ADRERR),
                                              NAMED(SIGBUS, BUS_OBJERR),
                                              NAMED(SIGBUS, BUS_MCEERR_AR),
                                              NAMED(SIGBUS, BUS_MCEERR_AO),
                                              NAMED(SIGFPE, FPE_INTDIV),
                                              NAMED(SIGFPE, FPE_INTOVF),
                                              NAMED(SIGFPE, FPE_FLTDIV),
                                              NAMED(SIGFPE, FPE_FLTOVF),
                                              NAMED(SIGFPE, FPE_FLTUND),
                                              NAMED(SIGFPE, FPE_FLTRES),
                                              NAMED(SIGFPE, FPE_FLTINV),
                                              NAMED(SIGFPE, FPE_FLTSUB),
                                              NAMED(SIGILL, ILL_ILLOPC),
                                              NAMED(SIGILL, ILL_ILLOPN),
                                              NAMED(SIGILL, ILL_ILLADR),
                                              NAMED(SIGILL, ILL_ILLTRP),
                                              NAMED(SIGILL, ILL_PRVOPC),
                                              NAMED(SIGILL, ILL_PRVREG),
                                              NAMED(SIGILL, ILL_COPROC),
                                              NAMED(SIGILL, ILL_BADSTK),
                                              NAMED(SIGTRAP, TRAP_BRKPT),
                                              NAMED(SIGTRAP, TRAP_TRACE),
                                              NAMED(SIGSYS, SYS_SECCOMP),
                                              NAMED(0, SI_USER),
                                              NAMED(0, SI_KERNEL),
                                              NAMED(0, SI_QUEUE),
                                              NAMED(0, SI_TIMER),
                                              NAMED(0, SI_TKILL)};

const char *ccol__signal_name(char out[SIGNAL_NAME_SIZE], int number)
{
    const char *name =
        number > 0 && (size_t)number < sizeof signal_names / sizeof signal_names[0] ? signal_names[number] : NULL;
    if (name)
        snprintf(out, SIGNAL_NAME_SIZE, "%s", name);
    else if (number >= SIGRTMIN && number <= SIGRTMAX)
        snprintf(out, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", (number - SIGRTMIN) & 0x3f);
    else
        snprintf(out, SIGNAL_NAME_SIZE, "SIG%u", (unsigned)number & 0xffffu);
    return out;
}

const char *ccol__signal_code_name(int number, int code)
{
    for (size_t i = 0; i < sizeof code_names / sizeof code_names[0]; i++) {
        if (code_names[i].code == code && (code_names[i].number == number || code_names[i].number == 0))
            return code_names[i].name;
    }
    return "";
}

static void append(char *out, size_t size, const char *format, ...) CCOL_PRINTF(3, 4);

static void append(char *out, size_t size, const char *format, ...)
{
    va_list args;
    size_t length = strlen(out);
    va_start(args, format);
    vsnprintf(out + length, size - length, format, args);
    va_end(args);
}

static int siginfo_int(const struct victim *victim, size_t at)
{
    int value;
    memcpy(&value, victim->reason.siginfo + at, sizeof value);
    return value;
}

/* abort() and raise() send the signal to their own process, which goes without saying. */
static bool sent_to_itself(const struct victim *victim)
{
    return (victim->code == SI_TKILL || victim->code == SI_USER) &&
           siginfo_int(victim, SENDER_PID) == victim->process.pid;
}

static void describe_code(struct death_words *out, const struct victim *victim)
{
    int number = victim->reason.signal;
    if (sent_to_itself(victim)) return;
    const char *name = ccol__signal_code_name(number, victim->code);
    if (*name)
        append(out->detail, sizeof out->detail, "%s", name);
    else
        append(out->detail, sizeof out->detail, "code %d", victim->code);
    if (victim->has_address) append(out->detail, sizeof out->detail, " at 0x%" PRIx64, victim->address);
    if (number == SIGSEGV && victim->code == SI_KERNEL)
        append(out->detail, sizeof out->detail, ", the processor did not tell the address");
    if (number == SIGSYS && victim->code == SYS_SECCOMP)
        append(out->detail, sizeof out->detail, ", system call %d", siginfo_int(victim, SIGSYS_CALL));
    if ((victim->code == SI_USER || victim->code == SI_QUEUE) && siginfo_int(victim, SENDER_PID) > 0)
        append(out->detail, sizeof out->detail, ", sent by process %d of user %u", siginfo_int(victim, SENDER_PID),
               (unsigned)siginfo_int(victim, SENDER_UID));
}

static void describe_signal(struct death_words *out, const struct victim *victim, const struct oom_verdict *oom)
{
    const struct victim_thread *crashed = ccol__victim_crashed(victim);
    int number = victim->reason.signal;
    if (number == SIGKILL && oom && oom->evidence != OOM_NO_EVIDENCE) {
        snprintf(out->word, sizeof out->word, "OOM");
        snprintf(out->detail, sizeof out->detail, "killed for want of memory: %.200s", oom->text);
        return;
    }
    ccol__signal_name(out->word, number);
    if (number == SIGKILL) {
        snprintf(out->detail, sizeof out->detail, "%s",
                 victim->reason.flags & SNAPSHOT_KILL_ASKED ? "asked for through crashcollect-run" : "sender unknown");
        return;
    }
    if (victim->has_code) describe_code(out, victim);
    if (victim->reason.flags & SNAPSHOT_SECCOMP_KILL)
        append(out->detail, sizeof out->detail, "%sa seccomp filter killed it", out->detail[0] ? ", " : "");
    if (crashed && crashed->seen.flags & SNAPSHOT_STACK_OVERFLOW)
        append(out->detail, sizeof out->detail, "%sstack overflow", out->detail[0] ? ", " : "");
}

void ccol__death_describe(struct death_words *out, const struct victim *victim, const struct oom_verdict *oom)
{
    *out = (struct death_words){.message = ""};
    if (victim->reason.signal) {
        describe_signal(out, victim, oom);
        return;
    }
    snprintf(out->word, sizeof out->word, "exit");
    if (WIFEXITED(victim->reason.wait_status))
        snprintf(out->detail, sizeof out->detail, "status %d", WEXITSTATUS(victim->reason.wait_status));
}
