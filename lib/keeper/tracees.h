/* SPDX-License-Identifier: MIT */
/* The processes and threads that the keeper traces, in tables of fixed size that are mapped at start. */
#ifndef CCOL_KEEPER_TRACEES_H
#define CCOL_KEEPER_TRACEES_H

#include <sys/types.h>

#include "keeper/facts.h"

struct traced_process;

struct traced_thread {
    struct traced_thread *next_in_bucket;
    struct traced_thread *next, *previous; /* of the same process */
    struct traced_process *process;        /* NULL: it stopped before its creator told of it */
    pid_t tid;
    int status; /* with held: what it stopped for, not acted upon yet */
    bool held, seen;
    uint64_t held_since_ms; /* of one without a process */
    char name[16];
};

struct traced_process {
    struct traced_process *next, *previous;
    pid_t pid, parent;
    bool is_main, executed; /* executed: has the program that it was started for, or its parent's */
    bool dying;             /* its end is known, and reported if it is to be */
    bool seized;            /* false: known by its greeting or as a child only (modes preload, attach, wait) */
    struct traced_thread *threads;
    bool has_ended; /* seen while its snapshot was made, with end_status */
    int end_status;
    size_t thread_count, threads_cut; /* cut: alive, but the table was full */
    uint64_t refresh_at_ms;
    unsigned refresh_step;
    bool facts_due;      /* the courier is to read them */
    uint32_t generation; /* another one for each program that it executes */
    pid_t waiting;       /* thread that stands at its exec until the facts are read; 0: none */
    uint64_t waiting_since_ms;
    int maps_fd;  /* its maps, open; -1: not yet, or not allowed */
    int notes_fd; /* memory of the app (capture/notes.h); read, never mapped: it may shrink. -1: none */
    size_t notes_bytes;
    struct process_facts *facts; /* never NULL */
};

struct tracees {
    struct traced_process *processes;
    struct traced_thread *orphans; /* threads without a process */
    struct traced_process *free_processes;
    struct traced_thread *free_threads;
    struct traced_thread **buckets;
    size_t bucket_count, process_count;
    uint32_t generations; /* given out so far */
    void *memory;
    size_t memory_bytes;
};

/* 0 or -errno. */
int ccol__tracees_init(struct tracees *tracees, size_t threads_most, size_t processes_most);
void ccol__tracees_fini(struct tracees *tracees);

struct traced_process *ccol__tracees_process(const struct tracees *tracees, pid_t pid);
/* NULL: the table is full. facts are the parent's where there is one. */
struct traced_process *ccol__tracees_add_process(struct tracees *tracees, pid_t pid,
                                                 const struct traced_process *parent);
/* It executes another program: its threads are gone but for that one, and so is what was known of its memory. */
void ccol__tracees_executed(struct tracees *tracees, struct traced_thread *thread);
/* With all its threads. */
void ccol__tracees_remove_process(struct tracees *tracees, struct traced_process *process);

struct traced_thread *ccol__tracees_thread(const struct tracees *tracees, pid_t tid);
/* process NULL: not known yet. NULL: the table is full, which is counted in threads_cut. */
struct traced_thread *ccol__tracees_add_thread(struct tracees *tracees, pid_t tid, struct traced_process *process);
void ccol__tracees_give_thread(struct tracees *tracees, struct traced_thread *thread, struct traced_process *process);
void ccol__tracees_remove_thread(struct tracees *tracees, struct traced_thread *thread);

#endif
