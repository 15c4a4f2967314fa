/* SPDX-License-Identifier: MIT */
#include "monitor/log_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "monitor/crash_log.h"

#define STREAMS     3
#define BYTES_MOST  ((size_t)256 << 10) /* of the messages of one batch */
#define RECORD_MOST ((size_t)32 << 10)
#define JSON_MOST   ((size_t)8 << 20)

struct batch_stream {
    struct log_batch *batch;
    enum ring_stream stream;
    struct line_splitter *splitter;
    int64_t at_us;
    uint64_t position;
    bool in_key;           /* a private key goes on */
    bool left_out;         /* the last line is no record: nor is what continues it */
    struct record *record; /* its last one in this batch, or NULL */
};

struct record {
    enum line_level level;
    enum ring_stream stream;
    int64_t at_us;
    struct buffer logger, message;
};

struct log_batch {
    struct log_batch_options options;
    const struct log_line_reader *lines;
    log_lines_fn on_lines;
    void *user;
    struct batch_stream streams[STREAMS];
    struct record records[BATCH_LINES_MOST];
    size_t count, bytes;
    uint64_t begun_ms, now_ms, position;
    uint64_t window_ms, in_window;
    uint64_t dropped, dropped_before; /* those that no batch has told, and the others */
};

static const char *level_name(enum line_level level)
{
    static const char *const levels[] = {"info", "trace", "debug", "info", "warning", "error", "fatal"};
    return levels[level];
}

static void put_text(struct buffer *out, const char *key, const struct buffer *text)
{
    ccol__buffer_format(out, ",\"%s\":", key);
    ccol__json_write_string(out, text->length ? text->data : "", text->length);
}

static void write_records(const struct log_batch *batch, struct buffer *out)
{
    ccol__buffer_format(out, "{\"version\":1,\"trace_id\":\"%s\",\"dropped\":%" PRIu64 ",\"lines\":[",
                        batch->options.trace_id, batch->dropped);
    for (size_t i = 0; i < batch->count; i++) {
        const struct record *record = &batch->records[i];
        ccol__buffer_format(out, "%s{\"at_us\":%" PRId64 ",\"level\":\"%s\",\"stream\":\"%s\"", i ? "," : "",
                            record->at_us, level_name(record->level), ccol__ring_stream_name(record->stream));
        put_text(out, "logger", &record->logger);
        put_text(out, "message", &record->message);
        ccol__buffer_text(out, "}");
    }
    ccol__buffer_text(out, "]}");
}

static void empty(struct log_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        ccol__buffer_fini(&batch->records[i].logger);
        ccol__buffer_fini(&batch->records[i].message);
    }
    for (size_t i = 0; i < STREAMS; i++)
        batch->streams[i].record = NULL;
    batch->count = batch->bytes = 0;
}

/* A batch that is not taken stays, and the lines that come meanwhile are counted. */
static void hand_over(struct log_batch *batch)
{
    struct buffer json;
    if (!batch->count) return;
    ccol__buffer_init(&json, JSON_MOST, NULL);
    write_records(batch, &json);
    const struct log_lines lines = {
        .json = json.data, .length = json.length, .position = batch->position, .at_us = batch->records[0].at_us};
    if (!json.failed && batch->on_lines(batch->user, &lines)) {
        empty(batch);
        batch->dropped_before += batch->dropped;
        batch->dropped = 0;
    }
    ccol__buffer_fini(&json);
}

static bool is_full(const struct log_batch *batch)
{
    return batch->count == BATCH_LINES_MOST || batch->bytes >= BYTES_MOST;
}

/* Whether one more may come, by the rate. */
static bool admit(struct log_batch *batch)
{
    if (batch->now_ms - batch->window_ms >= BATCH_MS) {
        batch->window_ms = batch->now_ms;
        batch->in_window = 0;
    }
    if (batch->in_window >= (uint64_t)batch->options.rate * (BATCH_MS / 1000) || is_full(batch)) {
        batch->dropped++;
        return false;
    }
    batch->in_window++;
    return true;
}

