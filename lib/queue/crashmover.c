/* SPDX-License-Identifier: MIT */
/* Does one task: saves a report at one storage, or publishes its id; the last one lets the spool forget the report. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "queue/save_queue_private.h"
#include "storage/storage.h"

static double elapsed_ms(uint64_t began_us)
{
    return (double)(ccol__clock_monotonic_us() - began_us) / 1000.0;
}

static void begin_call(struct mover *mover, uint64_t now_us)
{
    atomic_store(&mover->call_since_ms, now_us / 1000);
    atomic_store(&mover->in_call, mover->outlet);
}

static void end_call(struct mover *mover)
{
    atomic_store(&mover->in_call, NULL);
}

/* Tells who wants to know of errors that nobody handles. */
static void tell_incident(const struct save_queue *queue, const struct queue_entry *entry, const char *part, int code,
                          const char *what, const char *why)
{
    const ccol_incident incident = {.part = part, .code = code, .crash_id = entry->id};
    ccol__incident(queue->options.incidents, &incident, "%s: %s", what, why);
}

static void drop_report(struct queue_entry *entry)
{
    ccol_report_unref(entry->report);
    entry->report = NULL;
}

/* The end of the way: nothing more is to be done for it but, with some storages, a flush. */
static void finish(struct save_queue *queue, struct queue_entry *entry, enum record_state state)
{
    bool waits_for_sync =
        entry->place.segment && state == RECORD_DONE && ccol__storage_needs_sync(queue->options.storage);
    entry->state = state;
    ccol__spool_mark(queue->spool, &entry->place, state, !waits_for_sync);
    if (state == RECORD_DONE) {
        ccol__metrics_count(queue->options.metrics, METRIC_SAVE_CRASH, NULL);
        double handled = (double)(ccol__clock_now_us() - entry->received_us) / 1000.0;
        ccol__metrics_observe(queue->options.metrics, METRIC_CRASH_HANDLING, NULL, handled > 0 ? handled : 0);
    }
    drop_report(entry);
    pthread_mutex_lock(&queue->lock);
    ccol__save_queue_leave(queue, entry);
    if (waits_for_sync) ccol__syncer_add(queue, entry);
    pthread_mutex_unlock(&queue->lock);
    if (!waits_for_sync) ccol__entry_free(entry);
}

/* No storage has anything to do for it any more. */
static void settle(struct save_queue *queue, struct queue_entry *entry)
{
    bool kept_nowhere = (entry->progress & ~entry->refused) == 0;
    if (entry->given_up || kept_nowhere) {
        finish(queue, entry, RECORD_FAILED);
        return;
    }
    ccol__log(queue->options.log, CCOL_LOG_INFO, "crashmover", entry->id, "saved");
    pthread_mutex_lock(&queue->lock);
    queue->counts.saved++;
    queue->counts.accepted += entry->done ? 1 : 0;
    pthread_mutex_unlock(&queue->lock);
    ccol__save_queue_answer(queue, entry, 0, "");
    entry->state = RECORD_SAVED;
    if (!entry->publish) {
        finish(queue, entry, RECORD_DONE);
        return;
    }
    ccol__spool_mark(queue->spool, &entry->place, RECORD_SAVED, !ccol__storage_needs_sync(queue->options.storage));
    drop_report(entry);
    pthread_mutex_lock(&queue->lock);
    ccol__save_queue_ready(queue, entry);
    pthread_mutex_unlock(&queue->lock);
}

/* Whether it waits for a storage that is left alone for now. */
static bool waits_behind_gate(const struct save_queue *queue, const struct queue_entry *entry)
{
    for (size_t i = 0; i < queue->storage_count; i++) {
        const struct outlet *outlet = &queue->outlets[i];
        if (!(entry->progress & outlet->bit) && outlet->gate.closed_until_ms) return true;
    }
    return false;
}

