/* SPDX-License-Identifier: MIT */
/* The snapshot of a death. First registers and stacks, with no allocation and no file opened: a process that is killed
 * for lack of memory is let go right after that, for whoever opens a file in its cgroup waits until it is gone. */
#include "keeper/keeper_private.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define KIB           ((size_t)1024)
#define CRASHED_STACK (64 * KIB)
#define STACK         (16 * KIB)
#define CROWDED_STACK (4 * KIB)
#define CROWD         20
#define STACK_LEAST   256
#define SET_ASIDE     (1024 * KIB) /* for maps, modules, notes and texts */
#define MAPS_MOST     (256 * KIB)
#define TEXT_MOST     (16 * KIB)
#define GUARD_SEARCH  (1024 * KIB)
#define PAGE          4096u
#define FP_THREADS    200
#define CODE_BYTES    256
#define GONE_MOST_US  5000000
#define LAST_MOST_US  20000
#define KILLED_PATIENCE                                                                                                \
    10 /* times freeze_ms: what is killed waits for nothing any more, and has one chance to be seen */

struct taking {
    struct keeper *keeper;
    const struct death *death;
    struct traced_process *process;
    struct snapshot_build *build;
    struct snapshot_thread *threads; /* in the snapshot */
    size_t count, most;              /* filled, and reserved */
    size_t wanted, missing, stack_bytes;
    pid_t tid; /* the crashed thread, 0 unknown */
    uint64_t started_us, held_us;
    size_t maps_length; /* of their text in the scratch; 0: not read */
    bool let_go;        /* at once: it holds memory that others wait for */
};

static bool overlap(uint64_t *start, uint64_t *end, uint64_t other_start, uint64_t other_end)
{
    if (*start < other_start) *start = other_start;
    if (*end > other_end) *end = other_end;
    return *start < *end;
}

/* Nobody's arguments or environment leave in a stack. */
static size_t without_environment(const struct process_facts *facts, uint64_t address, char *bytes, size_t length)
{
    const struct proc_stat *stat = &facts->stat;
    const uint64_t ranges[][2] = {{stat->arg_start, stat->arg_end}, {stat->env_start, stat->env_end}};
    if (!facts->has_stat) return length;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        uint64_t start = address, end = address + length;
        if (overlap(&start, &end, ranges[i][0], ranges[i][1]))
            memset(bytes + (start - address), 0, (size_t)(end - start));
    }
    if (address < stat->stack_start && stat->stack_start < address + length)
        return (size_t)(stat->stack_start - address);
    return length;
}

static void keep_memory(const struct taking *taking, uint32_t id, uint64_t address, char *bytes, size_t length)
{
    length = without_environment(taking->process->facts, address, bytes, length);
    ccol__build_keep(taking->build, SNAPSHOT_MEMORY, id, address, length, 0);
}

/* Copies up to `most` bytes from sp on; where sp lies in a guard, from the first page above that can be read. */
static void copy_stack(const struct taking *taking, pid_t tid, uint64_t sp, size_t most)
{
    size_t room = ccol__build_room(taking->build), got = 0;
    if (most > room) most = room & ~(size_t)7;
    char *into = ccol__build_reserve(taking->build, most);
    uint64_t address = (sp - TRACEE_RED_ZONE) & ~UINT64_C(7);
    if (!into || most < STACK_LEAST) return;
    got = ccol__tracee_read(taking->process->pid, address, into, most);
    for (uint64_t up = 0; got == 0 && up < GUARD_SEARCH; up += PAGE) {
        address = up ? ((sp + up) & ~(uint64_t)(PAGE - 1)) : sp & ~UINT64_C(7);
        got = ccol__tracee_read(taking->process->pid, address, into, most);
    }
    if (got)
        keep_memory(taking, (uint32_t)tid, address, into, got);
    else
        ccol__build_error(taking->build, "thread %d: its stack cannot be read: %s", (int)tid, ccol_strerror(-errno));
}

