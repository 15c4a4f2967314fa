/* SPDX-License-Identifier: MIT */
/* The save queue's threads, or the host's loop in their place; and what they tell about themselves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/latch.h"
#include "base/thread.h"
#include "queue/save_queue_private.h"
#include "storage/storage.h"

#define DRAIN_LOOK_MS 50

static int start_threads(struct save_queue *queue)
{
    const struct worker_owner *owner = &queue->options.owner;
    int code =
        queue->spool ? ccol__worker_start(&queue->committer, owner, "ccol-commit", ccol__committer_run, queue) : 0;
    if (!code && ccol__storage_needs_sync(queue->options.storage))
        code = ccol__worker_start(&queue->syncer, owner, "ccol-sync", ccol__syncer_run, queue);
    for (unsigned i = 0; !code && i < queue->mover_count; i++) {
        struct mover *mover = &queue->movers[i];
        code = ccol__worker_start(&mover->worker, owner, "ccol-mover", ccol__crashmover_run, mover);
    }
    return code;
}

int ccol__save_queue_start(struct save_queue *queue, ccol_error *err)
{
    int code = queue->options.no_threads ? 0 : start_threads(queue);
    if (code) return ccol_fail(err, code, "cannot start the save queue's threads");
    /* An earlier process's storage may have left something to flush; this one has no thread for it. */
    if (!ccol__storage_needs_sync(queue->options.storage)) ccol__syncer_flush(queue);
    ccol__save_queue_wake_host(queue);
    return 0;
}

bool ccol__save_queue_is_own_thread(const struct save_queue *queue)
{
    bool own = ccol__worker_is_self(&queue->committer) || ccol__worker_is_self(&queue->syncer);
    for (unsigned i = 0; !own && i < queue->mover_count; i++)
        own = ccol__worker_is_self(&queue->movers[i].worker);
    return own;
}

/* Whose tasks no thread will do any more: what is only in memory goes to the spool if it is still to be saved and there
 * is one; else it is lost. */
static void keep_or_lose(struct save_queue *queue, struct queue_entry *entry)
{
    entry->open_tasks = 0;
    if (entry->place.segment) return;
    if (queue->spool && entry->state == RECORD_PENDING) {
        ccol__entry_list_push(&queue->incoming, entry);
        return;
    }
    ccol__log(queue->options.log, CCOL_LOG_ERROR, "queue", entry->id, "not %s when the collector stopped",
              entry->state == RECORD_PENDING ? "saved, and there is no spool to keep it," : "published");
    ccol__save_queue_leave(queue, entry);
    ccol__entry_free(entry);
}

void ccol__save_queue_finish(struct save_queue *queue)
{
    ccol__save_queue_refuse_awaited(queue);
    while (queue->spool && ccol__committer_commit(queue)) {
    }
    for (size_t i = 0; i <= queue->storage_count; i++)
        ccol__outlet_clear(&queue->outlets[i]);
    for (struct queue_entry *entry = queue->oldest, *next; entry; entry = next) {
        next = entry->newer;
        keep_or_lose(queue, entry);
    }
    while (queue->spool && ccol__committer_commit(queue)) {
    }
    ccol__syncer_flush(queue);
}

void ccol__save_queue_stop(struct save_queue *queue, uint64_t deadline_ms)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_cond_broadcast(&queue->incoming_cond);
    pthread_cond_broadcast(&queue->ready_cond);
    pthread_cond_broadcast(&queue->sync_cond);
    pthread_mutex_unlock(&queue->lock);
    ccol__worker_let_go(&queue->committer, deadline_ms);
    ccol__worker_let_go(&queue->syncer, deadline_ms);
    for (unsigned i = 0; i < queue->mover_count; i++)
        ccol__worker_let_go(&queue->movers[i].worker, deadline_ms);
    /* Who waits holds on to the owner, so it cannot be left to its end. */
    if (queue->options.no_threads) ccol__save_queue_finish(queue);
}

