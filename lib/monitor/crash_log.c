/* SPDX-License-Identifier: MIT */
#include "monitor/crash_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "monitor/line_splitter.h"

#define STREAMS       4
#define BYTES_DEFAULT ((size_t)64 << 10)
#define LINES_SLACK   ((size_t)256 << 10) /* lines are dropped from the front in larger steps than one */
#define CRUMB_MOST    1024                /* bytes of one message */
#define MESSAGE_MOST  512

struct line_reading;

/* One stream's lines on their way into the log. */
struct stream_lines {
    struct line_reading *reading;
    enum ring_stream stream;
    struct line_splitter *splitter;
    bool in_key;
};

struct line_reading {
    struct crash_log *log;
    const struct crash_log_reader *reader;
    struct stream_lines streams[STREAMS];
    int64_t at_us;
    const struct handed_line *handed; /* NULL: lines of the ring */
    struct buffer clean;              /* one line without its secrets */
};

const char *ccol__ring_stream_name(enum ring_stream stream)
{
    static const char *const names[] = {"", "stdout", "stderr", "log", "crashcollect"};
    return stream >= RING_STDOUT && stream <= RING_KEEPER ? names[stream] : names[0];
}

/* Keeps the last `most` bytes, from the beginning of a line on. */
static void drop_front(struct buffer *text, size_t most)
{
    if (text->length <= most) return;
    const char *from = text->data + text->length - most;
    if (from[-1] != '\n') {
        const char *newline = memchr(from, '\n', most);
        if (newline) from = newline + 1;
    }
    text->length = (size_t)(text->data + text->length - from);
    memmove(text->data, from, text->length);
    text->data[text->length] = '\0';
}

static const char *keep_text(struct crash_log *log, const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    while (length > 0 && length == most && (text[length] & 0xc0) == 0x80)
        length--; /* not inside a character */
    const char *copy = ccol__arena_copy(&log->arena, text, length);
    return copy ? copy : "";
}

/* The oldest gives way: the first one, but for what the app handed over, which does not come in order. */
static void make_room(struct crash_log *log, bool by_time)
{
    size_t oldest = 0;
    if (log->crumb_count < CRUMBS_MOST) return;
    for (size_t i = 1; by_time && i < log->crumb_count; i++)
        if (log->crumbs[i].at_us < log->crumbs[oldest].at_us) oldest = i;
    log->crumb_count--;
    memmove(log->crumbs + oldest, log->crumbs + oldest + 1, (log->crumb_count - oldest) * sizeof log->crumbs[0]);
}

static void add_crumb(struct line_reading *reading, enum ring_stream stream, const char *line, size_t length)
{
    struct crash_log *log = reading->log;
    struct arena scratch;
    struct log_line read;
    const struct handed_line *handed = reading->handed;
    ccol__arena_init(&scratch, NULL);
    if (ccol__log_line_read(reading->reader->lines, &scratch, line, length, &read)) {
        make_room(log, handed != NULL);
        log->crumbs[log->crumb_count++] =
            (struct crumb){.at_us = read.time_us && !handed ? read.time_us : reading->at_us,
                           .stream = stream,
                           .level = handed ? handed->level : read.level,
                           .category = handed ? handed->category : NULL,
                           .message = keep_text(log, *read.message ? read.message : line, CRUMB_MOST)};
    }
    ccol__arena_fini(&scratch);
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (line[i] != ' ' && line[i] != '\t') return false;
    }
    return true;
}

static void on_line(void *user, const struct log_text *line)
{
    struct stream_lines *lines = user;
    struct line_reading *reading = lines->reading;
    struct crash_log *log = reading->log;
    ccol__buffer_clear(&reading->clean);
    if (!ccol__redact_line(reading->reader->redactor, &reading->clean, line->text, line->length, &lines->in_key))
        return;
    const char *text = reading->clean.length ? reading->clean.data : "";
    if (!reading->handed || !reading->handed->is_step) {
        ccol__buffer_append(&log->text, text, reading->clean.length);
        ccol__buffer_append(&log->text, "\n", 1);
    }
    if (log->text.length > reading->reader->bytes_most + LINES_SLACK)
        drop_front(&log->text, reading->reader->bytes_most);
    if (is_blank(text, reading->clean.length)) return;
    add_crumb(reading, lines->stream, text, reading->clean.length);
    if (lines->stream == RING_STDERR) log->last_error_line = keep_text(log, text, MESSAGE_MOST);
}

