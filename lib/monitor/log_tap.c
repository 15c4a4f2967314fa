/* SPDX-License-Identifier: MIT */
#include "monitor/log_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define PART       "log"
#define PLACE_FILE "shipper.tap" /* position in the ring up to which all is written */
#define IDLE_US    INT64_C(200000)
#define TELL_MS    60000 /* between two complaints about the log file */

struct log_tap {
    struct log_tap_options options;
    const struct ring_view *ring;
    const struct log_line_reader *lines;
    const struct log *log;
    struct log_output *output;
    struct log_events *events;
    struct log_batch *batch;       /* NULL: not wanted */
    uint64_t position, even, lost; /* even: all before it is written */
    int64_t last_us;               /* when the last bytes came */
    int place_fd;
    uint64_t told_ms;
    uint64_t suppressed_told, dropped_told;
    char bytes[RING_RECORD_MAX];
};

static void tell(struct log_tap *tap, const ccol_error *err)
{
    uint64_t now = ccol__clock_monotonic_ms();
    if (tap->told_ms && now - tap->told_ms < TELL_MS) return;
    tap->told_ms = now;
    ccol__log(tap->log, CCOL_LOG_ERROR, PART, "", "%s", err->text);
}

static void open_output(struct log_tap *tap)
{
    ccol_error err = {0};
    if (!tap->options.output.path || tap->output) return;
    if (ccol__log_output_new(&tap->output, &tap->options.output, tap->lines, &err)) tell(tap, &err);
}

int ccol__log_tap_new(struct log_tap **out, const struct log_tap_options *options, const struct ring_view *ring,
                      int dir_fd, const struct log_line_reader *lines, const struct log *log,
                      const struct log_takers *takers, ccol_error *err)
{
    *out = NULL;
    bool batches = options->batch.least != LEVEL_NONE;
    if (!options->output.path && options->events.least == LEVEL_NONE && !batches) return 0;
    struct log_tap *tap = calloc(1, sizeof *tap);
    if (!tap) return ccol_fail(err, -ENOMEM, "no memory to follow the log");
    tap->options = *options;
    tap->ring = ring;
    tap->lines = lines;
    tap->log = log;
    tap->place_fd = openat(dir_fd, PLACE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (tap->place_fd >= 0 && pread(tap->place_fd, &tap->position, sizeof tap->position, 0) != sizeof tap->position)
        tap->position = 0;
    tap->even = tap->position;
    int code = ccol__log_events_new(&tap->events, &options->events, lines, takers->on_event, takers->user);
    if (!code && batches)
        code = ccol__log_batch_new(&tap->batch, &options->batch, lines, takers->on_lines, takers->user);
    if (code) {
        ccol__log_tap_free(tap);
        return ccol_fail(err, code, "no memory to follow the log");
    }
    open_output(tap);
    *out = tap;
    return 0;
}

void ccol__log_tap_free(struct log_tap *tap)
{
    if (!tap) return;
    ccol__log_events_free(tap->events);
    ccol__log_batch_free(tap->batch);
    ccol__log_output_free(tap->output);
    if (tap->place_fd >= 0) close(tap->place_fd);
    free(tap);
}

static void note_lost(struct log_tap *tap, uint64_t bytes, int64_t at_us)
{
    char text[128];
    snprintf(text, sizeof text, "[crashcollect: %" PRIu64 " bytes of output came too fast to be kept]", bytes);
    if (tap->output) ccol__log_output_note(tap->output, at_us, text);
}

static void save_place(struct log_tap *tap)
{
    if (tap->output && !ccol__log_output_is_even(tap->output)) return;
    if (ccol__log_tap_is_busy(tap) || tap->even == tap->position) return;
    tap->even = tap->position;
    /* A place that is not kept means lines that are written twice, and equal reports with equal crash ids. */
    if (tap->place_fd >= 0 && pwrite(tap->place_fd, &tap->even, sizeof tap->even, 0) < 0) tap->even = 0;
}

static void flush(struct log_tap *tap)
{
    ccol_error err = {0};
    if (tap->output && ccol__log_output_flush(tap->output, &err)) tell(tap, &err);
}

void ccol__log_tap_read(struct log_tap *tap)
{
    struct ring_record record;
    bool came = false;
    if (!tap || !tap->ring->header) return;
    open_output(tap);
    for (;;) {
        uint64_t position = tap->position, lost = tap->lost;
        if (ccol__ring_view_next(tap->ring, &tap->position, &record, tap->bytes, sizeof tap->bytes, &tap->lost) != 1)
            break;
        if (tap->lost > lost) note_lost(tap, tap->lost - lost, record.at_us);
        struct log_piece piece = {.stream = (enum ring_stream)record.stream,
                                  .at_us = record.at_us,
                                  .position = position,
                                  .end = tap->position,
                                  .bytes = tap->bytes,
                                  .length = record.length < sizeof tap->bytes ? record.length : sizeof tap->bytes};
        if (tap->output) ccol__log_output_feed(tap->output, &piece);
        ccol__log_events_feed(tap->events, &piece);
        if (tap->batch) ccol__log_batch_feed(tap->batch, &piece, ccol__clock_monotonic_ms());
        tap->last_us = record.at_us;
        came = true;
    }
    if (!came && ccol__clock_now_us() - tap->last_us > IDLE_US) ccol__log_events_idle(tap->events);
    if (tap->batch) ccol__log_batch_look(tap->batch, ccol__clock_monotonic_ms());
    flush(tap);
    save_place(tap);
}

bool ccol__log_tap_is_busy(const struct log_tap *tap)
{
    return tap && (ccol__log_events_is_open(tap->events) || (tap->batch && ccol__log_batch_is_open(tap->batch)));
}

void ccol__log_tap_finish(struct log_tap *tap)
{
    if (!tap) return;
    ccol__log_tap_read(tap);
    ccol__log_events_finish(tap->events);
    if (tap->batch) ccol__log_batch_look(tap->batch, UINT64_MAX);
    if (tap->output) ccol__log_output_finish(tap->output);
    flush(tap);
    save_place(tap);
    uint64_t suppressed = ccol__log_events_suppressed(tap->events);
    if (suppressed > tap->suppressed_told)
        ccol__log(tap->log, CCOL_LOG_WARNING, PART, "", "%" PRIu64 " more error lines of the program became no reports",
                  suppressed);
    tap->suppressed_told = suppressed;
    uint64_t dropped = tap->batch ? ccol__log_batch_dropped(tap->batch) : 0;
    if (dropped > tap->dropped_told)
        ccol__log(tap->log, CCOL_LOG_WARNING, PART, "", "%" PRIu64 " lines of the program are more than may be sent",
                  dropped);
    tap->dropped_told = dropped;
}