static void copy_code(const struct taking *taking, uint64_t pc)
{
    char *into = ccol__build_reserve(taking->build, CODE_BYTES);
    uint64_t address = pc - CODE_BYTES / 2;
    if (!into) return;
    size_t got = ccol__tracee_read(taking->process->pid, address, into, CODE_BYTES);
    if (got <= CODE_BYTES / 2) {
        address = pc;
        got = ccol__tracee_read(taking->process->pid, address, into, CODE_BYTES / 2);
    }
    if (got) ccol__build_keep(taking->build, SNAPSHOT_MEMORY, 0, address, got, 0);
}

static void copy_fp(const struct taking *taking, pid_t tid)
{
    char *into = ccol__build_reserve(taking->build, TRACEE_FP_BYTES);
    size_t got = into ? ccol__tracee_fp(tid, into, TRACEE_FP_BYTES) : 0;
    if (got) ccol__build_keep(taking->build, SNAPSHOT_FP, (uint32_t)tid, 0, got, 0);
}

/* A stopped thread: registers and stack. */
static void copy_thread(struct taking *taking, struct traced_thread *thread)
{
    bool crashed = thread->tid == taking->tid;
    thread->seen = true;
    if (taking->count == taking->most) return; /* over the limit: counted by the difference */
    struct snapshot_thread *out = &taking->threads[taking->count++];
    *out = (struct snapshot_thread){.tid = thread->tid, .flags = crashed ? SNAPSHOT_CRASHED : 0};
    memcpy(out->name, thread->name, sizeof out->name);
    int code = ccol__tracee_registers(thread->tid, out->registers, &out->pc, &out->sp);
    if (crashed && taking->death->message) ccol__capture_registers(taking->death->message, out);
    if (code) {
        ccol__build_error(taking->build, "thread %d: no registers: %s", (int)thread->tid,
                          code == -ENOTSUP ? "not a 64-bit program" : ccol_strerror(code));
        return;
    }
    out->flags |= SNAPSHOT_REGISTERS;
    copy_stack(taking, thread->tid, out->sp, crashed ? CRASHED_STACK : taking->stack_bytes);
    if (crashed) copy_code(taking, out->pc);
    if (crashed || taking->wanted <= FP_THREADS) copy_fp(taking, thread->tid);
    if (!taking->tid && taking->death->flags & SNAPSHOT_SECCOMP_KILL && ccol__tracee_at_refused_call(out->registers)) {
        out->flags |= SNAPSHOT_CRASHED;
        taking->tid = thread->tid;
    }
}

/* Looks once at every thread that was not seen yet; how many are still missing. */
static size_t sweep(struct taking *taking, bool at_exit)
{
    size_t missing = 0;
    for (struct traced_thread *thread = taking->process->threads, *next; thread; thread = next) {
        int status;
        next = thread->next;
        if (thread->seen) continue;
        pid_t tid = waitpid(thread->tid, &status, __WALL | WNOHANG);
        if (tid == 0) {
            missing++;
        } else if (tid < 0 || !WIFSTOPPED(status)) {
            if (thread->tid != taking->process->pid) ccol__tracees_remove_thread(&taking->keeper->tracees, thread);
        } else if (at_exit && status >> 16 != PTRACE_EVENT_EXIT) {
            ccol__tracee_continue(thread->tid, 0); /* a stop from before the kill: its end comes next */
            missing++;
        } else {
            thread->held = true;
            thread->status = status;
            copy_thread(taking, thread);
        }
    }
    return missing;
}

/* Waits for the threads to stop, at most until the deadline. SIGCHLD is blocked: taking one here loses nothing, as all
 * is reaped again afterwards. */
static void collect(struct taking *taking, bool at_exit, uint64_t most_us)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while ((taking->missing = sweep(taking, at_exit)) > 0 &&
           ccol__clock_monotonic_us() - taking->started_us < most_us) {
        struct timespec patience = {.tv_nsec = 1000000};
        sigtimedwait(&child, NULL, &patience);
    }
}

