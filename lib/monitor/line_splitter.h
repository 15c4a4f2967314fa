/* SPDX-License-Identifier: MIT */
/* Bytes of a log in, cleaned lines out: no escape sequences (CSI, OSC, charset), no CR, no NUL, UTF-8 repaired with
 * U+FFFD. A line's memory is bounded; of a longer one the beginning is kept. Linear time. Not thread-safe. */
#ifndef CCOL_MONITOR_LINE_SPLITTER_H
#define CCOL_MONITOR_LINE_SPLITTER_H

#include <crashcollect/error.h>

#define LINE_MAX_BYTES ((size_t)16 << 10)

struct log_text {
    const char *text; /* NUL-terminated */
    size_t length;
    uint64_t begin, end; /* offsets in the stream, the line's end included */
    bool cut;            /* it was longer */
};

typedef void (*line_fn)(void *user, const struct log_text *line);

struct line_splitter;
/* -ENOMEM. */
int ccol__line_splitter_new(struct line_splitter **out, line_fn on_line, void *user);
void ccol__line_splitter_feed(struct line_splitter *splitter, const char *data, size_t length);
/* Hands over what came after the last newline, if anything. */
void ccol__line_splitter_end(struct line_splitter *splitter);
/* true inside a line: bytes came after the last newline. */
bool ccol__line_splitter_is_inside(const struct line_splitter *splitter);
void ccol__line_splitter_free(struct line_splitter *splitter);

/* Cleans one line that has no newline: out holds at least 3 * length + 1 bytes. Returns its length. */
size_t ccol__line_clean(char *out, const char *text, size_t length);

#endif
