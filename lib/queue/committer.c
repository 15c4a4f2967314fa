/* SPDX-License-Identifier: MIT */
/* Group commit: whatever waits goes out in one write and one flush, then all who wait are answered. While a flush runs
 * the next batch gathers, so batches grow with the load by themselves. */
#include <string.h>

#include "queue/save_queue_private.h"

#define COMMIT_BYTES ((uint64_t)64 << 20)

struct waiter {
    save_queue_done done;
    void *user;
};

struct batch {
    struct queue_entry *entries[COMMIT_BATCH];
    ccol_report *reports[COMMIT_BATCH];
    struct spool_place places[COMMIT_BATCH];
    size_t count;
};

static void take_batch(struct save_queue *queue, struct batch *batch)
{
    uint64_t bytes = 0;
    batch->count = 0;
    while (queue->incoming.first && batch->count < COMMIT_BATCH && bytes < COMMIT_BYTES) {
        struct queue_entry *entry = ccol__entry_list_pop(&queue->incoming);
        batch->entries[batch->count] = entry;
        batch->reports[batch->count++] = entry->report;
        bytes += entry->bytes;
    }
}

/* Memory is for uploads: once half of it is in use, what is on disk is read back when its turn comes. */
static bool memory_is_scarce(const struct save_queue *queue)
{
    struct budget *budget = ccol__crash_pool_budget(queue->options.pool);
    return budget && atomic_load_explicit(&budget->used, memory_order_relaxed) > budget->limit / 2;
}

/* Hands the committed entries to the crashmovers, after which they are no longer ours, and keeps the others. */
static void hand_on(struct save_queue *queue, struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    queue->counts.commits++;
    for (size_t i = 0; i < batch->count; i++) {
        struct queue_entry *entry = batch->entries[i];
        if (!batch->places[i].segment) {
            ccol__save_queue_leave(queue, entry);
            continue;
        }
        entry->place = batch->places[i];
        if (entry->progress) ccol__spool_mark_progress(queue->spool, &entry->place, entry->progress);
        queue->counts.accepted++;
        ccol__save_queue_ready(queue, entry);
        batch->entries[i] = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
}

/* Takes over the promise to answer. */
static void take_waiter(struct queue_entry *from, struct waiter *to)
{
    *to = (struct waiter){from->done, from->user};
    from->done = NULL;
}

bool ccol__committer_commit(struct save_queue *queue)
{
    struct batch batch;
    struct waiter waiters[COMMIT_BATCH];
    pthread_mutex_lock(&queue->lock);
    take_batch(queue, &batch);
    pthread_mutex_unlock(&queue->lock);
    if (!batch.count) return false;

    ccol_error err = {0};
    ccol__spool_commit(queue->spool, batch.reports, batch.places, batch.count, &err);
    bool scarce = memory_is_scarce(queue);
    for (size_t i = 0; i < batch.count; i++) {
        take_waiter(batch.entries[i], &waiters[i]);
        if (!scarce || !batch.places[i].segment) continue;
        ccol_report_unref(batch.entries[i]->report);
        batch.entries[i]->report = NULL;
    }
    hand_on(queue, &batch);
    for (size_t i = 0; i < batch.count; i++) {
        bool durable = batch.places[i].segment != NULL;
        if (durable) ccol__metrics_count(queue->options.metrics, METRIC_SPOOLED, NULL);
        /* Whatever the cause, the client is told that there is no room now: it keeps the crash and may come back. */
        if (waiters[i].done) waiters[i].done(waiters[i].user, durable ? 0 : CCOL_EFULL, err.text);
        if (durable) continue;
        if (!waiters[i].done) /* it was acknowledged from memory, and the collector ends */
            ccol__log(queue->options.log, CCOL_LOG_ERROR, "queue", batch.entries[i]->id, "lost: %s", err.text);
        ccol__entry_free(batch.entries[i]);
    }
    return true;
}

void ccol__committer_run(void *user)
{
    struct save_queue *queue = user;
    for (bool stopping = false; !stopping;) {
        pthread_mutex_lock(&queue->lock);
        while (!queue->incoming.first && !queue->stopping)
            pthread_cond_wait(&queue->incoming_cond, &queue->lock);
        stopping = queue->stopping && !queue->incoming.first;
        pthread_mutex_unlock(&queue->lock);
        ccol__committer_commit(queue);
    }
}
