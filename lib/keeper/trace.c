/* SPDX-License-Identifier: MIT */
/* What the kernel says about traced threads, and what is to be done about it. */
#include "keeper/keeper_private.h"

#include "base/auto.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EVENT_OF(status)  ((status) >> 16)
#define UNKNOWN_MOST_MS   50
#define BURST_GAP_US      200 /* stops that follow one another faster than this are a burst */
#define BURST_PATIENCE_US 50
#define BURST_TURN_US     1000

int ccol__trace_seize(const struct keeper *keeper, pid_t pid)
{
    long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
    if (keeper->options.kill_stacks != KILL_STACKS_OFF) options |= PTRACE_O_TRACEEXIT;
    return ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) == 0 ? 0 : -errno;
}

static void without_exit_stop(pid_t tid)
{
    long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
    ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)options);
}

static bool is_crash(const struct keeper *keeper, int signal_number)
{
    return signal_number > 0 && (keeper->options.signals >> (signal_number - 1) & 1);
}

/* A thread begins to run: of a known process, and stopped for the first time. */
static void let_begin(struct keeper *keeper, struct traced_thread *thread)
{
    size_t count = thread->process->thread_count;
    if (count > keeper->threads_ready) {
        keeper->threads_ready = 2 * count; /* seldom, and not only when the memory may be lacking */
        ccol__build_make_ready(&keeper->build, keeper->threads_ready);
    }
    if (keeper->options.kill_stacks == KILL_STACKS_MAIN && thread->tid != thread->process->pid)
        without_exit_stop(thread->tid);
    ccol__tracee_continue(thread->tid, 0);
}

/* A stop of somebody whose creation was not told yet: the two events come in any order. */
static void hold_unknown(struct keeper *keeper, pid_t tid, int status)
{
    struct traced_thread *thread = ccol__tracees_add_thread(&keeper->tracees, tid, NULL);
    if (!thread) {
        ccol__tracee_continue(tid, 0);
        return;
    }
    thread->status = status;
    thread->held = true;
    thread->held_since_ms = ccol__clock_monotonic_ms();
    if (thread->held_since_ms + UNKNOWN_MOST_MS < keeper->refresh_at_ms)
        keeper->refresh_at_ms = thread->held_since_ms + UNKNOWN_MOST_MS;
}

static struct traced_process *new_process(struct keeper *keeper, pid_t pid, const struct traced_process *parent)
{
    struct traced_process *process = ccol__tracees_add_process(&keeper->tracees, pid, parent);
    if (!process) {
        ccol__keeper_trouble(keeper, "more than %zu processes: some go unwatched", keeper->options.processes_most);
        return NULL;
    }
    process->seized = true;
    ccol__refresh_schedule(keeper, process, ccol__clock_monotonic_ms());
    return process;
}

static void give(struct keeper *keeper, struct traced_thread *thread, struct traced_process *process)
{
    if (!process) {
        ptrace(PTRACE_DETACH, thread->tid, NULL, NULL);
        ccol__tracees_remove_thread(&keeper->tracees, thread);
        return;
    }
    ccol__tracees_give_thread(&keeper->tracees, thread, process);
    thread->held = false;
    let_begin(keeper, thread);
}

static void created(struct keeper *keeper, struct traced_thread *creator, int event)
{
    unsigned long message = 0;
    struct traced_process *process = creator->process;
    ptrace(PTRACE_GETEVENTMSG, creator->tid, NULL, &message);
    pid_t tid = (pid_t)message;
    bool is_thread = event == PTRACE_EVENT_CLONE && syscall(SYS_tgkill, process->pid, tid, 0) == 0;
    struct traced_process *owner = is_thread ? process : new_process(keeper, tid, process);
    struct traced_thread *thread = ccol__tracees_thread(&keeper->tracees, tid);
    if (thread)
        give(keeper, thread, owner);
    else if (owner)
        ccol__tracees_add_thread(&keeper->tracees, tid, owner);
    ccol__tracee_continue(creator->tid, 0);
}

