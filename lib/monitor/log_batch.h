/* SPDX-License-Identifier: MIT */
/* The lines that a program logs, gathered into batches: a line with what continues it is one record. A flood is cut and
 * counted. What a batch is handed over as:
 * {"version":1,"trace_id":32 HEX,"dropped":N,"lines":[{"at_us":N,"level":"trace|debug|info|warning|error|fatal",
 * "stream":"","logger":"","message":""}, ...]}, without secrets. Not thread-safe. */
#ifndef CCOL_MONITOR_LOG_BATCH_H
#define CCOL_MONITOR_LOG_BATCH_H

#include "monitor/log_event.h"
#include "monitor/redact.h"

#define BATCH_LINES_MOST 100
#define BATCH_MS         5000 /* a batch is handed over after that time if it is not full before */

struct log_batch_options {
    enum line_level least; /* LEVEL_NONE: no lines are wanted. What tells no level counts as info */
    unsigned rate;         /* lines per second that are taken, in the mean over BATCH_MS */
    const struct redactor *redactor;
    char trace_id[33]; /* the same for all of the run */
};

struct log_lines {
    const char *json;
    size_t length;
    uint64_t position; /* the ring's record that it begins in */
    int64_t at_us;     /* of its first line */
};

/* false: it could not be taken now; it is offered again. */
typedef bool (*log_lines_fn)(void *user, const struct log_lines *lines);

struct log_batch;
/* -ENOMEM. Redactor and reader are borrowed. */
int ccol__log_batch_new(struct log_batch **out, const struct log_batch_options *options,
                        const struct log_line_reader *lines, log_lines_fn on_lines, void *user);
void ccol__log_batch_feed(struct log_batch *batch, const struct log_piece *piece, uint64_t now_ms);
/* Hands over what has waited long enough; all of it with `now_ms` UINT64_MAX. */
void ccol__log_batch_look(struct log_batch *batch, uint64_t now_ms);
/* Whether lines wait: then look again soon. */
bool ccol__log_batch_is_open(const struct log_batch *batch);
/* Lines that came too fast so far, or that there was no room for. */
uint64_t ccol__log_batch_dropped(const struct log_batch *batch);
void ccol__log_batch_free(struct log_batch *batch);

#endif
