/* SPDX-License-Identifier: MIT */
/* Level, message, time and logger of one log line, whatever wrote it: JSON of any common logger, logfmt, slog, tracing,
 * env_logger, glog, spdlog, Python's logging, syslog's and systemd's <n>, klog, log4j and kin. The level is never
 * guessed from prose: "no error found" has none. Pure: no I/O, linear time in the line. */
#ifndef CCOL_MONITOR_LOG_LINE_H
#define CCOL_MONITOR_LOG_LINE_H

#include <crashcollect/error.h>

#include "base/arena.h"

enum line_level { LEVEL_NONE, LEVEL_TRACE, LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_FATAL };

/* Of a bare number 1 to 7 under the key "level" nobody can tell which end is bad, so it is unknown unless said. */
enum level_numbers { NUMBERS_UNKNOWN, NUMBERS_SLOG /* 1 critical .. 6 trace */, NUMBERS_SYSLOG /* 0 emergency .. 7 */ };

struct log_line_options {
    /* "LEVEL=REGEX" each, POSIX extended, tried first and in order: "error=^E/", "none=healthcheck". */
    const char *const *rules;
    size_t rule_count;
    enum level_numbers numbers;
};

/* Texts are NUL-terminated and live as long as the arena given, or "" . */
struct log_line {
    enum line_level level; /* LEVEL_NONE: the line does not tell */
    bool is_json;
    bool continues;      /* looks like the rest of the record before it: indented, "Caused by:", "at ..." */
    const char *message; /* without time, level and logger where they could be told apart */
    const char *logger;  /* logger, target, module or caller */
    const char *stack;   /* a stack trace that came as a member of a JSON line */
    int64_t time_us;     /* since 1970; 0 where the line has no time with a known zone */
};

struct log_line_reader;
/* -ENOMEM; CCOL_EFORMAT: a rule that is none, named in the text. */
int ccol__log_line_reader_new(struct log_line_reader **out, const struct log_line_options *options, ccol_error *err);
/* The line is clean (line_splitter.h). Any thread. false: memory. */
bool ccol__log_line_read(const struct log_line_reader *reader, struct arena *arena, const char *line, size_t length,
                         struct log_line *out);
void ccol__log_line_reader_free(struct log_line_reader *reader);

/* Whether a line is the first of a log record: it begins with a time or a level, or is JSON. What panic blocks are
 * ended by. Needs no memory. */
bool ccol__log_line_is_record(const char *line, size_t length);

/* "fatal", "error", "warning", "info", "debug" (trace too) as stacktrace_json's breadcrumbs have it; "" for none. */
const char *ccol__level_name(enum line_level level);
/* The level of a word in any of its usual spellings and any case; LEVEL_NONE if it is none. */
enum line_level ccol__level_of_word(const char *word, size_t length);

#endif