/* When the host's loop must call again even if nothing comes in. */
static void set_timer(struct save_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    uint64_t now = ccol__clock_monotonic_ms(), wake_ms = ccol__save_queue_next_ms(queue, now);
    if (queue->next_sync_ms && queue->next_sync_ms < wake_ms) wake_ms = queue->next_sync_ms;
    pthread_mutex_unlock(&queue->lock);
    if (wake_ms <= now) ccol__save_queue_wake_host(queue);
    struct itimerspec when = {0};
    if (wake_ms != UINT64_MAX && wake_ms > now) {
        when.it_value.tv_sec = (time_t)((wake_ms - now) / 1000);
        when.it_value.tv_nsec = (long)((wake_ms - now) % 1000) * 1000000 + 1;
    }
    timerfd_settime(queue->timer_fd, 0, &when, NULL);
}

int ccol__save_queue_fd(const struct save_queue *queue)
{
    return queue->epoll_fd;
}

static struct task *next_now(struct save_queue *queue)
{
    uint64_t wake_ms;
    pthread_mutex_lock(&queue->lock);
    struct task *task = ccol__save_queue_next(queue, &queue->movers[0], ccol__clock_monotonic_ms(), &wake_ms);
    pthread_mutex_unlock(&queue->lock);
    return task;
}

int ccol__save_queue_pump(struct save_queue *queue, unsigned max_saves)
{
    eventfd_t count;
    uint64_t ticks;
    (void)!eventfd_read(queue->event_fd, &count);
    (void)!read(queue->timer_fd, &ticks, sizeof ticks);
    while (queue->spool && ccol__committer_commit(queue)) {
    }
    uint64_t saved_before = queue->counts.saved;
    for (unsigned i = 0; i < max_saves && !queue->stopping; i++) {
        struct task *task = next_now(queue);
        if (!task) break;
        ccol__crashmover_move(&queue->movers[0], task);
    }
    if (queue->stopping) { /* a callback has freed its owner */
        ccol__save_queue_finish(queue);
        return (int)(queue->counts.saved - saved_before);
    }
    bool due = queue->sync_asked || (queue->next_sync_ms && ccol__clock_monotonic_ms() >= queue->next_sync_ms);
    if (due) ccol__syncer_flush(queue);
    set_timer(queue);
    return (int)(queue->counts.saved - saved_before);
}

/* true: empty. */
static bool wait_idle(struct save_queue *queue, uint64_t deadline_ms)
{
    pthread_mutex_lock(&queue->lock);
    while ((queue->counts.queued || queue->flushing) && ccol__clock_monotonic_ms() < deadline_ms)
        ccol__cond_wait_until(&queue->idle_cond, &queue->lock, deadline_ms);
    bool idle = queue->counts.queued == 0 && !queue->flushing;
    pthread_mutex_unlock(&queue->lock);
    return idle;
}

static bool pump_idle(struct save_queue *queue, uint64_t deadline_ms)
{
    while (queue->counts.queued && ccol__clock_monotonic_ms() < deadline_ms) {
        const struct timespec pause = {.tv_nsec = DRAIN_LOOK_MS * 1000000L};
        if (!ccol__save_queue_pump(queue, UINT32_MAX) && queue->counts.queued) nanosleep(&pause, NULL);
    }
    return queue->counts.queued == 0;
}

int ccol__save_queue_drain(struct save_queue *queue, unsigned timeout_ms)
{
    uint64_t deadline_ms = ccol__clock_monotonic_ms() + timeout_ms;
    for (;;) {
        bool idle = queue->options.no_threads ? pump_idle(queue, deadline_ms) : wait_idle(queue, deadline_ms);
        if (!idle) return -ETIMEDOUT;
        /* What cannot be flushed is queued again. */
        if (ccol__syncer_flush(queue)) return 0;
    }
}

struct giving {
    struct latch latch;
    int code;
    char text[TROUBLE_SIZE];
};

static void given(void *user, int code, const char *error_text)
{
    struct giving *giving = user;
    giving->code = code;
    snprintf(giving->text, sizeof giving->text, "%s", error_text);
    ccol__latch_set(&giving->latch);
}

/* Returns when the report is durable in the spool. */
static int give_back(void *user, ccol_report *report, ccol_error *err)
{
    struct save_queue *queue = user;
    struct giving giving = {0};
    ccol__latch_init(&giving.latch);
    int code = ccol__save_queue_enqueue(queue, report, report->verdict == 0, QUEUE_ACK_SPOOLED, given, &giving, err);
    if (!code) {
        while (queue->options.no_threads && !ccol__latch_is_set(&giving.latch))
            ccol__committer_commit(queue);
        ccol__latch_wait(&giving.latch);
        code = giving.code ? ccol_fail(err, giving.code, "%s", giving.text) : 0;
    }
    ccol__latch_fini(&giving.latch);
    return code;
}