static size_t share_of(const struct taking *taking)
{
    size_t most = !taking->tid ? CRASHED_STACK : taking->wanted > CROWD ? CROWDED_STACK : STACK;
    size_t room = ccol__build_room(taking->build), aside = taking->let_go ? MAPS_MOST : SET_ASIDE + CRASHED_STACK;
    size_t each = taking->most * (sizeof(struct snapshot_section) + (taking->wanted <= FP_THREADS ? 528 : 0));
    if (room < aside + each) return STACK_LEAST;
    size_t share = (room - aside - each) / (taking->most ? taking->most : 1);
    return (share < most ? share : most) & ~(size_t)7;
}

/* The crashed thread as its handler told of it, where nobody may trace it. */
static void copy_told_thread(struct taking *taking)
{
    const struct capture_crash *message = taking->death->message;
    for (size_t i = 0; i < taking->count; i++) {
        if (taking->threads[i].flags & SNAPSHOT_CRASHED) return;
    }
    if (!message || taking->count == taking->most) return;
    struct snapshot_thread *out = &taking->threads[taking->count++];
    *out = (struct snapshot_thread){.tid = taking->tid, .flags = SNAPSHOT_CRASHED | SNAPSHOT_REGISTERS};
    memcpy(out->name, message->thread_name, sizeof out->name - 1);
    ccol__capture_registers(message, out);
    copy_stack(taking, taking->tid, out->sp, CRASHED_STACK);
    copy_code(taking, out->pc);
}

/* Registers and stacks of all threads that are there to be stopped. */
static void take_threads(struct taking *taking)
{
    const struct keeper *keeper = taking->keeper;
    bool at_exit = taking->death->event == SNAPSHOT_KILLED || taking->death->event == SNAPSHOT_EXITED;
    taking->wanted = taking->process->thread_count;
    if (!taking->wanted && taking->death->message) taking->wanted = 1;
    taking->most = taking->wanted < keeper->options.stacks_most ? taking->wanted : keeper->options.stacks_most;
    size_t bytes = taking->most * sizeof *taking->threads;
    taking->threads = (void *)ccol__build_reserve(taking->build, bytes);
    if (!taking->threads) return;
    ccol__build_keep(taking->build, SNAPSHOT_THREADS, 0, 0, bytes, sizeof *taking->threads);
    taking->stack_bytes = share_of(taking);
    for (struct traced_thread *thread = taking->process->threads; thread; thread = thread->next) {
        if (!at_exit && !thread->held) ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
    }
    for (struct traced_thread *thread = taking->process->threads; thread; thread = thread->next) {
        if (thread->held && !thread->seen) copy_thread(taking, thread); /* the one whose stop brought us here */
    }
    uint64_t patience = (uint64_t)keeper->options.freeze_ms * 1000;
    if (at_exit) patience *= KILLED_PATIENCE;
    collect(taking, at_exit, patience);
    copy_told_thread(taking);
}

/* Looks once at every thread of a process that was let go; true: it is gone. */
static bool reap(struct taking *taking)
{
    struct traced_process *process = taking->process;
    int status;
    for (struct traced_thread *thread = process->threads, *next; thread; thread = next) {
        next = thread->next;
        if (thread->held) continue;
        pid_t tid = waitpid(thread->tid, &status, __WALL | WNOHANG);
        if (tid > 0 && WIFSTOPPED(status)) ccol__tracee_continue(tid, 0);
        if (tid <= 0 || WIFSTOPPED(status)) continue;
        if (tid == process->pid) {
            process->has_ended = true;
            process->end_status = status;
        }
        ccol__tracees_remove_thread(&taking->keeper->tracees, thread);
    }
    return process->has_ended;
}

