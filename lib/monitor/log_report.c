/* SPDX-License-Identifier: MIT */
#include "monitor/log_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"

#define TEXT_MOST     ((size_t)1 << 20)
#define JSON_MOST     ((size_t)16 << 20)
#define TREE_MOST     ((size_t)32 << 20)
#define US_PER_SECOND INT64_C(1000000)

static void put_time(struct json_builder *builder, struct json *object, const char *key, int64_t us)
{
    char text[CCOL_RFC3339_SIZE];
    if (us) ccol__json_put_text(builder, object, key, ccol__clock_rfc3339(text, us));
}

static void put_exception(struct json_builder *builder, struct json *whole, const struct log_event *event,
                          const char *message)
{
    struct json *list = ccol__json_put_array(builder, whole, "exceptions");
    struct json *exception = ccol__json_new(builder, JSON_OBJECT);
    ccol__json_put_text(builder, exception, "type", "log");
    ccol__json_put_text(builder, exception, "value", message);
    ccol__json_put_text(builder, exception, "module", event->logger);
    ccol__json_put_array(builder, exception, "frames");
    ccol__json_push(builder, list, exception);
}

static void write_json(struct buffer *out, const struct crash *crash, const struct log_event *event,
                       const char *message)
{
    struct arena arena;
    struct budget budget = {.limit = TREE_MOST};
    ccol__arena_init(&arena, &budget);
    struct json_builder builder = {.arena = &arena};
    struct json *whole = ccol__json_new(&builder, JSON_OBJECT);
    ccol__json_put_number(&builder, whole, "version", 1);
    ccol__json_put_text(&builder, whole, "level", ccol__level_name(event->level));
    if (crash->pid) ccol__json_put_number(&builder, whole, "pid", crash->pid);
    ccol__json_put_text(&builder, whole, "executable", crash->executable);
    put_time(&builder, whole, "started_at", crash->started_us);
    put_time(&builder, whole, "crashed_at", event->at_us);
    struct json *system = ccol__json_put_object(&builder, whole, "system");
    ccol__json_put_text(&builder, system, "os", "Linux");
    ccol__json_put_text(&builder, system, "os_version", crash->host->release);
    ccol__json_put_text(&builder, system, "os_pretty", crash->host->pretty);
    put_exception(&builder, whole, event, message);
    ccol__crash_put_crumbs(&builder, whole, crash->log);
    if (builder.failed || !ccol__json_write(out, whole)) out->failed = true;
    ccol__arena_fini(&arena);
}

static int annotate(ccol_report *report, const char *name, const char *text)
{
    return text && *text ? ccol_report_annotate(report, name, text) : 0;
}

static int annotate_all(ccol_report *report, const struct crash *crash, const struct log_event *event,
                        const char *message)
{
    char pid[24], time[24], suppressed[24];
    int code = ccol__crash_annotate_given(report, crash->about);
    snprintf(pid, sizeof pid, "%" PRId32, crash->pid);
    snprintf(time, sizeof time, "%" PRId64, event->at_us / US_PER_SECOND);
    snprintf(suppressed, sizeof suppressed, "%" PRIu64, event->suppressed);
    const struct {
        const char *name, *value;
    } rows[] = {{"ReportKind", "log"},
                {"LogLevel", ccol__level_name(event->level)},
                {"LogMessage", message},
                {"LogLogger", event->logger},
                {"LogStream", ccol__ring_stream_name(event->stream)},
                {"LogSuppressed", event->suppressed ? suppressed : ""},
                {"CrashTime", time},
                {"ProcessId", crash->pid ? pid : ""},
                {"Executable", crash->executable},
                {"Hostname", crash->host->name}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !code; i++)
        code = annotate(report, rows[i].name, rows[i].value);
    return code;
}

int ccol__log_report(ccol_report **out, const struct crash *crash, const struct log_event *event,
                     const struct redactor *redactor, ccol_error *err)
{
    struct buffer message, json;
    ccol_report *report = *out = ccol_report_new();
    ccol__buffer_init(&message, TEXT_MOST, NULL);
    ccol__buffer_init(&json, JSON_MOST, NULL);
    int code = report ? 0 : -ENOMEM;
    if (!ccol__redact_text(redactor, &message, event->message, strlen(event->message))) code = -ENOMEM;
    if (!code && !message.length) ccol__buffer_text(&message, "(an empty message)");
    if (!code) code = annotate_all(report, crash, event, message.data);
    if (!code) write_json(&json, crash, event, message.data);
    if (!code && json.failed) code = -ENOMEM;
    if (!code) code = ccol_report_add_file(report, "stacktrace_json", json.data, json.length);
    if (!code && crash->log && crash->log->text.length)
        code = ccol_report_add_file(report, "log", crash->log->text.data, crash->log->text.length);
    ccol__buffer_fini(&message);
    ccol__buffer_fini(&json);
    return code ? ccol_fail(err, code, "the report of a line of the log") : 0;
}
