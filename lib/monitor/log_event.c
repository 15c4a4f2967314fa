/* SPDX-License-Identifier: MIT */
#include "monitor/log_event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/panic.h"

#define STREAMS 3 /* stdout, stderr, what the app hands over */

struct event_stream {
    struct log_events *events;
    enum ring_stream stream;
    struct line_splitter *splitter;
    struct panic_reader *panics;
    struct log_piece piece;             /* the one being read */
    uint64_t line_position, line_begin; /* where the line that is being collected began */
    bool in_line;
    /* the record that is open */
    bool open;
    struct log_event event;
    struct buffer logger, message;
    unsigned lines;
    uint64_t record_begin, record_end; /* in the stream */
};

/* The last record that was held back: it closes the count of all that were. */
struct held_record {
    bool any;
    struct log_event event;
    struct buffer logger, message;
};

struct log_events {
    struct log_event_options options;
    const struct log_line_reader *lines;
    log_event_fn on_event;
    void *user;
    struct flood_guard *guard;
    uint64_t refused, closing; /* closing: were held back, and became events after all */
    uint64_t untold;           /* held back, and in no event's count yet */
    struct held_record held;
    struct event_stream streams[STREAMS];
};

static void hold_record(struct log_events *events, const struct log_event *event)
{
    struct held_record *held = &events->held;
    ccol__buffer_clear(&held->logger);
    ccol__buffer_clear(&held->message);
    ccol__buffer_text(&held->logger, event->logger);
    ccol__buffer_text(&held->message, event->message);
    held->event = *event;
    held->any = true;
    events->untold++;
}

static void close_record(struct event_stream *stream)
{
    struct log_events *events = stream->events;
    struct log_event *event = &stream->event;
    if (!stream->open) return;
    stream->open = false;
    event->logger = stream->logger.length ? stream->logger.data : "";
    event->message = stream->message.length ? stream->message.data : "";
    event->end = stream->piece.end;
    uint64_t kind = ccol__flood_kind(event->logger, event->message);
    if (!ccol__flood_guard_pass(events->guard, kind, stream->piece.at_us, &event->suppressed)) {
        hold_record(events, event);
    } else if (events->on_event(events->user, event)) {
        events->untold -= event->suppressed;
    } else {
        events->refused++;
        hold_record(events, event);
    }
}

static void open_record(struct event_stream *stream, const struct log_line *line, const struct log_text *text)
{
    ccol__buffer_clear(&stream->logger);
    ccol__buffer_clear(&stream->message);
    ccol__buffer_text(&stream->logger, line->logger);
    ccol__buffer_text(&stream->message, line->message);
    stream->event = (struct log_event){.level = line->level,
                                       .stream = stream->stream,
                                       .at_us = line->time_us ? line->time_us : stream->piece.at_us,
                                       .position = stream->line_position,
                                       .begin = stream->line_begin};
    if (line->stack[0]) {
        ccol__buffer_text(&stream->message, "\n");
        ccol__buffer_text(&stream->message, line->stack);
    }
    stream->open = true;
    stream->lines = 1;
    stream->record_begin = text->begin;
    stream->record_end = text->end;
}

static void continue_record(struct event_stream *stream, const struct log_text *text)
{
    stream->record_end = text->end;
    if (++stream->lines > EVENT_LINES_MAX || stream->message.length + text->length + 1 > EVENT_MESSAGE_MAX) return;
    ccol__buffer_text(&stream->message, "\n");
    ccol__buffer_append(&stream->message, text->text, text->length);
}

/* The panic's report has the record in its log. */
static void on_panic(void *user, const struct panic *panic)
{
    struct event_stream *stream = user;
    if (stream->open && panic->begin >= stream->record_begin && panic->begin <= stream->record_end)
        stream->open = false;
}

/* The record is complete. Whether what followed it is a panic is settled first: then it is not an event. */
static void end_record(struct event_stream *stream)
{
    if (stream->open && ccol__panic_reader_is_open(stream->panics)) ccol__panic_reader_idle(stream->panics);
    close_record(stream);
}

/* Of a line that is no event: what it means for the record that is open. */
static void take_other(struct event_stream *stream, const struct log_line *line, const struct log_text *text,
                       bool taken)
{
    if (taken || !stream->open) return; /* a block may be ending: whether it was one decides */
    if (line->continues) {
        continue_record(stream, text);
    } else {
        end_record(stream);
    }
}