/* This storage has nothing to do for it any more. */
static void close_task(struct mover *mover, struct task *task)
{
    struct save_queue *queue = mover->queue;
    struct queue_entry *entry = task->entry;
    ccol_report *dropped = NULL;
    pthread_mutex_lock(&queue->lock);
    entry->progress |= mover->outlet->bit;
    bool last = --entry->open_tasks == 0;
    if (!last) {
        ccol__spool_mark_progress(queue->spool, &entry->place, entry->progress);
        /* Memory is not for what waits; the spool has it. */
        if (entry->place.segment && waits_behind_gate(queue, entry)) {
            dropped = entry->report;
            entry->report = NULL;
        }
    }
    pthread_mutex_unlock(&queue->lock);
    ccol_report_unref(dropped);
    if (last) settle(queue, entry);
}

/* Under the lock. */
static void note_failure(struct save_queue *queue, struct outlet *outlet, const ccol_error *err)
{
    uint64_t now = ccol__clock_monotonic_ms();
    if (!outlet->gate.failures) outlet->trouble_since_ms = now;
    ccol__gate_failed(&outlet->gate, &queue->backoff, now, err->retry_after_s);
    snprintf(outlet->trouble, sizeof outlet->trouble, "%.*s", TROUBLE_SIZE - 1, err->text);
}

static void note_success(struct save_queue *queue, struct outlet *outlet)
{
    pthread_mutex_lock(&queue->lock);
    outlet->trouble[0] = '\0';
    if (ccol__gate_succeeded(&outlet->gate, ccol__clock_monotonic_ms())) {
        ccol__outlet_hurry(outlet);
        pthread_cond_broadcast(&queue->ready_cond);
    }
    pthread_mutex_unlock(&queue->lock);
}

/* Who was let through the gate found nothing out. */
static void pass_unused(struct mover *mover)
{
    pthread_mutex_lock(&mover->queue->lock);
    ccol__gate_unused(&mover->outlet->gate, ccol__clock_monotonic_ms());
    pthread_mutex_unlock(&mover->queue->lock);
}

static void wait_again(struct mover *mover, struct task *task, unsigned retry_after_s)
{
    struct save_queue *queue = mover->queue;
    struct queue_entry *entry = task->entry;
    ccol_report *dropped = NULL;
    pthread_mutex_lock(&queue->lock);
    if (entry->place.segment) {
        dropped = entry->report;
        entry->report = NULL;
    }
    ccol__save_queue_put_off(queue, mover->outlet, task, retry_after_s);
    pthread_mutex_unlock(&queue->lock);
    ccol_report_unref(dropped);
}

/* It must wait for a reason that says nothing about the storage. */
static void put_back(struct mover *mover, struct task *task, const ccol_error *err)
{
    ccol__log(mover->queue->options.log, CCOL_LOG_ERROR, "crashmover", task->entry->id, "it stays in the queue: %s",
              err->text);
    pass_unused(mover);
    wait_again(mover, task, 0);
}

static void put_off(struct mover *mover, struct task *task, const ccol_error *err)
{
    struct save_queue *queue = mover->queue;
    bool saving = mover->outlet->storage != NULL;
    ccol__log(queue->options.log, CCOL_LOG_WARNING, saving ? "crashmover.save" : "crashmover.publish", task->entry->id,
              "failed, attempt %u, will be tried again: %s", task->attempts + 1, err->text);
    ccol__metrics_count(queue->options.metrics, METRIC_RETRY,
                        saving ? "save_crash_exception.count" : "publish_crash_exception.count");
    /* Once per report, when what a submitter's patience would be is over; the reporter keeps an outage from flooding.
     */
    if (task->attempts + 1 == queue->options.save_attempts)
        tell_incident(queue, task->entry, saving ? "crashmover.save" : "crashmover.publish", err->code,
                      "it keeps failing, and is tried on", err->text);
    pthread_mutex_lock(&queue->lock);
    if (saving) queue->counts.save_errors++;
    note_failure(queue, mover->outlet, err);
    pthread_mutex_unlock(&queue->lock);
    wait_again(mover, task, err->retry_after_s);
}

/* Refuses for good: the report goes into quarantine, or its submitter is told if it still waits. Takes over the
 * report: its memory is given back before the entry counts as done. */