/* Until nothing but its main thread is left, or nothing at all. */
static void reap_until(struct taking *taking, bool gone, uint64_t most_us)
{
    uint64_t started_us = ccol__clock_monotonic_us();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (!reap(taking) && (gone || taking->process->thread_count > 1) &&
           ccol__clock_monotonic_us() - started_us < most_us) {
        struct timespec patience = {.tv_nsec = 1000000};
        sigtimedwait(&child, NULL, &patience);
    }
}

static void let_go_on(const struct taking *taking, struct traced_thread *thread)
{
    bool crashed = taking->death->tid == thread->tid;
    if (thread->held && taking->death->message)
        ptrace(PTRACE_DETACH, thread->tid, NULL, NULL);
    else if (thread->held)
        ccol__tracee_continue(thread->tid, crashed ? taking->death->signal_number : 0);
    thread->held = thread->seen = false;
}

/* Lets all stopped threads go on; the crashed one with its signal. */
static void release(struct taking *taking)
{
    struct traced_thread *last = NULL;
    for (struct traced_thread *thread = taking->process->threads; thread; thread = thread->next) {
        if (taking->let_go && thread->held && thread->tid == taking->process->pid)
            last = thread;
        else
            let_go_on(taking, thread);
    }
    if (last) {
        /* While the main thread of its victim is there, the kernel kills nobody else for memory that the other threads
         * are still giving back. */
        reap_until(taking, false, LAST_MOST_US);
        let_go_on(taking, last);
    }
    taking->held_us = ccol__clock_monotonic_us() - taking->started_us;
}

/* A file of /proc/PID as a section. */
static void add_text(const struct taking *taking, const char *name, enum snapshot_type type, size_t most)
{
    size_t room = ccol__build_room(taking->build);
    if (most > room) most = room;
    char *into = most > 1 ? ccol__build_reserve(taking->build, most) : NULL;
    if (!into) return;
    bool cut = false;
    ssize_t got = ccol__proc_read_of(taking->process->pid, name, into, most, &cut);
    if (got < 0) {
        ccol__build_error(taking->build, "/proc/PID/%s: %s", name, ccol_strerror((int)got));
        return;
    }
    while (cut && got > 0 && into[got - 1] != '\n')
        got--;
    if (cut) ccol__build_error(taking->build, "/proc/PID/%s is longer than the %zd bytes kept", name, got);
    ccol__build_keep(taking->build, type, 0, 0, (size_t)got, 0);
}

/* The modules, and the maps while they are at hand. */
static void take_maps(struct taking *taking)
{
    const struct traced_process *process = taking->process;
    struct facts_scratch *scratch = taking->keeper->scratch;
    scratch->takes_no_memory = taking->let_go;
    if (!taking->let_go || process->maps_fd >= 0)
        taking->maps_length = ccol__facts_read_modules(process->facts, process->pid, process->maps_fd, scratch);
    scratch->takes_no_memory = false;
    size_t room = ccol__build_room(taking->build), kept = taking->maps_length;
    if (kept > MAPS_MOST) kept = MAPS_MOST;
    if (kept > room) kept = room;
    while (kept < taking->maps_length && kept > 0 && scratch->text[kept - 1] != '\n')
        kept--;
    if (kept < taking->maps_length)
        ccol__build_error(taking->build, "/proc/PID/maps is longer than the %zu bytes kept", kept);
    if (kept) ccol__build_add(taking->build, SNAPSHOT_MAPS, 0, scratch->text, kept, 0);
}

/* While the process is held, and only where that is no harm. */
static void take_rest(struct taking *taking)
{
    pid_t pid = taking->process->pid;
    ccol__facts_read(taking->process->facts, pid, taking->keeper->scratch);
    for (size_t i = 0; i < taking->count; i++)
        ccol__facts_read_name(pid, taking->threads[i].tid, taking->threads[i].name);
    take_maps(taking);
    ccol__stdio_build(taking->keeper, taking->process);
    add_text(taking, "status", SNAPSHOT_STATUS, TEXT_MOST);
    add_text(taking, "limits", SNAPSHOT_LIMITS, TEXT_MOST);
    if (!taking->keeper->options.no_cmdline) add_text(taking, "cmdline", SNAPSHOT_CMDLINE, TEXT_MOST);
}