static void take_line(void *user, const struct log_text *text)
{
    struct event_stream *stream = user;
    struct log_events *events = stream->events;
    struct arena arena;
    struct log_line line;
    bool in_block = ccol__panic_reader_is_open(stream->panics);
    bool taken = ccol__panic_reader_line(stream->panics, text->text, text->length, text->begin, text->end);
    ccol__arena_init(&arena, NULL);
    if (ccol__log_line_read(events->lines, &arena, text->text, text->length, &line)) {
        if (line.level >= events->options.least && !(taken && in_block)) {
            if (taken) {
                close_record(stream); /* a block that is a record of its own: not what the one before is about */
            } else {
                end_record(stream);
            }
            open_record(stream, &line, text);
        } else {
            take_other(stream, &line, text, taken);
        }
    }
    ccol__arena_fini(&arena);
    stream->in_line = false;
}

static int open_stream(struct event_stream *stream, struct log_events *events, size_t index)
{
    stream->events = events;
    stream->stream = (enum ring_stream)(index + 1);
    ccol__buffer_init(&stream->logger, LINE_MAX_BYTES * 3, NULL);
    ccol__buffer_init(&stream->message, EVENT_MESSAGE_MAX + LINE_MAX_BYTES * 6, NULL);
    int code = ccol__line_splitter_new(&stream->splitter, take_line, stream);
    return code ? code : ccol__panic_reader_new(&stream->panics, on_panic, stream);
}

int ccol__log_events_new(struct log_events **out, const struct log_event_options *options,
                         const struct log_line_reader *lines, log_event_fn on_event, void *user)
{
    struct log_events *events = *out = calloc(1, sizeof *events);
    if (!events) return -ENOMEM;
    events->options = *options;
    events->lines = lines;
    events->on_event = on_event;
    events->user = user;
    ccol__buffer_init(&events->held.logger, LINE_MAX_BYTES * 3, NULL);
    ccol__buffer_init(&events->held.message, EVENT_MESSAGE_MAX + LINE_MAX_BYTES * 6, NULL);
    events->guard = ccol__flood_guard_new(&options->each, &options->total);
    int code = events->guard ? 0 : -ENOMEM;
    for (size_t i = 0; !code && i < STREAMS; i++)
        code = open_stream(&events->streams[i], events, i);
    if (!code) return 0;
    ccol__log_events_free(events);
    *out = NULL;
    return code;
}

void ccol__log_events_free(struct log_events *events)
{
    if (!events) return;
    for (size_t i = 0; i < STREAMS; i++) {
        struct event_stream *stream = &events->streams[i];
        ccol__line_splitter_free(stream->splitter);
        ccol__panic_reader_free(stream->panics);
        ccol__buffer_fini(&stream->logger);
        ccol__buffer_fini(&stream->message);
    }
    ccol__buffer_fini(&events->held.logger);
    ccol__buffer_fini(&events->held.message);
    ccol__flood_guard_free(events->guard);
    free(events);
}

void ccol__log_events_feed(struct log_events *events, const struct log_piece *piece)
{
    if (piece->stream < RING_STDOUT || piece->stream > RING_CAPTURE || events->options.least == LEVEL_NONE) return;
    struct event_stream *stream = &events->streams[piece->stream - 1];
    stream->piece = *piece;
    for (size_t at = 0; at < piece->length;) { /* line by line, to know where each began */
        const char *newline = memchr(piece->bytes + at, '\n', piece->length - at);
        size_t length = newline ? (size_t)(newline - piece->bytes) + 1 - at : piece->length - at;
        if (!stream->in_line) {
            stream->line_position = piece->position;
            stream->line_begin = at;
        }
        stream->in_line = true;
        ccol__line_splitter_feed(stream->splitter, piece->bytes + at, length);
        at += length;
    }
}

void ccol__log_events_idle(struct log_events *events)
{
    for (size_t i = 0; i < STREAMS; i++) {
        ccol__panic_reader_idle(events->streams[i].panics);
        close_record(&events->streams[i]);
    }
}

void ccol__log_events_finish(struct log_events *events)
{
    struct held_record *held = &events->held;
    for (size_t i = 0; i < STREAMS; i++)
        ccol__line_splitter_end(events->streams[i].splitter);
    ccol__log_events_idle(events);
    if (!held->any || !events->untold) return;
    held->any = false;
    held->event.logger = held->logger.length ? held->logger.data : "";
    held->event.message = held->message.length ? held->message.data : "";
    held->event.suppressed = events->untold - 1; /* all but itself */
    if (!events->on_event(events->user, &held->event)) return;
    events->untold = 0;
    events->closing++;
}

bool ccol__log_events_is_open(const struct log_events *events)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (events->streams[i].open || ccol__panic_reader_is_open(events->streams[i].panics)) return true;
    return false;
}

uint64_t ccol__log_events_suppressed(const struct log_events *events)
{
    return ccol__flood_guard_suppressed(events->guard) + events->refused - events->closing;
}
