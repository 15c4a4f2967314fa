/* SPDX-License-Identifier: MIT */
#include "keeper/tracees.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PROCESSES_READY 4 /* whose memory is there from the start on, for some modules each */
#define MODULES_READY   64
#define PATHS_READY     4096

static void make_ready(struct process_facts *facts)
{
    memset(facts, 0, offsetof(struct process_facts, modules));
    memset(facts->modules.list, 0, MODULES_READY * sizeof facts->modules.list[0]);
    memset(facts->modules.paths, 0, PATHS_READY);
}

static size_t buckets_for(size_t threads_most)
{
    size_t count = 64;
    while (count < threads_most)
        count *= 2;
    return count;
}

int ccol__tracees_init(struct tracees *tracees, size_t threads_most, size_t processes_most)
{
    *tracees = (struct tracees){.bucket_count = buckets_for(threads_most)};
    size_t buckets = tracees->bucket_count * sizeof(struct traced_thread *);
    size_t threads = threads_most * sizeof(struct traced_thread);
    size_t processes = processes_most * sizeof(struct traced_process);
    tracees->memory_bytes = buckets + threads + processes + processes_most * sizeof(struct process_facts);
    /* most of what is not used stays untouched, and costs nothing */
    void *memory =
        mmap(NULL, tracees->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    tracees->memory = memory;
    tracees->buckets = memory;
    struct traced_thread *thread = (void *)((char *)memory + buckets);
    struct traced_process *process = (void *)((char *)memory + buckets + threads);
    struct process_facts *facts = (void *)((char *)memory + buckets + threads + processes);
    for (size_t i = threads_most; i-- > 0;) {
        thread[i].next = tracees->free_threads;
        tracees->free_threads = &thread[i];
    }
    for (size_t i = processes_most; i-- > 0;) {
        process[i].facts = &facts[i];
        if (i < PROCESSES_READY) make_ready(&facts[i]);
        process[i].next = tracees->free_processes;
        tracees->free_processes = &process[i];
    }
    return 0;
}

void ccol__tracees_fini(struct tracees *tracees)
{
    if (tracees->memory) munmap(tracees->memory, tracees->memory_bytes);
    *tracees = (struct tracees){0};
}

struct traced_process *ccol__tracees_process(const struct tracees *tracees, pid_t pid)
{
    struct traced_process *process = tracees->processes;
    while (process && process->pid != pid)
        process = process->next;
    return process;
}

/* A copy of the parent's, of which only the used part is touched. */
static void inherit(struct process_facts *facts, const struct process_facts *parent)
{
    const struct module_table *from = &parent->modules;
    struct module_table *to = &facts->modules;
    memcpy(facts, parent, offsetof(struct process_facts, modules));
    memcpy(to->list, from->list, from->count * sizeof from->list[0]);
    memcpy(to->paths, from->paths, from->paths_length);
    to->count = from->count;
    to->cut = from->cut;
    to->paths_length = from->paths_length;
    to->read_at_us = from->read_at_us;
}

static void forget(struct process_facts *facts)
{
    memset(facts, 0, offsetof(struct process_facts, modules));
    facts->modules.count = facts->modules.cut = facts->modules.paths_length = 0;
    facts->modules.read_at_us = 0;
}

struct traced_process *ccol__tracees_add_process(struct tracees *tracees, pid_t pid,
                                                 const struct traced_process *parent)
{
    struct traced_process *process = tracees->free_processes;
    if (!process) return NULL;
    tracees->free_processes = process->next;
    *process = (struct traced_process){.pid = pid,
                                       .parent = parent ? parent->pid : 0,
                                       .executed = parent && parent->executed,
                                       .generation = ++tracees->generations,
                                       .maps_fd = -1,
                                       .notes_fd = -1,
                                       .next = tracees->processes,
                                       .facts = process->facts};
    if (parent)
        inherit(process->facts, parent->facts);
    else
        forget(process->facts);
    if (process->next) process->next->previous = process;
    tracees->processes = process;
    tracees->process_count++;
    return process;
}

void ccol__tracees_executed(struct tracees *tracees, struct traced_thread *thread)
{
    struct traced_process *process = thread->process;
    for (struct traced_thread *other = process->threads, *next; other; other = next) {
        next = other->next;
        if (other != thread) ccol__tracees_remove_thread(tracees, other);
    }
    if (process->maps_fd >= 0) close(process->maps_fd);
    process->maps_fd = -1;
    process->generation = ++tracees->generations;
    process->executed = true;
    process->threads_cut = 0;
    process->refresh_step = 0;
    process->facts->modules.count = process->facts->modules.cut = 0;
}

void ccol__tracees_remove_process(struct tracees *tracees, struct traced_process *process)
{
    while (process->threads)
        ccol__tracees_remove_thread(tracees, process->threads);
    if (process->notes_fd >= 0) close(process->notes_fd);
    if (process->maps_fd >= 0) close(process->maps_fd);
    if (process->previous)
        process->previous->next = process->next;
    else
        tracees->processes = process->next;
    if (process->next) process->next->previous = process->previous;
    process->next = tracees->free_processes;
    tracees->free_processes = process;
    tracees->process_count--;
}

static struct traced_thread **bucket_of(const struct tracees *tracees, pid_t tid)
{
    return &tracees->buckets[(size_t)tid & (tracees->bucket_count - 1)];
}

struct traced_thread *ccol__tracees_thread(const struct tracees *tracees, pid_t tid)
{
    struct traced_thread *thread = *bucket_of(tracees, tid);
    while (thread && thread->tid != tid)
        thread = thread->next_in_bucket;
    return thread;
}

static struct traced_thread **list_of(struct tracees *tracees, struct traced_process *process)
{
    return process ? &process->threads : &tracees->orphans;
}

static void link_thread(struct tracees *tracees, struct traced_thread *thread, struct traced_process *process)
{
    struct traced_thread **list = list_of(tracees, process);
    thread->process = process;
    thread->previous = NULL;
    thread->next = *list;
    if (*list) (*list)->previous = thread;
    *list = thread;
    if (process) process->thread_count++;
}

static void unlink_thread(struct tracees *tracees, struct traced_thread *thread)
{
    if (thread->previous)
        thread->previous->next = thread->next;
    else
        *list_of(tracees, thread->process) = thread->next;
    if (thread->next) thread->next->previous = thread->previous;
    if (thread->process) thread->process->thread_count--;
}

struct traced_thread *ccol__tracees_add_thread(struct tracees *tracees, pid_t tid, struct traced_process *process)
{
    struct traced_thread *thread = tracees->free_threads;
    if (!thread) {
        if (process) process->threads_cut++;
        return NULL;
    }
    tracees->free_threads = thread->next;
    struct traced_thread **bucket = bucket_of(tracees, tid);
    *thread = (struct traced_thread){.tid = tid, .next_in_bucket = *bucket};
    *bucket = thread;
    link_thread(tracees, thread, process);
    return thread;
}

void ccol__tracees_give_thread(struct tracees *tracees, struct traced_thread *thread, struct traced_process *process)
{
    unlink_thread(tracees, thread);
    link_thread(tracees, thread, process);
}

void ccol__tracees_remove_thread(struct tracees *tracees, struct traced_thread *thread)
{
    struct traced_thread **place = bucket_of(tracees, thread->tid);
    while (*place && *place != thread)
        place = &(*place)->next_in_bucket;
    if (*place) *place = thread->next_in_bucket;
    unlink_thread(tracees, thread);
    thread->next = tracees->free_threads;
    tracees->free_threads = thread;
}
