/* SPDX-License-Identifier: MIT */
#include "queue/save_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"
#include "queue/save_queue_private.h"
#include "storage/storage.h"

#define GATE_THRESHOLD_MIN 3
#define MEMORY_MAX_REPORTS 10000

void ccol__save_queue_wake_host(struct save_queue *queue)
{
    if (queue->event_fd >= 0) eventfd_write(queue->event_fd, 1);
}

static struct queue_entry *make_entry(const struct save_queue *queue, ccol_report *report, bool publish)
{
    struct queue_entry *entry = ccol__entry_new(queue);
    if (!entry) return NULL;
    entry->report = ccol_report_ref(report);
    entry->publish = publish && queue->options.publisher;
    entry->bytes = ccol__record_bytes(report);
    entry->received_us = report->received_us;
    entry->arrived_ms = ccol__clock_monotonic_ms();
    memcpy(entry->id, report->id, sizeof entry->id);
    return entry;
}

static int admit(struct save_queue *queue, uint64_t bytes, ccol_error *err)
{
    const struct save_queue_options *options = &queue->options;
    if (queue->stopping) return ccol_fail(err, CCOL_ECLOSED, "the collector is shutting down");
    if (bytes > options->max_bytes - (queue->spool ? SEGMENT_HEADER_BYTES : 0))
        return ccol_fail(err, CCOL_ETOOLARGE, "the report is larger than spool_max_bytes (%llu): it can never be kept",
                         (unsigned long long)options->max_bytes);
    if (options->max_reports && queue->counts.queued >= options->max_reports)
        return ccol_fail(err, CCOL_EFULL,
                         "the save queue is full (%llu reports): reports are not being saved fast enough",
                         (unsigned long long)queue->counts.queued);
    bool in_memory = !queue->spool || options->ack != QUEUE_ACK_SPOOLED;
    if (in_memory && queue->counts.queued_bytes + bytes > options->max_bytes)
        return ccol_fail(err, CCOL_EFULL,
                         "the save queue is full (%llu bytes): reports are not being saved fast enough",
                         (unsigned long long)queue->counts.queued_bytes);
    if (!in_memory && !ccol__spool_has_room(queue->spool))
        return ccol_fail(err, CCOL_EFULL, "the spool is full: reports are not being saved fast enough");
    return 0;
}

int ccol__save_queue_admit(struct save_queue *queue, uint64_t bytes, ccol_error *err)
{
    pthread_mutex_lock(&queue->lock);
    int code = admit(queue, bytes, err);
    pthread_mutex_unlock(&queue->lock);
    return code;
}

int ccol__save_queue_submit(struct save_queue *queue, ccol_report *report, bool publish, save_queue_done done,
                            void *user, ccol_error *err)
{
    return ccol__save_queue_enqueue(queue, report, publish, queue->options.ack, done, user, err);
}

int ccol__save_queue_enqueue(struct save_queue *queue, ccol_report *report, bool publish, enum queue_ack ack,
                             save_queue_done done, void *user, ccol_error *err)
{
    struct queue_entry *entry = make_entry(queue, report, publish);
    if (!entry) return ccol_fail(err, -ENOMEM, "cannot queue the report");
    bool durable = ack == QUEUE_ACK_SPOOLED, now = ack == QUEUE_ACK_QUEUED;
    entry->done = now ? NULL : done;
    entry->user = user;
    pthread_mutex_lock(&queue->lock);
    int code = admit(queue, entry->bytes, err);
    if (!code) {
        ccol__save_queue_join(queue, entry);
        if (durable) {
            ccol__entry_list_push(&queue->incoming, entry);
            pthread_cond_signal(&queue->incoming_cond);
        } else {
            ccol__save_queue_ready(queue, entry);
        }
        queue->counts.accepted += now ? 1 : 0;
    }
    pthread_mutex_unlock(&queue->lock);
    if (code) {
        ccol__entry_free(entry);
        return code;
    }
    ccol__save_queue_wake_host(queue);
    if (now) done(user, 0, "");
    return 0;
}

/* A record that an earlier process left. */
static int take_up(void *user, const struct spool_found *found)
{
    struct save_queue *queue = user;
    struct queue_entry *entry = ccol__entry_new(queue);
    if (!entry) return -ENOMEM;
    entry->place = found->place;
    entry->state = found->state;
    entry->progress = found->progress;
    entry->publish = queue->options.publisher && found->header.verdict == 0;
    entry->bytes = found->header.record_bytes;
    entry->received_us = found->header.received_us;
    entry->arrived_ms = ccol__clock_monotonic_ms();
    memcpy(entry->id, found->header.id, CRASH_ID_LENGTH);
    if (entry->state == RECORD_DONE) { /* but for a flush of the storage */
        ccol__syncer_add(queue, entry);
        return 0;
    }
    ccol__save_queue_join(queue, entry);
    queue->counts.recovered++;
    ccol__metrics_count(queue->options.metrics, METRIC_RECOVERED, NULL);
    ccol__save_queue_ready(queue, entry);
    return 0;
}

static int open_host_fds(struct save_queue *queue, ccol_error *err)
{
    queue->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    bool good = queue->epoll_fd >= 0 && queue->event_fd >= 0 && queue->timer_fd >= 0 &&
                epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, queue->event_fd, &event) == 0 &&
                epoll_ctl(queue->epoll_fd, EPOLL_CTL_ADD, queue->timer_fd, &event) == 0;
    return good ? 0 : ccol_fail(err, -errno, "cannot make the descriptors for the host's event loop");
}