static void refuse(struct mover *mover, struct task *task, ccol_report *report, const char *metric_reason,
                   const char *reason)
{
    struct save_queue *queue = mover->queue;
    struct queue_entry *entry = task->entry;
    ccol_error err = {0};
    bool kept = queue->quarantine && !task->awaited;
    int code = kept ? ccol__quarantine_put(queue->quarantine, report, reason, &err) : 0;
    ccol_report_unref(report);
    if (code) {
        put_back(mover, task, &err);
        return;
    }
    ccol__log(queue->options.log, CCOL_LOG_ERROR, "crashmover.save", entry->id, "%s: %s",
              kept ? "moved to the quarantine (failed/)" : "dropped", reason);
    tell_incident(queue, entry, "crashmover.save", CCOL_EREJECTED,
                  kept ? "a report was moved to the quarantine" : "a report was dropped", reason);
    ccol__metrics_count(queue->options.metrics, METRIC_SAVE_DROPPED, NULL);
    if (kept) ccol__metrics_count(queue->options.metrics, METRIC_QUARANTINED, metric_reason);
    ccol__save_queue_answer(queue, entry, CCOL_EREJECTED, reason);
    pthread_mutex_lock(&queue->lock);
    queue->counts.quarantined += kept ? 1 : 0;
    entry->refused |= mover->outlet->bit;
    entry->given_up = entry->given_up || task->awaited;
    pthread_mutex_unlock(&queue->lock);
    close_task(mover, task);
}

/* The record is not what was written: what is left of it is set aside, once. */
static void give_up_damaged(struct mover *mover, struct task *task, const char *why)
{
    struct save_queue *queue = mover->queue;
    struct queue_entry *entry = task->entry;
    pass_unused(mover);
    pthread_mutex_lock(&queue->lock);
    bool first = !entry->given_up;
    entry->given_up = true;
    pthread_mutex_unlock(&queue->lock);
    if (first) {
        tell_incident(queue, entry, "spool", CCOL_EFORMAT, "a report in the spool is damaged", why);
        ccol__spool_set_aside(queue->spool, entry->place.segment, entry->place.offset, entry->place.bytes, entry->id,
                              why);
    }
    close_task(mover, task);
}

/* The report, to be unrefed; NULL: it is not to be had, and the task is seen to. */
static ccol_report *take_report(struct mover *mover, struct task *task)
{
    struct save_queue *queue = mover->queue;
    struct queue_entry *entry = task->entry;
    pthread_mutex_lock(&queue->lock);
    bool given_up = entry->given_up;
    ccol_report *report = given_up ? NULL : ccol_report_ref(entry->report);
    pthread_mutex_unlock(&queue->lock);
    if (report) return report;
    if (given_up) {
        pass_unused(mover);
        close_task(mover, task);
        return NULL;
    }
    ccol_error err = {0};
    int code = ccol__spool_load(&entry->place, queue->options.pool, &report, &err);
    if (!code) return report;
    if (code == CCOL_EFORMAT)
        give_up_damaged(mover, task, err.text);
    else
        put_back(mover, task, &err);
    return NULL;
}

static bool too_old(const struct save_queue *queue, const struct task *task)
{
    uint64_t most = queue->options.max_age_s;
    return most && task->attempts && ccol__clock_now_us() - task->entry->received_us > (int64_t)(most * 1000000);
}

/* A submitter that waits for the storage (ack stored) is not kept waiting for ever. */
static bool patience_ends(const struct save_queue *queue, const struct task *task)
{
    return task->awaited && task->attempts + 1 >= queue->options.save_attempts;
}

static int save_once(struct mover *mover, struct task *task, const ccol_report *report, ccol_error *err)
{
    struct save_queue *queue = mover->queue;
    ccol_storage *storage = mover->outlet->storage;
    uint64_t began = ccol__clock_monotonic_us();
    task->sync_failures = atomic_load(&queue->sync_failures);
    begin_call(mover, began);
    int code = ccol_storage_save(storage, report, err);
    /* Who waits for the storage waits until what it has is durable. */
    if (!code && task->awaited && ccol__storage_needs_sync(storage)) code = ccol__syncer_round(queue, err);
    end_call(mover);
    ccol__metrics_observe(queue->options.metrics, METRIC_CRASH_SAVE, NULL, elapsed_ms(began));
    return code;
}

