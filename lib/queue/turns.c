/* SPDX-License-Identifier: MIT */
/* Which crashmover works at which outlet. */
#include "base/clock.h"
#include "queue/save_queue_private.h"

struct outlet *ccol__save_queue_publishing(const struct save_queue *queue)
{
    return &queue->outlets[queue->storage_count];
}

static size_t outlet_count(const struct save_queue *queue)
{
    return queue->storage_count + (queue->options.publisher ? 1 : 0);
}

/* For each outlet that no crashmover is at, one stays free: an outlet whose calls hang keeps no other waiting. */
static bool may_take(const struct save_queue *queue, const struct outlet *outlet)
{
    unsigned kept_free = 0;
    for (size_t i = 0; i < outlet_count(queue); i++)
        kept_free += &queue->outlets[i] != outlet && !queue->outlets[i].busy;
    return queue->options.no_threads || queue->busy_movers + 1 + kept_free <= queue->mover_count;
}

static struct task *begin(struct save_queue *queue, struct mover *mover, struct outlet *outlet, struct task *task)
{
    mover->outlet = outlet;
    outlet->busy++;
    queue->busy_movers++;
    queue->turn++;
    return task;
}

static void end(struct save_queue *queue, struct mover *mover)
{
    if (!mover->outlet) return;
    mover->outlet->busy--;
    queue->busy_movers--;
    mover->outlet = NULL;
}

struct task *ccol__save_queue_next(struct save_queue *queue, struct mover *mover, uint64_t now_ms, uint64_t *wake_ms)
{
    struct outlet *publishing = ccol__save_queue_publishing(queue);
    struct task *task;
    *wake_ms = UINT64_MAX;
    end(queue, mover);
    for (size_t i = 0; i <= queue->storage_count; i++)
        ccol__outlet_ripen(&queue->outlets[i], now_ms, wake_ms);
    for (size_t i = 0; i < queue->storage_count; i++) {
        struct outlet *outlet = &queue->outlets[(queue->turn + i) % queue->storage_count];
        if (may_take(queue, outlet) && (task = ccol__outlet_pop_awaited(outlet)))
            return begin(queue, mover, outlet, task);
    }
    const uint64_t probe_ms = queue->options.stall_after_ms;
    if (may_take(queue, publishing) && (task = ccol__outlet_pop(publishing, now_ms, probe_ms, wake_ms)))
        return begin(queue, mover, publishing, task);
    for (size_t i = 0; i < queue->storage_count; i++) {
        struct outlet *outlet = &queue->outlets[(queue->turn + i) % queue->storage_count];
        if (may_take(queue, outlet) && (task = ccol__outlet_pop(outlet, now_ms, probe_ms, wake_ms)))
            return begin(queue, mover, outlet, task);
    }
    return NULL;
}

uint64_t ccol__save_queue_next_ms(const struct save_queue *queue, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i <= queue->storage_count; i++) {
        uint64_t of_one = ccol__outlet_next_ms(&queue->outlets[i]);
        if (of_one < next) next = of_one;
    }
    return next < now_ms ? now_ms : next;
}

bool ccol__save_queue_has_ready(const struct save_queue *queue)
{
    for (size_t i = 0; i <= queue->storage_count; i++) {
        if (ccol__outlet_has_ready(&queue->outlets[i])) return true;
    }
    return false;
}

void ccol__save_queue_put_off(struct save_queue *queue, struct outlet *outlet, struct task *task,
                              unsigned retry_after_s)
{
    ccol__outlet_put_off(outlet, task, &queue->backoff, ccol__clock_monotonic_ms(), retry_after_s);
    pthread_cond_signal(&queue->ready_cond);
}