static int start_reading(struct line_reading *reading)
{
    ccol__buffer_init(&reading->clean, 8 * LINE_MAX_BYTES, NULL);
    for (size_t i = 0; i < STREAMS; i++) {
        struct stream_lines *lines = &reading->streams[i];
        lines->reading = reading;
        lines->stream = (enum ring_stream)(i + 1);
        if (ccol__line_splitter_new(&lines->splitter, on_line, lines) != 0) return -ENOMEM;
    }
    return 0;
}

static void end_reading(struct line_reading *reading)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (!reading->streams[i].splitter) continue;
        ccol__line_splitter_end(reading->streams[i].splitter);
        ccol__line_splitter_free(reading->streams[i].splitter);
    }
    ccol__buffer_fini(&reading->clean);
    drop_front(&reading->log->text, reading->reader->bytes_most);
}

static void read_records(struct line_reading *reading, const struct ring_view *ring, uint64_t until, char *bytes)
{
    struct ring_record record;
    uint64_t position = 0, window = 4 * (uint64_t)reading->reader->bytes_most; /* records have heads */
    for (;;) {
        bool far = until != UINT64_MAX && position + window < until;
        size_t room = far ? 0 : RING_RECORD_MAX;
        if (position >= until) return;
        if (ccol__ring_view_next(ring, &position, &record, bytes, room, &reading->log->lost) != 1) return;
        if (far || record.stream < RING_STDOUT || record.stream > RING_KEEPER || position > until) continue;
        reading->at_us = record.at_us;
        ccol__line_splitter_feed(reading->streams[record.stream - 1].splitter, bytes,
                                 record.length < room ? record.length : room);
    }
}

int ccol__crash_log_read(struct crash_log *log, const struct crash_log_reader *reader, const struct ring_view *ring,
                         uint64_t until)
{
    struct crash_log_reader own = *reader;
    if (!own.bytes_most) own.bytes_most = BYTES_DEFAULT;
    struct line_reading reading = {.log = log, .reader = &own};
    memset(log, 0, sizeof *log);
    log->last_error_line = "";
    ccol__buffer_init(&log->text, own.bytes_most + 2 * LINES_SLACK, NULL);
    ccol__arena_init(&log->arena, NULL);
    if (!ring || !ring->header) return 0;
    auto_free char *bytes = malloc(RING_RECORD_MAX);
    int code = bytes ? start_reading(&reading) : -ENOMEM;
    if (!code) read_records(&reading, ring, until, bytes);
    end_reading(&reading);
    return code;
}

void ccol__crash_log_add_unflushed(struct crash_log *log, const struct crash_log_reader *reader,
                                   enum ring_stream stream, const char *bytes, size_t length)
{
    struct crash_log_reader own = *reader;
    if (!own.bytes_most) own.bytes_most = BYTES_DEFAULT;
    if (length == 0) return;
    struct line_reading reading = {.log = log, .reader = &own};
    ccol__buffer_format(&log->text, "--- unflushed %s, %zu bytes: ---\n", ccol__ring_stream_name(stream), length);
    if (start_reading(&reading) == 0) ccol__line_splitter_feed(reading.streams[stream - 1].splitter, bytes, length);
    end_reading(&reading);
}

void ccol__crash_log_add_handed(struct crash_log *log, const struct crash_log_reader *reader,
                                const struct handed_line *line)
{
    struct crash_log_reader own = *reader;
    if (!own.bytes_most) own.bytes_most = BYTES_DEFAULT;
    struct line_reading reading = {.log = log, .reader = &own, .at_us = line->at_us, .handed = line};
    if (start_reading(&reading) == 0)
        ccol__line_splitter_feed(reading.streams[RING_CAPTURE - 1].splitter, line->text, line->length);
    end_reading(&reading);
}

void ccol__crash_log_sort_crumbs(struct crash_log *log)
{
    for (size_t i = 1; i < log->crumb_count; i++) {
        struct crumb crumb = log->crumbs[i];
        size_t place = i;
        for (; place > 0 && log->crumbs[place - 1].at_us > crumb.at_us; place--)
            log->crumbs[place] = log->crumbs[place - 1];
        log->crumbs[place] = crumb;
    }
}

void ccol__crash_log_fini(struct crash_log *log)
{
    ccol__buffer_fini(&log->text);
    ccol__arena_fini(&log->arena);
}
