/* SPDX-License-Identifier: MIT */
#include "monitor/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/json.h"

#define STREAMS     4
#define BATCH_BYTES ((size_t)256 << 10)
#define RAW_MAX     ((size_t)64 << 10) /* of a line without an end; it is then broken */

struct output_stream {
    struct log_output *output;
    enum ring_stream stream;
    int64_t at_us;
    struct buffer raw;              /* text: the line so far */
    struct line_splitter *splitter; /* JSON */
};

struct log_output {
    struct log_output_options options;
    char *path;
    int fd;
    const struct log_line_reader *lines;
    struct buffer batch; /* whole lines that wait to be written */
    uint64_t lost;
    int trouble; /* of the last write */
    struct output_stream streams[STREAMS];
};

static const char *stream_name(enum ring_stream stream)
{
    static const char *const names[] = {"", "stdout", "stderr", "log", "crashcollect"};
    return names[stream];
}

static int open_file(struct log_output *output)
{
    if (output->fd >= 0) close(output->fd);
    output->fd = open(output->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    return output->fd < 0 ? -errno : 0;
}

/* Does the name still lead to the file that is open? Another program may have rotated it. */
static bool is_current(const struct log_output *output, struct stat *opened)
{
    struct stat named;
    return output->fd >= 0 && fstat(output->fd, opened) == 0 && stat(output->path, &named) == 0 &&
           named.st_ino == opened->st_ino && named.st_dev == opened->st_dev;
}

/* FILE.1 becomes FILE.2 and so on; the last one goes. */
static int shift_files(const struct log_output *output)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];
    for (unsigned i = output->options.files_most; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%u", output->path, i);
        snprintf(from, sizeof from, i > 1 ? "%s.%u" : "%s", output->path, i - 1);
        if (rename(from, to) && errno != ENOENT) return -errno;
    }
    return output->options.files_most || unlink(output->path) == 0 ? 0 : -errno;
}

/* Makes room for `length` more bytes. Whoever shares the file does the same: the lock tells who moves it. */
static int make_room(struct log_output *output, size_t length)
{
    struct stat status;
    if (!is_current(output, &status)) {
        int code = open_file(output);
        if (code || fstat(output->fd, &status)) return code ? code : -errno;
    }
    uint64_t most = output->options.bytes_most, size = (uint64_t)status.st_size;
    if (!most || !S_ISREG(status.st_mode) || !size || size + length <= most) return 0;
    if (flock(output->fd, LOCK_EX | LOCK_NB)) return errno == EWOULDBLOCK ? 0 : -errno; /* it is moved right now */
    int code = is_current(output, &status) ? shift_files(output) : 0;
    return code ? code : open_file(output);
}

/* Whole lines of at most `most` bytes, at least one line. */
static size_t lines_within(const char *text, size_t length, size_t most)
{
    if (length <= most) return length;
    const char *end = most ? memrchr(text, '\n', most) : NULL;
    if (!end) end = memchr(text, '\n', length);
    return end ? (size_t)(end - text) + 1 : length;
}

static int write_batch(struct log_output *output)
{
    const char *text = output->batch.data;
    size_t most = output->options.bytes_most ? (size_t)output->options.bytes_most : SIZE_MAX,
           rest = output->batch.length;
    int code = 0;
    while (rest && !code) {
        size_t piece = lines_within(text, rest, most);
        code = make_room(output, piece);
        if (!code) code = ccol__file_write_all(output->fd, text, piece);
        if (code) break;
        text += piece;
        rest -= piece;
    }
    output->lost += rest;
    ccol__buffer_clear(&output->batch);
    if (code) output->trouble = code;
    return code;
}

static void add_text(struct log_output *output, const char *text, size_t length)
{
    if (output->batch.length + length > BATCH_BYTES) write_batch(output);
    if (!ccol__buffer_append(&output->batch, text, length)) output->lost += length;
}

static void add_json(struct log_output *output, enum ring_stream stream, int64_t at_us, const struct log_line *line,
                     const char *message)
{
    char time[CCOL_RFC3339_SIZE];
    struct buffer *batch = &output->batch;
    if (batch->length > BATCH_BYTES) write_batch(output);
    ccol__buffer_format(batch, "{\"time\":\"%s\",\"stream\":\"%s\"", ccol__clock_rfc3339(time, at_us),
                        stream_name(stream));
    if (line && line->level != LEVEL_NONE)
        ccol__buffer_format(batch, ",\"level\":\"%s\"", ccol__level_name(line->level));
    if (line && line->logger[0]) {
        ccol__buffer_text(batch, ",\"logger\":");
        ccol__json_write_string(batch, line->logger, strlen(line->logger));
    }
    ccol__buffer_text(batch, ",\"message\":");
    ccol__json_write_string(batch, message, strlen(message));
    ccol__buffer_text(batch, "}\n");
}