static void add_record(struct batch_stream *stream, const struct log_line *line)
{
    struct log_batch *batch = stream->batch;
    if (!batch->count) {
        batch->begun_ms = batch->now_ms;
        batch->position = stream->position;
    }
    struct record *record = &batch->records[batch->count++];
    record->level = line->level;
    record->stream = stream->stream;
    record->at_us = line->time_us ? line->time_us : stream->at_us;
    ccol__buffer_init(&record->logger, RECORD_MOST, NULL);
    ccol__buffer_init(&record->message, 2 * RECORD_MOST, NULL);
    ccol__buffer_text(&record->logger, line->logger);
    ccol__redact_line(batch->options.redactor, &record->message, line->message, strlen(line->message), &stream->in_key);
    if (line->stack[0]) {
        ccol__buffer_text(&record->message, "\n");
        ccol__redact_text(batch->options.redactor, &record->message, line->stack, strlen(line->stack));
    }
    batch->bytes += record->message.length;
    stream->record = record;
}

static void continue_record(struct batch_stream *stream, const struct log_text *text)
{
    struct record *record = stream->record;
    size_t before = record->message.length;
    if (before + text->length > RECORD_MOST) return;
    ccol__buffer_text(&record->message, "\n");
    ccol__redact_line(stream->batch->options.redactor, &record->message, text->text, text->length, &stream->in_key);
    stream->batch->bytes += record->message.length - before;
}

static void take_line(void *user, const struct log_text *text)
{
    struct batch_stream *stream = user;
    struct log_batch *batch = stream->batch;
    struct arena arena;
    struct log_line line;
    ccol__arena_init(&arena, NULL);
    if (text->length && ccol__log_line_read(batch->lines, &arena, text->text, text->length, &line)) {
        enum line_level level = line.level == LEVEL_NONE ? LEVEL_INFO : line.level;
        if (line.continues && stream->record) {
            continue_record(stream, text);
        } else if (!line.continues || !stream->left_out) {
            stream->left_out = level < batch->options.least || !admit(batch);
            stream->record = NULL;
            if (!stream->left_out) add_record(stream, &line);
            if (!stream->left_out && is_full(batch)) hand_over(batch);
        }
    }
    ccol__arena_fini(&arena);
}

int ccol__log_batch_new(struct log_batch **out, const struct log_batch_options *options,
                        const struct log_line_reader *lines, log_lines_fn on_lines, void *user)
{
    struct log_batch *batch = *out = calloc(1, sizeof *batch);
    int code = batch ? 0 : -ENOMEM;
    for (size_t i = 0; !code && i < STREAMS; i++) {
        struct batch_stream *stream = &batch->streams[i];
        stream->batch = batch;
        stream->stream = (enum ring_stream)(i + 1);
        code = ccol__line_splitter_new(&stream->splitter, take_line, stream);
    }
    if (code) {
        ccol__log_batch_free(batch);
        *out = NULL;
        return code;
    }
    batch->options = *options;
    batch->lines = lines;
    batch->on_lines = on_lines;
    batch->user = user;
    return 0;
}

void ccol__log_batch_feed(struct log_batch *batch, const struct log_piece *piece, uint64_t now_ms)
{
    if (piece->stream < RING_STDOUT || piece->stream > RING_CAPTURE) return;
    struct batch_stream *stream = &batch->streams[piece->stream - 1];
    batch->now_ms = now_ms;
    stream->at_us = piece->at_us;
    stream->position = piece->position;
    ccol__line_splitter_feed(stream->splitter, piece->bytes, piece->length);
}

void ccol__log_batch_look(struct log_batch *batch, uint64_t now_ms)
{
    if (now_ms == UINT64_MAX)
        for (size_t i = 0; i < STREAMS; i++)
            ccol__line_splitter_end(batch->streams[i].splitter);
    if (is_full(batch) || now_ms - batch->begun_ms >= BATCH_MS) hand_over(batch);
}

bool ccol__log_batch_is_open(const struct log_batch *batch)
{
    return batch->count > 0;
}

uint64_t ccol__log_batch_dropped(const struct log_batch *batch)
{
    return batch->dropped_before + batch->dropped;
}

void ccol__log_batch_free(struct log_batch *batch)
{
    if (!batch) return;
    empty(batch);
    for (size_t i = 0; i < STREAMS; i++)
        ccol__line_splitter_free(batch->streams[i].splitter);
    free(batch);
}
