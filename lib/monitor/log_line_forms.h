/* SPDX-License-Identifier: MIT */
/* The two forms of log lines: JSON objects, and text. */
#ifndef CCOL_MONITOR_LOG_LINE_FORMS_H
#define CCOL_MONITOR_LOG_LINE_FORMS_H

#include "monitor/log_line.h"
#include "monitor/panic_block.h"

/* true: the line is a JSON object, out is filled as far as it tells. */
bool ccol__log_line_json(struct arena *arena, const char *line, size_t length, enum level_numbers numbers,
                         struct log_line *out);

/* What a text line tells, as pieces of it. */
struct text_line {
    enum line_level level;
    struct span message, logger;
    int64_t time_us;
    bool has_time, quoted; /* the message is a quoted logfmt value */
};
void ccol__log_line_text(struct span line, struct text_line *out);

/* "level=error msg=..." ; false: it is no such line. */
bool ccol__log_line_logfmt(struct span line, struct text_line *out);

/* Level of one of syslog's numbers 0..7. */
enum line_level ccol__level_of_syslog(unsigned severity);

#endif