void ccol__save_queue_take_retries(struct save_queue *queue)
{
    if (queue->quarantine) ccol__quarantine_retry_asked(queue->quarantine, give_back, queue);
}

static void outlet_well(struct save_queue *queue, struct outlet *outlet)
{
    pthread_mutex_lock(&queue->lock);
    if (ccol__gate_succeeded(&outlet->gate, ccol__clock_monotonic_ms())) {
        ccol__outlet_hurry(outlet);
        pthread_cond_broadcast(&queue->ready_cond);
        ccol__save_queue_wake_host(queue);
    }
    pthread_mutex_unlock(&queue->lock);
}

void ccol__save_queue_storage_well(struct save_queue *queue, size_t part)
{
    outlet_well(queue, &queue->outlets[part]);
}

void ccol__save_queue_publisher_well(struct save_queue *queue)
{
    outlet_well(queue, ccol__save_queue_publishing(queue));
}

void ccol__save_queue_stats_get(struct save_queue *queue, struct save_queue_stats *out)
{
    pthread_mutex_lock(&queue->lock);
    *out = queue->counts;
    uint64_t now = ccol__clock_monotonic_ms();
    out->oldest_age_ms = queue->oldest ? now - queue->oldest->arrived_ms : 0;
    pthread_mutex_unlock(&queue->lock);
    out->disk_bytes = queue->spool ? ccol__spool_disk_bytes(queue->spool) : 0;
}

static uint64_t longest_call(const struct save_queue *queue, const struct outlet *outlet, uint64_t now_ms)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < queue->mover_count; i++) {
        const struct mover *mover = &queue->movers[i];
        uint64_t since = atomic_load(&mover->call_since_ms);
        bool inside = atomic_load(&mover->in_call) == outlet;
        if (inside && now_ms > since && now_ms - since > longest) longest = now_ms - since;
    }
    return longest;
}

static void outlet_trouble(struct save_queue *queue, const struct outlet *outlet, char *text, size_t size)
{
    uint64_t now = ccol__clock_monotonic_ms(), longest = longest_call(queue, outlet, now);
    const char *doing = outlet->storage ? "saving" : "publishing";
    pthread_mutex_lock(&queue->lock);
    unsigned long long waiting = ccol__outlet_waiting(outlet);
    bool syncs = outlet->storage && ccol__storage_needs_sync(outlet->storage);
    text[0] = '\0';
    if (outlet->trouble[0])
        snprintf(text, size, "%s fails for %llu s, %llu reports wait: %s", doing,
                 (unsigned long long)((now - outlet->trouble_since_ms) / 1000), waiting, outlet->trouble);
    else if (syncs && queue->sync_trouble[0])
        snprintf(text, size, "what was saved cannot be flushed, and is saved again: %s", queue->sync_trouble);
    else if (longest >= queue->options.stall_after_ms)
        snprintf(text, size, "%s has had no answer for %llu s, %llu reports wait", doing,
                 (unsigned long long)(longest / 1000), waiting);
    pthread_mutex_unlock(&queue->lock);
}

void ccol__save_queue_storage_trouble(struct save_queue *queue, size_t part, char *text, size_t size)
{
    outlet_trouble(queue, &queue->outlets[part], text, size);
}

void ccol__save_queue_publisher_trouble(struct save_queue *queue, char *text, size_t size)
{
    outlet_trouble(queue, ccol__save_queue_publishing(queue), text, size);
}

void ccol__save_queue_spool_trouble(struct save_queue *queue, char *text, size_t size)
{
    text[0] = '\0';
    if (!queue->spool) return;
    if (!ccol__spool_has_room(queue->spool))
        snprintf(text, size, "the spool is full (%llu bytes on disk): uploads are refused with 503",
                 (unsigned long long)ccol__spool_disk_bytes(queue->spool));
    else
        ccol__spool_trouble(queue->spool, text, size);
}
