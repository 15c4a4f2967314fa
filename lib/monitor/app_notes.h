/* SPDX-License-Identifier: MIT */
/* What the dead process had told of itself (capture/notes.h): annotations for its report, steps and lines for its log.
 */
#ifndef CCOL_MONITOR_APP_NOTES_H
#define CCOL_MONITOR_APP_NOTES_H

#include "base/arena.h"
#include "keeper/snapshot.h"
#include "monitor/crash_log.h"

#define APP_ANNOTATIONS_MOST 64

struct app_annotation {
    const char *name, *value; /* UTF-8 */
};

struct app_notes {
    struct app_annotation annotations[APP_ANNOTATIONS_MOST];
    size_t annotation_count;
    const char *message; /* why it aborted, or "" */
};

/* Reads what the snapshot holds of it; texts go into the arena, steps and lines (redacted) into the log. Nothing there
 * is believed; what makes no sense is left out. */
void ccol__app_notes_read(struct app_notes *notes, const struct snapshot_view *view, struct arena *arena,
                          struct crash_log *log, const struct crash_log_reader *reader);

#endif