/* Those whose creator died before it could tell. */
static void resolve_unknown(struct keeper *keeper, uint64_t now_ms)
{
    for (struct traced_thread *thread = keeper->tracees.orphans, *next; thread; thread = next) {
        uint64_t group = 0, parent = 0;
        char *text = keeper->scratch->text;
        next = thread->next;
        if (thread->held_since_ms + UNKNOWN_MOST_MS > now_ms) {
            if (thread->held_since_ms + UNKNOWN_MOST_MS < keeper->refresh_at_ms)
                keeper->refresh_at_ms = thread->held_since_ms + UNKNOWN_MOST_MS;
            continue;
        }
        if (ccol__proc_read_of(thread->tid, "status", text, 16384, NULL) > 0) {
            ccol__proc_field(text, "Tgid", 10, &group);
            ccol__proc_field(text, "PPid", 10, &parent);
        }
        struct traced_process *process = ccol__tracees_process(&keeper->tracees, (pid_t)group);
        if (!process && (pid_t)group == thread->tid)
            process = new_process(keeper, thread->tid, ccol__tracees_process(&keeper->tracees, (pid_t)parent));
        give(keeper, thread, process);
    }
}

/* It begins once its facts are there. */
static void executed(struct keeper *keeper, struct traced_thread *thread)
{
    ccol__tracees_executed(&keeper->tracees, thread);
    /* what the fork costs is paid before the app's first instruction: one that fills its cgroup at once would stop the
     * keeper in the middle of it, and be gone before its stacks are read */
    if (keeper->shipper.starts == 0) ccol__shipper_process_start(keeper, ccol__clock_monotonic_ms());
    ccol__refresh_at_exec(keeper, thread);
}

/* A whole process is gone. What no stop has told is told now, with what is known of it. */
static void gone(struct keeper *keeper, struct traced_process *process, int status)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    bool asked = process->is_main && number && keeper->kill_asked == number;
    bool exits = keeper->options.exits_are_crashes && process->is_main && WIFEXITED(status) && WEXITSTATUS(status);
    if (!process->dying && !asked && (is_crash(keeper, number) || exits)) {
        struct death death = {
            .process = process, .event = SNAPSHOT_WAITED, .signal_number = number, .wait_status = status};
        ccol__keeper_take(keeper, &death);
    }
    if (process->is_main) {
        keeper->app_ended = true;
        keeper->app_status = status;
    }
    ccol__tracees_remove_process(&keeper->tracees, process);
}

/* A thread that ends; `message` is what wait will say of it. By a signal that gave no stop before, it takes all others
 * of its process along, and all of them are still there to be seen. */
static void exiting(struct keeper *keeper, struct traced_thread *thread)
{
    unsigned long message = 0;
    struct traced_process *process = thread->process;
    ptrace(PTRACE_GETEVENTMSG, thread->tid, NULL, &message);
    process->waiting = 0;
    int status = (int)message, number = WTERMSIG(status);
    bool asked = process->is_main && keeper->kill_asked == number && number;
    bool exits = keeper->options.exits_are_crashes && process->is_main && !number && WEXITSTATUS(status);
    if (process->dying || asked || (!is_crash(keeper, number) && !exits)) {
        if (number) process->dying = true;
        ccol__tracee_continue(thread->tid, 0);
        return;
    }
    struct death death = {.process = process,
                          .event = exits ? SNAPSHOT_EXITED : SNAPSHOT_KILLED,
                          .flags = number == SIGSYS ? SNAPSHOT_SECCOMP_KILL : 0,
                          .signal_number = number,
                          .wait_status = status};
    thread->held = true;
    ccol__keeper_take(keeper, &death);
    if (process->has_ended) gone(keeper, process, process->end_status);
}

