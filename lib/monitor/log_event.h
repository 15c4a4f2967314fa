/* SPDX-License-Identifier: MIT */
/* Lines that a program logs as errors, as events of their own, at once. A record is one line and what continues it; one
 * that a panic block follows directly, or that is its first line, is left to the panic's report. A flood is held back
 * by kind and in total, and counted. Not thread-safe. */
#ifndef CCOL_MONITOR_LOG_EVENT_H
#define CCOL_MONITOR_LOG_EVENT_H

#include "keeper/ring.h"
#include "monitor/flood_guard.h"
#include "monitor/line_splitter.h"
#include "monitor/log_line.h"

#define EVENT_MESSAGE_MAX ((size_t)64 << 10)
#define EVENT_LINES_MAX   256

struct log_event_options {
    enum line_level least; /* records of this level and worse are events; LEVEL_NONE: none is */
    struct flood_limits each, total;
};

struct log_event {
    enum line_level level;
    enum ring_stream stream;
    const char *logger, *message; /* NUL-terminated; message may have lines */
    int64_t at_us;                /* the record's own time, else when it was read */
    uint64_t position, begin;     /* the ring's record that it begins in, and bytes of that before it */
    uint64_t end;                 /* position behind the record of the ring that it was complete with */
    uint64_t suppressed;          /* of its kind, since the last event of it; the closing one: all that are untold */
};

/* What is handed over lives until it returns. false: it could not be taken now; it is counted as suppressed. */
typedef bool (*log_event_fn)(void *user, const struct log_event *event);

/* A piece of a stream, as one record of the ring has it. */
struct log_piece {
    enum ring_stream stream;
    int64_t at_us;
    uint64_t position, end; /* of the ring's record, and behind it */
    const char *bytes;
    size_t length;
};

struct log_events;
/* -ENOMEM. The reader is borrowed. */
int ccol__log_events_new(struct log_events **out, const struct log_event_options *options,
                         const struct log_line_reader *lines, log_event_fn on_event, void *user);
void ccol__log_events_feed(struct log_events *events, const struct log_piece *piece);
/* Nothing came for a while, or nothing more will: what is open is complete. */
void ccol__log_events_idle(struct log_events *events);
/* Nothing more will come. If records were held back that no event has counted, the last of them becomes an event that
 * does: so the events and what they count are all records. */
void ccol__log_events_finish(struct log_events *events);
/* Whether a record is open: then say so when nothing came for a while. */
bool ccol__log_events_is_open(const struct log_events *events);
/* Events that were held back so far. */
uint64_t ccol__log_events_suppressed(const struct log_events *events);
void ccol__log_events_free(struct log_events *events);

#endif
