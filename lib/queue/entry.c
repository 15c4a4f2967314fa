/* SPDX-License-Identifier: MIT */
/* Reports in the save queue. */
#include <stdlib.h>

#include "queue/save_queue_private.h"

struct queue_entry *ccol__entry_new(const struct save_queue *queue)
{
    struct queue_entry *entry = calloc(1, sizeof *entry + queue->storage_count * sizeof entry->tasks[0]);
    for (size_t i = 0; entry && i < queue->storage_count; i++)
        entry->tasks[i].entry = entry;
    return entry;
}

void ccol__entry_free(struct queue_entry *entry)
{
    ccol_report_unref(entry->report);
    free(entry);
}

void ccol__entry_list_init(struct entry_list *list)
{
    *list = (struct entry_list){.end = &list->first};
}

void ccol__entry_list_push(struct entry_list *list, struct queue_entry *entry)
{
    entry->next = NULL;
    *list->end = entry;
    list->end = &entry->next;
    list->count++;
}

struct queue_entry *ccol__entry_list_pop(struct entry_list *list)
{
    struct queue_entry *entry = list->first;
    if (!entry) return NULL;
    list->first = entry->next;
    if (!list->first) list->end = &list->first;
    list->count--;
    return entry;
}

void ccol__save_queue_join(struct save_queue *queue, struct queue_entry *entry)
{
    entry->older = queue->newest;
    entry->newer = NULL;
    if (queue->newest)
        queue->newest->newer = entry;
    else
        queue->oldest = entry;
    queue->newest = entry;
    queue->counts.queued++;
    queue->counts.queued_bytes += entry->bytes;
}

void ccol__save_queue_leave(struct save_queue *queue, struct queue_entry *entry)
{
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        queue->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        queue->newest = entry->older;
    queue->counts.queued--;
    queue->counts.queued_bytes -= entry->bytes;
    if (!queue->counts.queued) pthread_cond_broadcast(&queue->idle_cond);
}

static void open_task(struct save_queue *queue, struct outlet *outlet, struct task *task)
{
    /* One crashmover is woken for the first; each that takes a task wakes another if there is more. */
    bool was_empty = !ccol__outlet_has_ready(outlet);
    task->awaited = task->entry->done != NULL;
    task->attempts = 0;
    task->entry->open_tasks++;
    ccol__outlet_push(outlet, task);
    if (was_empty) pthread_cond_signal(&queue->ready_cond);
}

void ccol__save_queue_ready(struct save_queue *queue, struct queue_entry *entry)
{
    for (size_t i = 0; entry->state == RECORD_PENDING && i < queue->storage_count; i++) {
        struct outlet *outlet = &queue->outlets[i];
        if (!(entry->progress & outlet->bit)) open_task(queue, outlet, &entry->tasks[i]);
    }
    if (entry->open_tasks) return;
    entry->state = RECORD_SAVED; /* every storage that is there now has it */
    open_task(queue, ccol__save_queue_publishing(queue), &entry->tasks[0]);
}

void ccol__save_queue_answer(struct save_queue *queue, struct queue_entry *entry, int code, const char *error_text)
{
    pthread_mutex_lock(&queue->lock);
    save_queue_done done = entry->done;
    entry->done = NULL;
    pthread_mutex_unlock(&queue->lock);
    if (done) done(entry->user, code, error_text);
}

void ccol__save_queue_refuse_awaited(struct save_queue *queue)
{
    for (size_t i = 0; i < queue->storage_count;) {
        pthread_mutex_lock(&queue->lock);
        ccol__outlet_hurry(&queue->outlets[i]);
        struct task *task = ccol__outlet_pop_awaited(&queue->outlets[i]);
        struct queue_entry *entry = task ? task->entry : NULL;
        save_queue_done done = entry ? entry->done : NULL;
        bool last = entry && --entry->open_tasks == 0;
        if (entry) entry->given_up = true;
        if (done) entry->done = NULL;
        if (last) ccol__save_queue_leave(queue, entry);
        pthread_mutex_unlock(&queue->lock);
        if (!task) i++;
        if (done) done(entry->user, CCOL_ECLOSED, "the collector is shutting down");
        if (last) ccol__entry_free(entry);
    }
}
