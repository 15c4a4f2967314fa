/* SPDX-License-Identifier: MIT */
/* Some storages make durable in batches what they have saved. Until then the spool keeps its own durable copy. */
#include <stdio.h>

#include "base/clock.h"
#include "base/thread.h"
#include "queue/save_queue_private.h"
#include "storage/storage.h"

/* Begins a round at the latest when so much waits: a few segments then serve for ever. */
static uint64_t sync_bytes(const struct save_queue *queue)
{
    uint64_t quarter = queue->options.max_bytes / 4, two_segments = queue->options.segment_bytes * 2;
    return quarter < two_segments ? quarter : two_segments;
}

/* Tells the storage to flush; under the lock, which is let go meanwhile. */
static void run_round(struct save_queue *queue)
{
    ccol_error err = {0};
    queue->syncing = true;
    uint64_t round = ++queue->sync_rounds_begun;
    pthread_mutex_unlock(&queue->lock);
    int code = ccol_storage_sync(queue->options.storage, &err);
    pthread_mutex_lock(&queue->lock);
    queue->syncing = false;
    queue->sync_rounds_ended = round;
    if (code) queue->sync_failures++;
    snprintf(queue->sync_trouble, sizeof queue->sync_trouble, "%.*s", TROUBLE_SIZE - 1, code ? err.text : "");
    pthread_cond_broadcast(&queue->sync_cond);
}

int ccol__syncer_round(struct save_queue *queue, ccol_error *err)
{
    pthread_mutex_lock(&queue->lock);
    /* A round that runs already may have begun before our save ended: the one after it is ours. But a failure of any of
     * them may be about our files. */
    uint64_t mine = queue->sync_rounds_begun + 1;
    unsigned failures = queue->sync_failures;
    while (queue->sync_rounds_ended < mine) {
        if (queue->syncing)
            pthread_cond_wait(&queue->sync_cond, &queue->lock);
        else
            run_round(queue);
    }
    int code = queue->sync_failures == failures
                   ? 0
                   : ccol_fail(err, CCOL_EREMOTE, "flushing the storage failed: %s",
                               queue->sync_trouble[0] ? queue->sync_trouble : "the round before told so");
    pthread_mutex_unlock(&queue->lock);
    return code;
}

/* Bits of the storages that were given it before the last failed flush: what that covered may be gone. */
static uint32_t unflushed(const struct save_queue *queue, const struct queue_entry *entry, unsigned sync_failures)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < queue->storage_count; i++) {
        const struct outlet *outlet = &queue->outlets[i];
        if (ccol__storage_needs_sync(outlet->storage) && entry->tasks[i].sync_failures != sync_failures)
            bits |= outlet->bit;
    }
    return bits & ~entry->refused;
}

/* It is saved again from the spool, where it may be gone. */
static void save_again(struct save_queue *queue, struct queue_entry *entry, uint32_t bits)
{
    entry->state = RECORD_PENDING;
    entry->publish = false; /* that is done */
    entry->progress &= ~bits;
    ccol__spool_mark_progress(queue->spool, &entry->place, entry->progress);
    ccol__spool_mark(queue->spool, &entry->place, RECORD_PENDING, false);
    pthread_mutex_lock(&queue->lock);
    ccol__save_queue_join(queue, entry);
    ccol__save_queue_ready(queue, entry);
    pthread_mutex_unlock(&queue->lock);
}

/* Forgets the entries that were saved after the last failure; how many were not, and are saved again. */
static size_t settle(struct save_queue *queue, struct queue_entry *entries, unsigned sync_failures)
{
    size_t again = 0;
    for (struct queue_entry *next; entries; entries = next) {
        next = entries->next;
        uint32_t bits = unflushed(queue, entries, sync_failures);
        if (bits) {
            save_again(queue, entries, bits);
            again++;
            continue;
        }
        ccol__spool_mark(queue->spool, &entries->place, entries->state, true);
        ccol__entry_free(entries);
    }
    return again;
}

bool ccol__syncer_flush(struct save_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct queue_entry *entries = queue->unsynced.first;
    queue->unsynced = (struct entry_list){.end = &queue->unsynced.first};
    queue->unsynced_bytes = 0;
    queue->sync_asked = false;
    queue->next_sync_ms = 0;
    if (entries) queue->flushing++;
    pthread_mutex_unlock(&queue->lock);
    if (!entries) return true;
    ccol_error err = {0};
    ccol__syncer_round(queue, &err);
    pthread_mutex_lock(&queue->lock);
    unsigned sync_failures = queue->sync_failures;
    pthread_mutex_unlock(&queue->lock);
    size_t again = settle(queue, entries, sync_failures);
    if (again)
        ccol__log(queue->options.log, CCOL_LOG_ERROR, "storage", "", "%zu reports are saved again: %s", again,
                  err.text[0] ? err.text : "an earlier flush failed");
    pthread_mutex_lock(&queue->lock);
    queue->flushing--;
    pthread_cond_broadcast(&queue->idle_cond);
    pthread_mutex_unlock(&queue->lock);
    return again == 0;
}

void ccol__syncer_add(struct save_queue *queue, struct queue_entry *entry)
{
    if (!queue->unsynced.first) queue->next_sync_ms = ccol__clock_monotonic_ms() + SYNC_PERIOD_MS;
    ccol__entry_list_push(&queue->unsynced, entry);
    queue->unsynced_bytes += entry->bytes;
    if (queue->unsynced_bytes >= sync_bytes(queue)) queue->sync_asked = true;
    if (queue->sync_asked || queue->unsynced.count == 1) pthread_cond_broadcast(&queue->sync_cond);
}

void ccol__syncer_run(void *user)
{
    struct save_queue *queue = user;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping) {
        bool due = queue->sync_asked || (queue->next_sync_ms && ccol__clock_monotonic_ms() >= queue->next_sync_ms);
        if (due) {
            pthread_mutex_unlock(&queue->lock);
            ccol__syncer_flush(queue);
            pthread_mutex_lock(&queue->lock);
        } else if (queue->next_sync_ms) {
            ccol__cond_wait_until(&queue->sync_cond, &queue->lock, queue->next_sync_ms);
        } else {
            pthread_cond_wait(&queue->sync_cond, &queue->lock);
        }
    }
    pthread_mutex_unlock(&queue->lock);
}
