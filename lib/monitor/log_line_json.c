/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "monitor/log_line_forms.h"
#include "monitor/log_time.h"

#define DEPTH_MAX 32

/* The first of the names that object has with a value of one of the two types. */
static const struct json *first_of(const struct json *object, const char *const *names, enum json_type a,
                                   enum json_type b)
{
    for (; *names; names++) {
        const struct json *value = ccol__json_member(object, *names);
        if (value && (value->type == a || value->type == b)) return value;
    }
    return NULL;
}

static const struct json *text_of(const struct json *object, const char *const *names)
{
    return first_of(object, names, JSON_STRING, JSON_STRING);
}

static unsigned small_number(const struct json *value)
{
    unsigned number = 0;
    for (size_t i = 0; i < value->length; i++) {
        if (value->text[i] < '0' || value->text[i] > '9' || number > 1000) return 1000;
        number = number * 10 + (unsigned)(value->text[i] - '0');
    }
    return value->length ? number : 1000;
}

enum line_level ccol__level_of_syslog(unsigned severity)
{
    static const enum line_level levels[] = {LEVEL_FATAL,   LEVEL_FATAL, LEVEL_FATAL, LEVEL_ERROR,
                                             LEVEL_WARNING, LEVEL_INFO,  LEVEL_INFO,  LEVEL_DEBUG};
    return severity < 8 ? levels[severity] : LEVEL_NONE;
}

/* Python's 10 debug .. 50 critical; pino's and bunyan's 10 trace .. 60 fatal are one step lower. */
static enum line_level level_of_tens(unsigned number, bool python)
{
    static const enum line_level levels[] = {LEVEL_TRACE,   LEVEL_TRACE, LEVEL_DEBUG, LEVEL_INFO,
                                             LEVEL_WARNING, LEVEL_ERROR, LEVEL_FATAL};
    if (number < 10 || number >= 70) return LEVEL_NONE;
    size_t step = number / 10 + python;
    return levels[step < 6 ? step : 6];
}

static enum line_level level_of_slog(unsigned number)
{
    static const enum line_level levels[] = {LEVEL_NONE, LEVEL_FATAL, LEVEL_ERROR, LEVEL_WARNING,
                                             LEVEL_INFO, LEVEL_DEBUG, LEVEL_TRACE};
    return number < 7 ? levels[number] : LEVEL_NONE;
}

static enum line_level level_by_number(const struct json *object, enum level_numbers numbers)
{
    static const char *const python[] = {"levelno", NULL}, *const any[] = {"level", NULL};
    static const char *const syslog[] = {"Severity", "PRIORITY", "severity", "syslog_severity", NULL};
    const struct json *value = first_of(object, python, JSON_NUMBER, JSON_NUMBER);
    if (value) return level_of_tens(small_number(value), true);
    value = first_of(object, any, JSON_NUMBER, JSON_NUMBER);
    if (value) {
        unsigned number = small_number(value);
        if (number >= 10 || numbers == NUMBERS_UNKNOWN) return level_of_tens(number, false);
        return numbers == NUMBERS_SLOG ? level_of_slog(number) : ccol__level_of_syslog(number);
    }
    value = first_of(object, syslog, JSON_NUMBER, JSON_STRING);
    return value ? ccol__level_of_syslog(small_number(value)) : LEVEL_NONE;
}

static enum line_level find_level(const struct json *object, enum level_numbers numbers)
{
    static const char *const names[] = {"level_str", "levelname", "severity_text", "log.level", "level",
                                        "lvl",       "severity",  "loglevel",      "@level",    NULL};
    static const char *const nested[] = {"level", NULL};
    for (const char *const *name = names; *name; name++) {
        const struct json *value = ccol__json_member(object, *name);
        enum line_level level =
            value && value->type == JSON_STRING ? ccol__level_of_word(value->text, value->length) : LEVEL_NONE;
        if (level != LEVEL_NONE) return level;
    }
    const struct json *log = ccol__json_member(object, "log");
    const struct json *inner = log && log->type == JSON_OBJECT ? text_of(log, nested) : NULL;
    if (inner) return ccol__level_of_word(inner->text, inner->length);
    return level_by_number(object, numbers);
}

/* Texts of an error that is a member: pino's err, Go's error, ECS. */
static void take_error(const struct json *object, struct log_line *out)
{
    static const char *const errors[] = {"err", "error", "exception", "exc", NULL};
    static const char *const stacks[] = {"stack", "stacktrace", "stack_trace", NULL};
    static const char *const messages[] = {"message", "msg", NULL};
    const struct json *error = first_of(object, errors, JSON_OBJECT, JSON_STRING);
    if (!error) return;
    if (error->type == JSON_STRING) {
        if (!out->message[0]) out->message = error->text;
        return;
    }
    const struct json *stack = text_of(error, stacks), *message = text_of(error, messages);
    if (stack && !out->stack[0]) out->stack = stack->text;
    if (message && !out->message[0]) out->message = message->text;
}

bool ccol__log_line_json(struct arena *arena, const char *line, size_t length, enum level_numbers numbers,
                         struct log_line *out)
{
    static const struct json_limits limits = {.depth = DEPTH_MAX, .number_length = 64};
    static const char *const messages[] = {"message", "msg", "event", "body", "@message", "Message", "text", NULL};
    static const char *const loggers[] = {"logger", "target", "logger_name", "log.logger", "mc.module", "component",
                                          "Type",   "module", "name",        "caller",     NULL};
    static const char *const stacks[] = {
        "stacktrace",           "stack", "exc_info", "exc_text", "stack_trace", "error.stack_trace",
        "exception.stacktrace", NULL};
    static const char *const times[] = {"timestamp", "time", "ts", "@timestamp", "datetime", "date", "asctime", NULL};
    struct json *object;
    if (ccol__json_parse(arena, line, length, &limits, &object, NULL) || object->type != JSON_OBJECT) return false;
    out->is_json = true;
    out->level = find_level(object, numbers);
    const struct json *value = text_of(object, messages), *fields = ccol__json_member(object, "fields");
    if (!value && fields && fields->type == JSON_OBJECT) value = text_of(fields, messages);
    if (!value && ((fields = ccol__json_member(object, "Fields")) != NULL) && fields->type == JSON_OBJECT)
        value = text_of(fields, messages);
    if (value) out->message = value->text;
    if ((value = text_of(object, loggers)) != NULL) out->logger = value->text;
    if ((value = text_of(object, stacks)) != NULL) out->stack = value->text;
    value = first_of(object, times, JSON_STRING, JSON_NUMBER);
    if (value) out->time_us = ccol__log_time_value(value->text, value->length);
    take_error(object, out);
    return true;
}