/* Is the keeper's process group the one that the terminal listens to? */
static bool is_in_foreground(void)
{
    auto_close int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

static void stopped_by_group(const struct traced_thread *thread, int number)
{
    ptrace(PTRACE_LISTEN, thread->tid, NULL, NULL);
    bool by_terminal = number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
    bool is_main = thread->process->is_main && thread->tid == thread->process->pid;
    /* the shell that waits for the keeper is to see its job stop */
    if (by_terminal && is_main && getpid() != 1 && is_in_foreground()) kill(getpid(), SIGSTOP);
}

static bool is_synchronous(int number, const siginfo_t *info)
{
    bool kind = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP ||
                number == SIGSYS;
    return kind && info->si_code > 0;
}

static void remember_fault(struct keeper *keeper, pid_t tid, const siginfo_t *info)
{
    struct snapshot_fault *fault = &keeper->faults[keeper->fault_next++ % FAULTS_KEPT];
    uint64_t pc, sp;
    for (unsigned i = 0; i < FAULTS_KEPT; i++) {
        if (keeper->faults[i].tid == tid) keeper->faults[i].tid = 0;
    }
    *fault = (struct snapshot_fault){.tid = tid, .signal = info->si_signo, .at_us = ccol__clock_now_us()};
    memcpy(fault->siginfo, info, sizeof fault->siginfo);
    ccol__tracee_registers(tid, fault->registers, &pc, &sp);
}

/* A signal is about to be delivered. It ends the process if neither a handler nor SIG_IGN stands in its way; where the
 * kernel forces a blocked or ignored one, it has made the default action of it by now. */
static void signalled(struct keeper *keeper, struct traced_thread *thread, int number)
{
    struct traced_process *process = thread->process;
    struct death death = {.process = process,
                          .event = SNAPSHOT_FATAL_SIGNAL,
                          .flags = SNAPSHOT_SIGINFO,
                          .signal_number = number,
                          .wait_status = number,
                          .tid = thread->tid};
    bool asked = process->is_main && keeper->kill_asked == number;
    if (process->dying || asked || !is_crash(keeper, number) ||
        ptrace(PTRACE_GETSIGINFO, thread->tid, NULL, &death.info) != 0 ||
        ccol__proc_read_of(thread->tid, "status", keeper->scratch->text, 16384, NULL) <= 0) {
        ccol__tracee_continue(thread->tid, number);
        return;
    }
    const char *text = keeper->scratch->text;
    bool caught = ccol__proc_catches(text, number);
    if (caught && is_synchronous(number, &death.info)) remember_fault(keeper, thread->tid, &death.info);
    if (caught || ccol__proc_ignores(text, number)) {
        ccol__tracee_continue(thread->tid, number);
        return;
    }
    thread->held = true;
    ccol__keeper_take(keeper, &death);
}

static void stopped(struct keeper *keeper, struct traced_thread *thread, int status)
{
    int number = WSTOPSIG(status);
    switch (EVENT_OF(status)) {
    case 0:
        signalled(keeper, thread, number);
        break;
    case PTRACE_EVENT_CLONE:
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
        created(keeper, thread, EVENT_OF(status));
        break;
    case PTRACE_EVENT_EXEC:
        executed(keeper, thread);
        break;
    case PTRACE_EVENT_EXIT:
        exiting(keeper, thread);
        break;
    case PTRACE_EVENT_STOP:
        if (number == SIGTRAP)
            let_begin(keeper, thread);
        else
            stopped_by_group(thread, number);
        break;
    default:
        ccol__tracee_continue(thread->tid, 0);
    }
}

void ccol__trace_event(struct keeper *keeper, pid_t tid, int status)
{
    if (tid == keeper->shipper.pid) {
        ccol__shipper_process_ended(keeper, status, ccol__clock_monotonic_ms());
        return;
    }
    if (tid == keeper->courier.pid) {
        ccol__courier_ended(keeper, status);
        return;
    }
    struct traced_thread *thread = ccol__tracees_thread(&keeper->tracees, tid);
    if (WIFSTOPPED(status)) {
        if (thread && thread->process)
            stopped(keeper, thread, status);
        else if (!thread)
            hold_unknown(keeper, tid, status);
        return;
    }
    if (thread) ccol__tracees_remove_thread(&keeper->tracees, thread);
    struct traced_process *process = ccol__tracees_process(&keeper->tracees, tid);
    if (process) gone(keeper, process, status);
}

/* A thread that stops again and again (signals, new threads) waits for the keeper each time, and to wake up takes a
 * sleeping keeper longer than to answer. In a burst it stays awake for the next stop, and lets others run meanwhile;
 * from time to time it goes back to the app's output. */
void ccol__trace_reap(struct keeper *keeper)
{
    uint64_t started_us = ccol__clock_monotonic_us(), now_us = started_us;
    while (now_us - started_us < BURST_TURN_US) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
        now_us = ccol__clock_monotonic_us();
        if (tid > 0) {
            keeper->in_burst = now_us - keeper->last_stop_us < BURST_GAP_US;
            keeper->last_stop_us = now_us;
            ccol__trace_event(keeper, tid, status);
        } else {
            if (tid < 0 || !keeper->in_burst || now_us - keeper->last_stop_us >= BURST_PATIENCE_US) return;
            sched_yield();
        }
    }
    keeper->reap_again = true;
}

uint64_t ccol__trace_refresh(struct keeper *keeper, uint64_t now_ms)
{
    if (now_ms < keeper->refresh_at_ms) return keeper->refresh_at_ms;
    keeper->refresh_at_ms = UINT64_MAX;
    resolve_unknown(keeper, now_ms);
    ccol__refresh_due(keeper, now_ms);
    return keeper->refresh_at_ms;
}
