/* SPDX-License-Identifier: MIT */
/* What the parts of the save queue share. An entry is in the incoming list, or has open tasks (outlet.h), or is in the
 * unsynced list, or in the hands of one thread. `lock` guards all of it; who holds an entry's last open task has the
 * entry for himself. */
#ifndef CCOL_QUEUE_SAVE_QUEUE_PRIVATE_H
#define CCOL_QUEUE_SAVE_QUEUE_PRIVATE_H

#include <pthread.h>

#include "queue/outlet.h"
#include "queue/quarantine.h"
#include "queue/save_queue.h"
#include "queue/spool.h"

#define COMMIT_BATCH   256
#define SYNC_PERIOD_MS 5000

struct queue_entry {
    struct queue_entry *next;
    struct queue_entry *older, *newer; /* among all that are queued, by arrival */
    ccol_report *report;               /* NULL: only in the spool */
    struct spool_place place;          /* segment NULL: only in memory */
    enum record_state state;
    bool publish;
    bool given_up;     /* nothing more is tried: its submitter was refused, or the record is damaged */
    uint32_t progress; /* bits of the storages that have it, or refused it */
    uint32_t refused;  /* of those, they refused it for good */
    unsigned open_tasks;
    uint64_t arrived_ms;
    int64_t received_us;
    uint64_t bytes;
    char id[CRASH_ID_LENGTH + 1];
    save_queue_done done; /* NULL once called */
    void *user;
    struct task tasks[]; /* one per storage; the first serves for publishing afterwards */
};

struct entry_list {
    struct queue_entry *first, **end;
    size_t count;
};

struct mover {
    struct save_queue *queue;
    struct worker worker;
    struct outlet *outlet;          /* that it is at; NULL: it looks for work */
    struct outlet *_Atomic in_call; /* inside whose call it is; NULL: none */
    _Atomic uint64_t call_since_ms;
};

struct save_queue {
    struct save_queue_options options;
    struct spool *spool;           /* NULL: memory only */
    struct quarantine *quarantine; /* NULL likewise */

    pthread_mutex_t lock;
    pthread_cond_t incoming_cond, ready_cond, sync_cond, idle_cond;
    struct entry_list incoming;
    struct outlet *outlets; /* one per storage, then the publisher's */
    size_t storage_count;
    size_t turn; /* at which storage the search for work begins */
    struct entry_list unsynced;
    uint64_t unsynced_bytes;
    struct queue_entry *oldest, *newest;
    struct backoff backoff;
    unsigned idle_movers, busy_movers;
    bool stopping, sync_asked, syncing;
    uint64_t sync_rounds_begun, sync_rounds_ended, next_sync_ms;
    unsigned flushing;               /* flushes under way */
    atomic_uint sync_failures;       /* failed rounds so far */
    char sync_trouble[TROUBLE_SIZE]; /* of the last round, "" if it succeeded */
    struct save_queue_stats counts;

    struct worker committer, syncer;
    struct mover *movers;
    unsigned mover_count;

    int epoll_fd, event_fd, timer_fd; /* no_threads; else -1 */
};

/* entry.c */
/* A new one with its tasks closed; NULL: memory. */
struct queue_entry *ccol__entry_new(const struct save_queue *queue);
void ccol__entry_free(struct queue_entry *entry);
void ccol__entry_list_init(struct entry_list *list);
void ccol__entry_list_push(struct entry_list *list, struct queue_entry *entry);
struct queue_entry *ccol__entry_list_pop(struct entry_list *list);
/* Into the count of queued ones, and out of it; under the lock. */
void ccol__save_queue_join(struct save_queue *queue, struct queue_entry *entry);
void ccol__save_queue_leave(struct save_queue *queue, struct queue_entry *entry);
/* Under the lock: opens a task at each storage that does not have it, or the one for publishing. */
void ccol__save_queue_ready(struct save_queue *queue, struct queue_entry *entry);
/* Calls back who waits for it, if any; without the lock. */
void ccol__save_queue_answer(struct save_queue *queue, struct queue_entry *entry, int code, const char *error_text);
/* Once the queue stops: who waits for the storage is told that it is over. */
void ccol__save_queue_refuse_awaited(struct save_queue *queue);

/* turns.c: who does what next; under the lock. */
struct outlet *ccol__save_queue_publishing(const struct save_queue *queue);
/* The next task for this crashmover, who is then at its outlet, or NULL and in *wake_ms when to look again (UINT64_MAX:
 * when told). What the crashmover was at before is over. */
struct task *ccol__save_queue_next(struct save_queue *queue, struct mover *mover, uint64_t now_ms, uint64_t *wake_ms);
/* When next() would have a task: now_ms if at once, UINT64_MAX: when told. */
uint64_t ccol__save_queue_next_ms(const struct save_queue *queue, uint64_t now_ms);
bool ccol__save_queue_has_ready(const struct save_queue *queue);
void ccol__save_queue_put_off(struct save_queue *queue, struct outlet *outlet, struct task *task,
                              unsigned retry_after_s);

/* Without the lock. Submits under another promise than the queue's usual one. */
int ccol__save_queue_enqueue(struct save_queue *queue, ccol_report *report, bool publish, enum queue_ack ack,
                             save_queue_done done, void *user, ccol_error *err);
/* Tells the host's loop that there is work. */
void ccol__save_queue_wake_host(struct save_queue *queue);

/* committer.c */
void ccol__committer_run(void *queue);
/* One group commit of what waits. false: nothing waited. */
bool ccol__committer_commit(struct save_queue *queue);

/* crashmover.c */
void ccol__crashmover_run(void *mover);
void ccol__crashmover_move(struct mover *mover, struct task *task);

/* syncer.c */
void ccol__syncer_run(void *queue);
/* Makes durable what was saved before the call; several callers share a round. On a failure *err tells it. */
int ccol__syncer_round(struct save_queue *queue, ccol_error *err);
/* A round, and then forgets what it covered. false: some of it must be saved again. */
bool ccol__syncer_flush(struct save_queue *queue);
/* Under the lock: what is done but for a flush. */
void ccol__syncer_add(struct save_queue *queue, struct queue_entry *entry);

#endif
