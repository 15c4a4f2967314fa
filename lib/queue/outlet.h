/* SPDX-License-Identifier: MIT */
/* One way to fail, and what waits there: a storage (of a tee: each one), or the publisher. A report has a task at each
 * storage that is to get it, so that none waits for another: backoff, gate and Retry-After hold back one outlet only.
 * Not thread-safe: the save queue's lock guards them. */
#ifndef CCOL_QUEUE_OUTLET_H
#define CCOL_QUEUE_OUTLET_H

#include <crashcollect/storage.h>

#include "queue/retry.h"

#define TROUBLE_SIZE 240

struct queue_entry;

/* What is to be done for one report at one outlet; at any time in one list, the heap, or the hands of one thread. */
struct task {
    struct task *next;
    struct queue_entry *entry;
    bool awaited;           /* somebody waits for the report to be saved */
    unsigned attempts;      /* failed ones */
    unsigned sync_failures; /* of the queue, when the last save began */
    uint64_t not_before_ms;
};

struct task_list {
    struct task *first, **end;
    size_t count;
};

/* Tasks that wait for their time, the soonest first. */
struct task_heap {
    struct task **items;
    size_t count, capacity;
};

struct outlet {
    ccol_storage *storage;    /* borrowed; NULL: the publisher */
    uint32_t bit;             /* of this storage in a record's progress */
    struct task_list awaited; /* no gate holds these back */
    struct task_list ready;
    struct task_heap put_off;
    struct gate gate;
    unsigned busy; /* crashmovers that are at it */
    char trouble[TROUBLE_SIZE];
    uint64_t trouble_since_ms;
};

/* threshold: failures in a row that close the gate. */
void ccol__outlet_init(struct outlet *outlet, ccol_storage *storage, uint32_t bit, unsigned threshold);
/* Forgets its tasks, which belong to their entries. */
void ccol__outlet_clear(struct outlet *outlet);
void ccol__outlet_fini(struct outlet *outlet);

void ccol__outlet_push(struct outlet *outlet, struct task *task);
/* After a failed attempt. */
void ccol__outlet_put_off(struct outlet *outlet, struct task *task, struct backoff *backoff, uint64_t now_ms,
                          unsigned retry_after_s);
/* Everything that waits for its time is tried now. */
void ccol__outlet_hurry(struct outlet *outlet);

/* What somebody waits for, or NULL. */
struct task *ccol__outlet_pop_awaited(struct outlet *outlet);
/* What may be tried now, or NULL and *wake_ms lowered to when to look again. */
struct task *ccol__outlet_pop(struct outlet *outlet, uint64_t now_ms, uint64_t probe_ms, uint64_t *wake_ms);
/* Whose time has come moves to the ready list; lowers *wake_ms to when the next one's does. */
void ccol__outlet_ripen(struct outlet *outlet, uint64_t now_ms, uint64_t *wake_ms);
/* When pop would have a task; UINT64_MAX: when told. */
uint64_t ccol__outlet_next_ms(const struct outlet *outlet);
bool ccol__outlet_has_ready(const struct outlet *outlet);
/* How many reports wait there. */
size_t ccol__outlet_waiting(const struct outlet *outlet);

#endif