static void save(struct mover *mover, struct task *task)
{
    struct save_queue *queue = mover->queue;
    ccol_report *report = take_report(mover, task);
    if (!report) return;
    ccol_error err = {0};
    if (too_old(queue, task)) {
        pass_unused(mover);
        refuse(mover, task, report, "age", "it could not be saved within spool_max_age");
        return;
    }
    int code = save_once(mover, task, report, &err);
    if (code && ccol_error_is_permanent(code)) {
        pass_unused(mover); /* it is about this report, so the next one may try */
        refuse(mover, task, report, "refused", err.text);
    } else if (code && patience_ends(queue, task)) {
        pthread_mutex_lock(&queue->lock);
        queue->counts.save_errors++;
        note_failure(queue, mover->outlet, &err);
        pthread_mutex_unlock(&queue->lock);
        refuse(mover, task, report, "attempts", err.text);
    } else if (code) {
        ccol_report_unref(report);
        put_off(mover, task, &err);
    } else {
        ccol_report_unref(report);
        note_success(queue, mover->outlet);
        close_task(mover, task);
    }
}

static int publish_once(struct mover *mover, const struct queue_entry *entry, ccol_error *err)
{
    struct save_queue *queue = mover->queue;
    uint64_t began = ccol__clock_monotonic_us();
    begin_call(mover, began);
    int code = ccol_publisher_publish(queue->options.publisher, entry->id, err);
    end_call(mover);
    ccol__metrics_observe(queue->options.metrics, METRIC_CRASH_PUBLISH, NULL, elapsed_ms(began));
    return code;
}

static void publish(struct mover *mover, struct task *task)
{
    struct save_queue *queue = mover->queue;
    struct queue_entry *entry = task->entry;
    ccol_error err = {0};
    int code = entry->publish ? publish_once(mover, entry, &err) : 0;
    if (code && !ccol_error_is_permanent(code)) {
        put_off(mover, task, &err);
        return;
    }
    if (code) {
        pass_unused(mover);
        ccol__metrics_count(queue->options.metrics, METRIC_PUBLISH_DROPPED, NULL);
        ccol__log(queue->options.log, CCOL_LOG_ERROR, "crashmover.publish", entry->id, "saved but never published: %s",
                  err.text);
        tell_incident(queue, entry, "crashmover.publish", code, "a crash id was never published", err.text);
    } else if (entry->publish) {
        note_success(queue, mover->outlet);
        pthread_mutex_lock(&queue->lock);
        queue->counts.published++;
        pthread_mutex_unlock(&queue->lock);
        ccol__log(queue->options.log, CCOL_LOG_INFO, "crashmover", entry->id, "published");
    }
    entry->open_tasks = 0;
    finish(queue, entry, RECORD_DONE);
}

void ccol__crashmover_move(struct mover *mover, struct task *task)
{
    if (mover->outlet->storage)
        save(mover, task);
    else
        publish(mover, task);
}

/* Under the lock, which is let go meanwhile. */
static void wait_until(struct save_queue *queue, uint64_t wake_ms)
{
    queue->idle_movers++;
    if (wake_ms == UINT64_MAX)
        pthread_cond_wait(&queue->ready_cond, &queue->lock);
    else
        ccol__cond_wait_until(&queue->ready_cond, &queue->lock, wake_ms);
    queue->idle_movers--;
}

static struct task *wait_for_work(struct mover *mover)
{
    struct save_queue *queue = mover->queue;
    struct task *task = NULL;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stopping) {
        uint64_t wake_ms;
        task = ccol__save_queue_next(queue, mover, ccol__clock_monotonic_ms(), &wake_ms);
        if (task) break;
        wait_until(queue, wake_ms);
    }
    bool wake_another = task && queue->idle_movers && ccol__save_queue_has_ready(queue);
    pthread_mutex_unlock(&queue->lock);
    if (wake_another) pthread_cond_signal(&queue->ready_cond);
    return task;
}

void ccol__crashmover_run(void *user)
{
    struct mover *mover = user;
    for (struct task *task; (task = wait_for_work(mover));)
        ccol__crashmover_move(mover, task);
    ccol__save_queue_refuse_awaited(mover->queue);
}
