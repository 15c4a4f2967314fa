/* SPDX-License-Identifier: MIT */
/* What a program wrote before it crashed: the end of its log ring as text and as breadcrumbs, cleaned and without
 * secrets. */
#ifndef CCOL_MONITOR_CRASH_LOG_H
#define CCOL_MONITOR_CRASH_LOG_H

#include "base/buffer.h"
#include "keeper/ring.h"
#include "monitor/log_line.h"
#include "monitor/redact.h"

#define CRUMBS_MOST 100

struct crumb {
    int64_t at_us; /* the line's own time if it has one, else when it was read */
    enum ring_stream stream;
    enum line_level level;
    const char *category; /* of a step that the app told; NULL: the stream's name says it. Lives with the message */
    const char *message;  /* NUL-terminated, in the log's arena */
};

/* How logs are read; borrowed by all who use it, several at once. */
struct crash_log_reader {
    const struct redactor *redactor;
    const struct log_line_reader *lines;
    size_t bytes_most; /* of the text; default 64 KiB */
};

struct crash_log {
    struct buffer text; /* whole lines, the last ones */
    struct arena arena;
    struct crumb crumbs[CRUMBS_MOST]; /* oldest first */
    size_t crumb_count;
    const char *last_error_line; /* last line on stderr that is not blank, or "" */
    uint64_t lost;               /* bytes that were overwritten before they were read */
};

/* Reads what the ring holds from before the position `until` (UINT64_MAX: all). ring may be NULL: there is none, or it
 * is not readable. -ENOMEM. To be ended with _fini in any case. */
int ccol__crash_log_read(struct crash_log *log, const struct crash_log_reader *reader, const struct ring_view *ring,
                         uint64_t until);
/* Adds what stdio of the dead process still held, marked as such. */
void ccol__crash_log_add_unflushed(struct crash_log *log, const struct crash_log_reader *reader,
                                   enum ring_stream stream, const char *bytes, size_t length);

/* A line or a step that the app handed over itself (capture.h). */
struct handed_line {
    int64_t at_us;
    enum line_level level;
    const char *category; /* or NULL; outlives the log */
    bool is_step;         /* a breadcrumb only: no line of the log's text */
    const char *text;
    size_t length;
};
void ccol__crash_log_add_handed(struct crash_log *log, const struct crash_log_reader *reader,
                                const struct handed_line *line);
/* Oldest first again, after lines of several sources. */
void ccol__crash_log_sort_crumbs(struct crash_log *log);
void ccol__crash_log_fini(struct crash_log *log);

/* "stdout", "stderr", "log" (handed over by the app itself), "crashcollect". */
const char *ccol__ring_stream_name(enum ring_stream stream);

#endif