static void take_line(void *user, const struct log_text *text)
{
    struct output_stream *stream = user;
    struct arena arena;
    struct log_line line;
    ccol__arena_init(&arena, NULL);
    bool read = ccol__log_line_read(stream->output->lines, &arena, text->text, text->length, &line);
    add_json(stream->output, stream->stream, stream->at_us, read ? &line : NULL, text->text);
    ccol__arena_fini(&arena);
}

int ccol__log_output_new(struct log_output **out, const struct log_output_options *options,
                         const struct log_line_reader *lines, ccol_error *err)
{
    struct log_output *output = *out = calloc(1, sizeof *output);
    int code = -ENOMEM;
    if (output) {
        output->options = *options;
        output->fd = -1;
        output->lines = lines;
        output->path = strdup(options->path);
        ccol__buffer_init(&output->batch, 2 * BATCH_BYTES + 8 * LINE_MAX_BYTES, NULL);
        code = output->path ? 0 : -ENOMEM;
    }
    for (size_t i = 0; !code && i < STREAMS; i++) {
        struct output_stream *stream = &output->streams[i];
        stream->output = output;
        stream->stream = (enum ring_stream)(i + 1);
        ccol__buffer_init(&stream->raw, RAW_MAX + 1, NULL);
        if (options->json) code = ccol__line_splitter_new(&stream->splitter, take_line, stream);
    }
    if (!code) code = open_file(output);
    if (!code) return 0;
    ccol__log_output_free(output);
    *out = NULL;
    return ccol_fail(err, code, "cannot write the log file %s", options->path);
}

void ccol__log_output_free(struct log_output *output)
{
    if (!output) return;
    for (size_t i = 0; i < STREAMS; i++) {
        ccol__line_splitter_free(output->streams[i].splitter);
        ccol__buffer_fini(&output->streams[i].raw);
    }
    ccol__buffer_fini(&output->batch);
    if (output->fd >= 0) close(output->fd);
    free(output->path);
    free(output);
}

/* Moves the line that is collected to what is to be written. */
static void end_line(struct output_stream *stream)
{
    add_text(stream->output, stream->raw.data, stream->raw.length);
    ccol__buffer_clear(&stream->raw);
}

static void feed_text(struct output_stream *stream, const char *bytes, size_t length)
{
    while (length) {
        const char *newline = memchr(bytes, '\n', length);
        size_t piece = newline ? (size_t)(newline - bytes) + 1 : length, room = RAW_MAX - stream->raw.length;
        if (piece > room) piece = room;
        ccol__buffer_append(&stream->raw, bytes, piece);
        bytes += piece;
        length -= piece;
        bool ends = stream->raw.data[stream->raw.length - 1] == '\n';
        if (!ends && stream->raw.length < RAW_MAX) continue;
        if (!ends) ccol__buffer_append(&stream->raw, "\n", 1); /* far too long for a line */
        end_line(stream);
    }
}

void ccol__log_output_feed(struct log_output *output, const struct log_piece *piece)
{
    if (piece->stream < RING_STDOUT || piece->stream > RING_KEEPER) return;
    struct output_stream *stream = &output->streams[piece->stream - 1];
    stream->at_us = piece->at_us;
    if (output->options.json) {
        ccol__line_splitter_feed(stream->splitter, piece->bytes, piece->length);
    } else if (piece->stream != RING_KEEPER) { /* nothing would tell its notes from the program's lines */
        feed_text(stream, piece->bytes, piece->length);
    }
}

void ccol__log_output_note(struct log_output *output, int64_t at_us, const char *text)
{
    if (output->options.json) {
        add_json(output, RING_KEEPER, at_us, NULL, text);
    } else {
        add_text(output, text, strlen(text));
        add_text(output, "\n", 1);
    }
}

int ccol__log_output_flush(struct log_output *output, ccol_error *err)
{
    write_batch(output);
    int code = output->trouble;
    output->trouble = 0;
    if (!code) return 0;
    return ccol_fail(err, code, "%llu bytes of output are missing in the log file %s", (unsigned long long)output->lost,
                     output->path);
}

bool ccol__log_output_is_even(const struct log_output *output)
{
    for (size_t i = 0; i < STREAMS; i++) {
        const struct output_stream *stream = &output->streams[i];
        if (stream->raw.length || (stream->splitter && ccol__line_splitter_is_inside(stream->splitter))) return false;
    }
    return true;
}

void ccol__log_output_finish(struct log_output *output)
{
    for (size_t i = 0; i < STREAMS; i++) {
        struct output_stream *stream = &output->streams[i];
        if (stream->splitter) ccol__line_splitter_end(stream->splitter);
        if (stream->raw.length) {
            ccol__buffer_append(&stream->raw, "\n", 1);
            end_line(stream);
        }
    }
}
