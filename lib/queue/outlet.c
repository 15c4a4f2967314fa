/* SPDX-License-Identifier: MIT */
#include "queue/outlet.h"

#include <stdlib.h>

#define HEAP_FIRST 64

static void list_init(struct task_list *list)
{
    *list = (struct task_list){.end = &list->first};
}

static void list_push(struct task_list *list, struct task *task)
{
    task->next = NULL;
    *list->end = task;
    list->end = &task->next;
    list->count++;
}

static struct task *list_pop(struct task_list *list)
{
    struct task *task = list->first;
    if (!task) return NULL;
    list->first = task->next;
    if (!list->first) list->end = &list->first;
    list->count--;
    return task;
}

static void heap_swap(struct task_heap *heap, size_t a, size_t b)
{
    struct task *kept = heap->items[a];
    heap->items[a] = heap->items[b];
    heap->items[b] = kept;
}

static bool heap_push(struct task_heap *heap, struct task *task)
{
    if (heap->count == heap->capacity) {
        size_t wanted = heap->capacity ? heap->capacity * 2 : HEAP_FIRST;
        void *grown = reallocarray(heap->items, wanted, sizeof(struct task *));
        if (!grown) return false;
        heap->items = grown;
        heap->capacity = wanted;
    }
    size_t at = heap->count++;
    heap->items[at] = task;
    while (at && heap->items[(at - 1) / 2]->not_before_ms > task->not_before_ms) {
        heap_swap(heap, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    return true;
}

static struct task *heap_pop(struct task_heap *heap)
{
    struct task *soonest = heap->items[0];
    heap->items[0] = heap->items[--heap->count];
    for (size_t at = 0, child; (child = at * 2 + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && heap->items[child + 1]->not_before_ms < heap->items[child]->not_before_ms)
            child++;
        if (heap->items[at]->not_before_ms <= heap->items[child]->not_before_ms) break;
        heap_swap(heap, at, child);
    }
    return soonest;
}

void ccol__outlet_init(struct outlet *outlet, ccol_storage *storage, uint32_t bit, unsigned threshold)
{
    *outlet = (struct outlet){.storage = storage, .bit = bit, .gate = {.threshold = threshold}};
    ccol__outlet_clear(outlet);
}

void ccol__outlet_clear(struct outlet *outlet)
{
    list_init(&outlet->awaited);
    list_init(&outlet->ready);
    outlet->put_off.count = 0;
}

void ccol__outlet_fini(struct outlet *outlet)
{
    free(outlet->put_off.items);
}

void ccol__outlet_push(struct outlet *outlet, struct task *task)
{
    list_push(task->awaited ? &outlet->awaited : &outlet->ready, task);
}

void ccol__outlet_put_off(struct outlet *outlet, struct task *task, struct backoff *backoff, uint64_t now_ms,
                          unsigned retry_after_s)
{
    task->attempts++;
    task->not_before_ms = now_ms + ccol__backoff_pause_ms(backoff, task->attempts, retry_after_s);
    /* Without memory for the heap it is tried too soon rather than never. */
    if (!heap_push(&outlet->put_off, task)) ccol__outlet_push(outlet, task);
}

void ccol__outlet_hurry(struct outlet *outlet)
{
    while (outlet->put_off.count)
        ccol__outlet_push(outlet, heap_pop(&outlet->put_off));
}

void ccol__outlet_ripen(struct outlet *outlet, uint64_t now_ms, uint64_t *wake_ms)
{
    struct task_heap *heap = &outlet->put_off;
    while (heap->count && heap->items[0]->not_before_ms <= now_ms)
        ccol__outlet_push(outlet, heap_pop(heap));
    if (heap->count && heap->items[0]->not_before_ms < *wake_ms) *wake_ms = heap->items[0]->not_before_ms;
}

struct task *ccol__outlet_pop_awaited(struct outlet *outlet)
{
    return list_pop(&outlet->awaited);
}

struct task *ccol__outlet_pop(struct outlet *outlet, uint64_t now_ms, uint64_t probe_ms, uint64_t *wake_ms)
{
    if (!outlet->ready.first) return NULL;
    if (ccol__gate_pass(&outlet->gate, now_ms, probe_ms)) return list_pop(&outlet->ready);
    if (outlet->gate.closed_until_ms < *wake_ms) *wake_ms = outlet->gate.closed_until_ms;
    return NULL;
}

uint64_t ccol__outlet_next_ms(const struct outlet *outlet)
{
    if (outlet->awaited.first) return 0;
    uint64_t next = outlet->ready.first ? outlet->gate.closed_until_ms : UINT64_MAX;
    const struct task_heap *heap = &outlet->put_off;
    return heap->count && heap->items[0]->not_before_ms < next ? heap->items[0]->not_before_ms : next;
}

bool ccol__outlet_has_ready(const struct outlet *outlet)
{
    return outlet->awaited.first || outlet->ready.first;
}

size_t ccol__outlet_waiting(const struct outlet *outlet)
{
    return outlet->awaited.count + outlet->ready.count + outlet->put_off.count + outlet->busy;
}
