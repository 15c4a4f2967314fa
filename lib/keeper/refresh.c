/* SPDX-License-Identifier: MIT */
/* What is known of the processes is kept up to date, by the courier, as far as reading it takes memory. */
#include "keeper/keeper_private.h"

#include "base/clock.h"

#include <string.h>

#define WAIT_MOST_MS 100 /* of a program for its facts, before its first instruction */

/* In ms after its exec: often while the dynamic linker brings its modules, seldom later. */
static const unsigned steps[] = {2, 10, 50, 200, 750, 3000, 12000, 60000};

static void not_later(struct keeper *keeper, uint64_t at_ms)
{
    if (at_ms < keeper->refresh_at_ms) keeper->refresh_at_ms = at_ms;
}

void ccol__refresh_schedule(struct keeper *keeper, struct traced_process *process, uint64_t now_ms)
{
    size_t last = sizeof steps / sizeof steps[0] - 1;
    size_t step = process->refresh_step < last ? process->refresh_step++ : last;
    process->refresh_at_ms = now_ms + steps[step];
    not_later(keeper, process->refresh_at_ms);
}

static void refresh_modules(struct keeper *keeper, struct traced_process *process)
{
    if (process->maps_fd >= 0 || !keeper->courier.pid)
        ccol__facts_read_modules(process->facts, process->pid, process->maps_fd, keeper->scratch);
}

static void let_begin(struct traced_process *process)
{
    if (process->waiting) ccol__tracee_continue(process->waiting, 0);
    process->waiting = 0;
}

/* Its facts are there; the modules, of which an exec has brought few yet, wait for the next time. */
static void has_facts(struct keeper *keeper, struct traced_process *process)
{
    if (!process->waiting) refresh_modules(keeper, process);
    if (process->is_main) ccol__oom_watch(&keeper->oom, process->facts->cgroup);
    let_begin(process);
}

static void read_without_courier(struct keeper *keeper, struct traced_process *process)
{
    ccol__facts_read(process->facts, process->pid, keeper->scratch);
    for (struct traced_thread *thread = process->threads; thread; thread = thread->next)
        ccol__facts_read_name(process->pid, thread->tid, thread->name);
    has_facts(keeper, process);
}

static void ask(struct keeper *keeper, struct traced_process *process)
{
    struct courier_reading *order = &keeper->courier.orders->reading;
    process->facts_due = false;
    order->pid = process->pid;
    order->generation = process->generation;
    order->wants_maps = process->maps_fd < 0;
    order->has_maps = false;
    order->count = 0;
    memcpy(&order->facts, process->facts, offsetof(struct process_facts, modules));
    struct traced_thread *thread = process->threads;
    for (; thread && order->count < COURIER_NAMES; thread = thread->next) {
        order->tids[order->count] = thread->tid;
        memcpy(order->names[order->count++], thread->name, sizeof thread->name);
    }
    ccol__courier_ask(&keeper->courier, &order->state);
}

/* One after the other; first those that wait for it. */
static void ask_next(struct keeper *keeper)
{
    struct traced_process *next = NULL;
    if (!keeper->courier.pid || keeper->courier.orders->reading.state != COURIER_FREE) return;
    for (struct traced_process *process = keeper->tracees.processes; process; process = process->next) {
        if (process->facts_due && (!next || process->waiting)) next = process;
    }
    if (next) ask(keeper, next);
}

static void take_answer(struct keeper *keeper, const struct courier_reading *answer)
{
    struct traced_process *process = ccol__tracees_process(&keeper->tracees, answer->pid);
    int maps_fd = answer->has_maps ? ccol__courier_take_maps(&keeper->courier) : -1;
    if (!process || process->generation != answer->generation || process->maps_fd >= 0) {
        if (maps_fd >= 0) close(maps_fd);
    } else {
        process->maps_fd = maps_fd;
    }
    if (!process || process->generation != answer->generation) return;
    memcpy(process->facts, &answer->facts, offsetof(struct process_facts, modules));
    for (size_t i = 0; i < answer->count; i++) {
        struct traced_thread *thread = ccol__tracees_thread(&keeper->tracees, answer->tids[i]);
        if (thread && thread->process == process) memcpy(thread->name, answer->names[i], sizeof thread->name);
    }
    has_facts(keeper, process);
}

void ccol__refresh_answered(struct keeper *keeper)
{
    ccol__courier_hear(&keeper->courier);
    struct courier_reading *answer = &keeper->courier.orders->reading;
    if (atomic_load_explicit(&answer->state, memory_order_acquire) != COURIER_DONE) return;
    take_answer(keeper, answer);
    atomic_store_explicit(&answer->state, COURIER_FREE, memory_order_relaxed);
    ask_next(keeper);
}

void ccol__refresh_at_exec(struct keeper *keeper, struct traced_thread *thread)
{
    struct traced_process *process = thread->process;
    process->waiting = thread->tid;
    process->waiting_since_ms = ccol__clock_monotonic_ms();
    ccol__refresh_schedule(keeper, process, process->waiting_since_ms);
    if (keeper->courier.pid) {
        process->facts_due = true;
        not_later(keeper, process->waiting_since_ms + WAIT_MOST_MS);
        ask_next(keeper);
    } else {
        read_without_courier(keeper, process);
    }
}

static void refresh(struct keeper *keeper, struct traced_process *process, uint64_t now_ms)
{
    if (process->waiting) {
        if (process->waiting_since_ms + WAIT_MOST_MS <= now_ms) let_begin(process);
        not_later(keeper, process->waiting_since_ms + WAIT_MOST_MS);
    } else if (process->refresh_at_ms > now_ms) {
        not_later(keeper, process->refresh_at_ms);
    } else {
        ccol__refresh_schedule(keeper, process, now_ms);
        process->facts_due = keeper->courier.pid != 0;
        if (!process->facts_due) read_without_courier(keeper, process);
    }
}

void ccol__refresh_due(struct keeper *keeper, uint64_t now_ms)
{
    for (struct traced_process *process = keeper->tracees.processes; process; process = process->next)
        refresh(keeper, process, now_ms);
    ask_next(keeper);
}
