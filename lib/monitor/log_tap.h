/* SPDX-License-Identifier: MIT */
/* Follows the log ring of a living program line by line: into a log file, into batches, and errors into reports of
 * their own. It is in the shipper, so that nothing here can hold up the program; what the ring lost before it was read
 * is told. A shipper that is killed may write the last lines again. Not thread-safe. */
#ifndef CCOL_MONITOR_LOG_TAP_H
#define CCOL_MONITOR_LOG_TAP_H

#include "base/log.h"
#include "monitor/log_batch.h"
#include "monitor/log_event.h"
#include "monitor/log_output.h"

struct log_tap_options {
    struct log_output_options output; /* path NULL: no file */
    struct log_event_options events;
    struct log_batch_options batch;
};

struct log_takers {
    log_event_fn on_event;
    log_lines_fn on_lines;
    void *user;
};

struct log_tap;
/* dir_fd is the hand-over folder, where it keeps its place; it, the ring, the reader and the log are borrowed. *out is
 * NULL if there is nothing to do. A log file that cannot be opened is no error: it is told, and tried again. */
int ccol__log_tap_new(struct log_tap **out, const struct log_tap_options *options, const struct ring_view *ring,
                      int dir_fd, const struct log_line_reader *lines, const struct log *log,
                      const struct log_takers *takers, ccol_error *err);
/* Reads what is new. tap may be NULL, here and below. */
void ccol__log_tap_read(struct log_tap *tap);
/* Whether a record is open, so that it should be called again soon. */
bool ccol__log_tap_is_busy(const struct log_tap *tap);
/* Nothing more comes: what is open is complete. */
void ccol__log_tap_finish(struct log_tap *tap);
void ccol__log_tap_free(struct log_tap *tap);

#endif