static bool is_near_below(uint64_t address, uint64_t low)
{
    return address < low && low - address <= GUARD_SEARCH;
}

static void bound_stack(const struct taking *taking, struct snapshot_thread *thread, const struct proc_map *map)
{
    if (!(thread->flags & SNAPSHOT_REGISTERS) || !map->writable || thread->stack_high) return;
    bool holds = map->start <= thread->sp && thread->sp < map->end;
    if (!holds && !is_near_below(thread->sp, map->start)) return; /* maps come in order: the first above is taken */
    thread->stack_low = map->start;
    thread->stack_high = map->end;
    if (!holds) thread->flags |= SNAPSHOT_STACK_OVERFLOW;
    uint64_t address = (uint64_t)(uintptr_t)taking->death->info.si_addr;
    if (thread->tid == taking->death->tid && taking->death->signal_number == SIGSEGV &&
        is_near_below(address, map->start))
        thread->flags |= SNAPSHOT_STACK_OVERFLOW;
}

static void bound_stacks(const struct taking *taking)
{
    const char *at = taking->keeper->scratch->text; /* the maps, still there from reading the modules */
    struct proc_map map;
    while (taking->maps_length && ccol__proc_map_next(&at, &map)) {
        for (size_t i = 0; i < taking->count; i++)
            bound_stack(taking, &taking->threads[i], &map);
    }
}

static void swap_crashed_to_front(const struct taking *taking)
{
    for (size_t i = 1; i < taking->count; i++) {
        if (!(taking->threads[i].flags & SNAPSHOT_CRASHED)) continue;
        struct snapshot_thread first = taking->threads[0];
        taking->threads[0] = taking->threads[i];
        taking->threads[i] = first;
    }
}

/* Faults that the app's threads caught themselves, and the stacks that they happened on. */
static void add_faults(const struct taking *taking)
{
    struct keeper *keeper = taking->keeper;
    size_t count = 0;
    struct snapshot_fault *out = (void *)ccol__build_reserve(taking->build, FAULTS_KEPT * sizeof *out);
    for (unsigned i = 0; out && i < FAULTS_KEPT; i++) {
        const struct traced_thread *thread = ccol__tracees_thread(&keeper->tracees, keeper->faults[i].tid);
        if (keeper->faults[i].tid && thread && thread->process == taking->process) out[count++] = keeper->faults[i];
    }
    if (!count) return;
    ccol__build_keep(taking->build, SNAPSHOT_FAULTS, 0, 0, count * sizeof *out, sizeof *out);
    for (size_t i = 0; i < count && taking->tid; i++) {
        if (out[i].tid == taking->tid)
            copy_stack(taking, out[i].tid, ccol__tracee_sp_of(out[i].registers), CRASHED_STACK);
    }
}

static void add_reason(const struct taking *taking, int64_t now_us)
{
    const struct death *death = taking->death;
    const struct keeper *keeper = taking->keeper;
    struct snapshot_reason reason = {
        .event = death->event,
        .flags = death->flags | (taking->process->is_main ? SNAPSHOT_MAIN_PROCESS : 0) |
                 (taking->let_go ? SNAPSHOT_LET_GO : 0) |
                 (taking->process->facts->in_other_cgroup ? 0 : SNAPSHOT_SAME_CGROUP),
        .mode = keeper->mode,
        .wait_status = death->wait_status,
        .signal = death->signal_number,
        .tid = taking->tid,
        .thread_count = (uint32_t)(taking->wanted + taking->process->threads_cut),
        .threads_cut = (uint32_t)(taking->wanted - taking->count + taking->process->threads_cut),
        .happened_at_us = now_us - (int64_t)(ccol__clock_monotonic_us() - taking->started_us),
        .held_us = taking->held_us,
        .log_head = keeper->ring.header ? keeper->ring.header->head : 0};
    if (death->flags & SNAPSHOT_SIGINFO) memcpy(reason.siginfo, &death->info, sizeof reason.siginfo);
    ccol__build_add(taking->build, SNAPSHOT_REASON, 0, &reason, sizeof reason, sizeof reason);
    if (reason.threads_cut)
        ccol__build_error(taking->build, "%u of %u threads are left out: the limit is %zu, %zu did not stop in time",
                          reason.threads_cut, reason.thread_count, keeper->options.stacks_most, taking->missing);
}

