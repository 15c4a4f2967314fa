/* SPDX-License-Identifier: MIT */
/* The save queue: takes sealed reports, makes them durable in the spool, has crashmovers save and publish them, and
 * forgets them once that is durable too. Thread-safe. */
#ifndef CCOL_QUEUE_SAVE_QUEUE_H
#define CCOL_QUEUE_SAVE_QUEUE_H

#include <crashcollect/publish.h>
#include <crashcollect/storage.h>

#include "base/incident.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/worker.h"

struct save_queue;

/* The public ccol_ack, which only the collector's headers know. */
enum queue_ack { QUEUE_ACK_SPOOLED, QUEUE_ACK_STORED, QUEUE_ACK_QUEUED };

struct save_queue_options {
    ccol_storage *storage;     /* borrowed, as are all pointers here */
    ccol_publisher *publisher; /* NULL: none */
    const char *spool_dir;     /* NULL: memory only */
    enum queue_ack ack;
    unsigned crashmovers;
    bool no_threads;
    uint64_t max_bytes, max_reports, segment_bytes;
    unsigned max_age_s; /* 0: none */
    unsigned save_attempts, retry_first_ms, retry_max_ms, stall_after_ms;
    struct crash_pool *pool;
    const struct log *log;
    const struct incidents *incidents;
    struct metrics *metrics;
    struct worker_owner owner; /* of its threads; the last one to leave may free the queue */
};

struct save_queue_stats {
    uint64_t queued, queued_bytes, oldest_age_ms;
    uint64_t accepted, saved, published, quarantined, save_errors, commits, recovered;
    uint64_t disk_bytes;
};

/* Called once per submitted report; code 0: the ack mode's promise holds. */
typedef void (*save_queue_done)(void *user, int code, const char *error_text);

int ccol__save_queue_new(struct save_queue **out, const struct save_queue_options *options, ccol_error *err);
/* Starts the threads (after every other part of the owner is in place). */
int ccol__save_queue_start(struct save_queue *queue, ccol_error *err);
/* Takes its own reference to the sealed report. On an error done is never called. */
int ccol__save_queue_submit(struct save_queue *queue, ccol_report *report, bool publish, save_queue_done done,
                            void *user, ccol_error *err);
/* Whether one more report of that many bytes would be taken now; CCOL_EFULL or CCOL_ECLOSED with the reason. */
int ccol__save_queue_admit(struct save_queue *queue, uint64_t bytes, ccol_error *err);

/* 0 when nothing is left to save or publish, -ETIMEDOUT. */
int ccol__save_queue_drain(struct save_queue *queue, unsigned timeout_ms);
/* Lets running saves end and answers all who wait; no report is taken any more. Waits for its threads until
 * deadline_ms; with 0, for a caller that is one of them, they leave by themselves. */
void ccol__save_queue_stop(struct save_queue *queue, uint64_t deadline_ms);
bool ccol__save_queue_is_own_thread(const struct save_queue *queue);
/* After stop, when no thread is left: what is only in memory goes to the spool if there is one. */
void ccol__save_queue_finish(struct save_queue *queue);
/* After finish. What is not saved stays in the spool. */
void ccol__save_queue_free(struct save_queue *queue);

/* For hosts with an event loop (no_threads). */
int ccol__save_queue_fd(const struct save_queue *queue);
int ccol__save_queue_pump(struct save_queue *queue, unsigned max_saves);

/* Puts back what `queue retry` asked for. */
void ccol__save_queue_take_retries(struct save_queue *queue);
/* A storage (the part-th of ccol__storage_parts), or the publisher, was found well: what was put off because of it is
 * tried at once. */
void ccol__save_queue_storage_well(struct save_queue *queue, size_t part);
void ccol__save_queue_publisher_well(struct save_queue *queue);

void ccol__save_queue_stats_get(struct save_queue *queue, struct save_queue_stats *out);
/* What is wrong, "" if nothing: with saving at the part-th storage, publishing, the spool. For health. */
void ccol__save_queue_storage_trouble(struct save_queue *queue, size_t part, char *text, size_t size);
void ccol__save_queue_publisher_trouble(struct save_queue *queue, char *text, size_t size);
void ccol__save_queue_spool_trouble(struct save_queue *queue, char *text, size_t size);

#endif