/* One outlet per storage and one for the publisher. Each may have as many crashmovers as the options say, and one is
 * left for each other outlet. */
static int make_outlets(struct save_queue *queue, ccol_storage *const *storages, ccol_error *err)
{
    const struct save_queue_options *options = &queue->options;
    unsigned threshold = options->crashmovers > GATE_THRESHOLD_MIN ? options->crashmovers : GATE_THRESHOLD_MIN;
    queue->mover_count = options->crashmovers + (unsigned)queue->storage_count - (options->publisher ? 0 : 1);
    queue->outlets = calloc(queue->storage_count + 1, sizeof *queue->outlets);
    queue->movers = calloc(queue->mover_count, sizeof *queue->movers);
    if (!queue->outlets || !queue->movers) return ccol_fail(err, -ENOMEM, "cannot make the crashmovers");
    for (size_t i = 0; i < queue->storage_count; i++)
        ccol__outlet_init(&queue->outlets[i], storages[i], UINT32_C(1) << i, threshold);
    ccol__outlet_init(ccol__save_queue_publishing(queue), NULL, 0, threshold);
    for (unsigned i = 0; i < queue->mover_count; i++)
        queue->movers[i].queue = queue;
    return 0;
}

static int open_spool(struct save_queue *queue, ccol_storage *const *storages, ccol_error *err)
{
    const struct save_queue_options *options = &queue->options;
    struct spool_options spool = {.dir = options->spool_dir,
                                  .segment_bytes = options->segment_bytes,
                                  .max_bytes = options->max_bytes,
                                  .no_threads = options->no_threads,
                                  .storages = storages,
                                  .storage_count = queue->storage_count,
                                  .log = options->log,
                                  .metrics = options->metrics};
    int code = ccol__spool_open(&queue->spool, &spool, take_up, queue, err);
    return code ? code : ccol__quarantine_open(&queue->quarantine, options->spool_dir, options->log, err);
}

static int open_queue(struct save_queue *queue, ccol_error *err)
{
    ccol_storage *const *storages;
    queue->storage_count = ccol__storage_parts(&queue->options.storage, &storages);
    int code = make_outlets(queue, storages, err);
    if (!code && queue->options.no_threads) code = open_host_fds(queue, err);
    return code || !queue->options.spool_dir ? code : open_spool(queue, storages, err);
}

int ccol__save_queue_new(struct save_queue **out, const struct save_queue_options *options, ccol_error *err)
{
    struct save_queue *queue = calloc(1, sizeof *queue);
    if (!queue) return ccol_fail(err, -ENOMEM, "cannot make the save queue");
    queue->options = *options;
    queue->epoll_fd = queue->event_fd = queue->timer_fd = -1;
    if (!options->spool_dir && !options->max_reports) queue->options.max_reports = MEMORY_MAX_REPORTS;
    pthread_mutex_init(&queue->lock, NULL);
    ccol__cond_init(&queue->incoming_cond);
    ccol__cond_init(&queue->ready_cond);
    ccol__cond_init(&queue->sync_cond);
    ccol__cond_init(&queue->idle_cond);
    ccol__entry_list_init(&queue->incoming);
    ccol__entry_list_init(&queue->unsynced);
    queue->backoff = (struct backoff){.first_ms = options->retry_first_ms, .max_ms = options->retry_max_ms};
    ccol__random_bytes(&queue->backoff.random, sizeof queue->backoff.random);
    int code = open_queue(queue, err);
    if (code) {
        ccol__save_queue_free(queue);
        return code;
    }
    *out = queue;
    return 0;
}

/* What is still to be done is in the spool, or has been told to be lost. */
static void free_entries(struct save_queue *queue)
{
    for (struct queue_entry *entry = queue->oldest, *next; entry; entry = next) {
        next = entry->newer;
        ccol__entry_free(entry);
    }
    for (struct queue_entry *entry; (entry = ccol__entry_list_pop(&queue->unsynced));)
        ccol__entry_free(entry);
}

void ccol__save_queue_free(struct save_queue *queue)
{
    if (!queue) return;
    ccol__spool_close(queue->spool);
    ccol__quarantine_close(queue->quarantine);
    free_entries(queue);
    for (size_t i = 0; queue->outlets && i <= queue->storage_count; i++)
        ccol__outlet_fini(&queue->outlets[i]);
    free(queue->outlets);
    for (unsigned i = 0; queue->movers && i < queue->mover_count; i++)
        ccol__worker_fini(&queue->movers[i].worker);
    free(queue->movers);
    ccol__worker_fini(&queue->committer);
    ccol__worker_fini(&queue->syncer);
    if (queue->epoll_fd >= 0) close(queue->epoll_fd);
    if (queue->event_fd >= 0) close(queue->event_fd);
    if (queue->timer_fd >= 0) close(queue->timer_fd);
    pthread_cond_destroy(&queue->incoming_cond);
    pthread_cond_destroy(&queue->ready_cond);
    pthread_cond_destroy(&queue->sync_cond);
    pthread_cond_destroy(&queue->idle_cond);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}