static void write_file(struct taking *taking, int64_t now_us)
{
    struct keeper *keeper = taking->keeper;
    size_t length = ccol__build_finish(taking->build, keeper->folder.next, now_us);
    int code = ccol__folder_write_snapshot(&keeper->folder, taking->build->memory, length);
    if (code == 0) {
        keeper->state->snapshots++;
    } else {
        keeper->state->snapshots_cut++;
        ccol__keeper_trouble(keeper, "cannot write a snapshot: %s", ccol_strerror(code));
    }
    ccol__keeper_wake(keeper);
}

/* A process that was killed in the keeper's own memory cgroup. One whose program is not known yet was killed right at
 * its start, and is no victim of its memory. */
static bool may_lack_memory(const struct death *death)
{
    const struct traced_process *process = death->process;
    return death->event == SNAPSHOT_KILLED && death->signal_number == SIGKILL && !process->facts->in_other_cgroup &&
           (process->maps_fd >= 0 || process->facts->modules.count > 0);
}

/* Looked at last: it opens files. */
static bool waits_too_long(struct keeper *keeper)
{
    if (ccol__folder_waiting(&keeper->folder) < keeper->options.snapshots_most) return false;
    keeper->state->snapshots_cut++;
    ccol__keeper_trouble(keeper, "%u snapshots wait already: later deaths are only counted",
                         keeper->options.snapshots_most);
    return true;
}

void ccol__keeper_take(struct keeper *keeper, const struct death *death)
{
    struct traced_process *process = death->process;
    struct taking taking = {.keeper = keeper,
                            .death = death,
                            .process = process,
                            .build = &keeper->build,
                            .tid = death->tid,
                            .started_us = ccol__clock_monotonic_us()};
    process->dying = true;
    taking.let_go = may_lack_memory(death);
    ccol__build_start(taking.build);
    ccol__build_limit(taking.build, taking.let_go);
    if (process->threads || death->message) take_threads(&taking);
    if (taking.count) add_faults(&taking);
    if (taking.let_go)
        take_maps(&taking);
    else if (taking.count)
        take_rest(&taking);
    release(&taking);
    if (taking.let_go) {
        /* until its memory is given back, an allocation of the keeper would be the next to fail */
        reap_until(&taking, true, GONE_MOST_US);
        ccol__build_error(taking.build, taking.maps_length ? "thread names are those of an earlier moment"
                                                           : "modules and thread names are those of an earlier moment");
    }
    ccol__build_limit(taking.build, false);
    keeper->reap_again = true;
    if (waits_too_long(keeper)) return;
    bound_stacks(&taking);
    if (taking.count) swap_crashed_to_front(&taking);
    if (taking.threads) taking.build->sections[0].bytes = taking.count * sizeof *taking.threads;
    if (death->message) ccol__build_add(taking.build, SNAPSHOT_CAPTURE, 0, death->message, sizeof *death->message, 0);
    ccol__facts_build(process->facts, process->pid, taking.build);
    ccol__oom_build(&keeper->oom, process->facts->cgroup, taking.build, ccol__clock_now_us());
    ccol__capture_build_notes(keeper, process);
    ccol__keeper_pump(keeper); /* its last words belong before log_head */
    add_reason(&taking, ccol__clock_now_us());
    write_file(&taking, ccol__clock_now_us());
}
