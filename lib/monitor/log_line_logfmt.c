/* SPDX-License-Identifier: MIT */
/* "time=... level=error msg=\"failed x\" err=boom": pairs, the level's among them. */
#include <ctype.h>
#include <string.h>

#include "monitor/log_line_forms.h"
#include "monitor/log_time.h"

#define PAIRS_MAX 32

struct pair {
    struct span key, value;
    bool quoted;
};

/* Bytes up to the quote that ends a quoted value, without it. */
static size_t quoted_length(struct span value)
{
    size_t end = 1;
    while (end < value.length && value.text[end] != '"')
        end += value.text[end] == '\\' && end + 1 < value.length ? 2 : 1;
    return end < value.length ? end : value.length;
}

static size_t key_length(struct span line)
{
    size_t at = 0;
    while (at < line.length && (isalnum((unsigned char)line.text[at]) || strchr("_.-@", line.text[at])))
        at++;
    return at < line.length && line.text[at] == '=' ? at : 0;
}

/* Takes the next word or pair off the line; false: nothing is left. A word without '=' has an empty key. */
static bool next_pair(struct span *line, struct pair *pair)
{
    *line = ccol__span_trim(*line);
    if (!line->length) return false;
    size_t key = key_length(*line);
    *pair = (struct pair){.key = ccol__span_to(*line, key)};
    if (key) *line = ccol__span_from(*line, key + 1);
    pair->quoted = ccol__span_starts(*line, "\"");
    size_t end = pair->quoted ? quoted_length(*line) : ccol__span_find(*line, " ");
    pair->value = ccol__span_from(ccol__span_to(*line, end), pair->quoted);
    *line = ccol__span_from(*line, end == SIZE_MAX ? end : end + 1);
    return true;
}

static bool is_one_of(struct span key, const char *const *names)
{
    for (; *names; names++)
        if (ccol__span_equals(key, *names)) return true;
    return false;
}

bool ccol__log_line_logfmt(struct span line, struct text_line *out)
{
    static const char *const levels[] = {"level", "lvl", "severity", "levelname", "log.level", NULL};
    static const char *const messages[] = {"msg", "message", "event", NULL};
    static const char *const loggers[] = {"logger", "component", "module", "caller", "source", NULL};
    static const char *const times[] = {"time", "ts", "timestamp", "t", NULL};
    struct text_line found = {.message = line};
    if (ccol__span_find(line, "l=") == SIZE_MAX && ccol__span_find(line, "severity=") == SIZE_MAX &&
        ccol__span_find(line, "levelname=") == SIZE_MAX)
        return false;
    struct span rest = line;
    struct pair pair;
    for (unsigned i = 0; i < PAIRS_MAX && next_pair(&rest, &pair); i++) {
        if (is_one_of(pair.key, levels) && found.level == LEVEL_NONE) {
            found.level = ccol__level_of_word(pair.value.text, pair.value.length);
        } else if (is_one_of(pair.key, messages)) {
            found.message = pair.value;
            found.quoted = pair.quoted;
        } else if (is_one_of(pair.key, loggers)) {
            found.logger = pair.value;
        } else if (is_one_of(pair.key, times)) {
            found.time_us = ccol__log_time_value(pair.value.text, pair.value.length);
            found.has_time = true;
        }
    }
    if (found.level == LEVEL_NONE) return false;
    *out = found;
    return true;
}
