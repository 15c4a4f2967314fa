/* SPDX-License-Identifier: MIT */
#include "monitor/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json_build.h"

#define JSON_MOST ((size_t)64 << 10)

static const char *const names[] = {"exited", "crashed", "abnormal"};

enum session_status ccol__session_status(int wait_status, bool panicked)
{
    static const int crashes[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};
    bool failed = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) != 0;
    if (failed && panicked) return SESSION_CRASHED;
    if (!WIFSIGNALED(wait_status)) return SESSION_EXITED;
    if (WTERMSIG(wait_status) == SIGKILL) return SESSION_ABNORMAL;
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        if (WTERMSIG(wait_status) == crashes[i]) return SESSION_CRASHED;
    return SESSION_EXITED;
}

static int add_json(ccol_report *report, const struct session *session)
{
    struct arena arena;
    struct buffer text;
    char time[CCOL_RFC3339_SIZE];
    ccol__arena_init(&arena, NULL);
    ccol__buffer_init(&text, JSON_MOST, NULL);
    struct json_builder builder = {.arena = &arena};
    struct json *whole = ccol__json_new(&builder, JSON_OBJECT);
    ccol__json_put_number(&builder, whole, "version", 1);
    ccol__json_put_text(&builder, whole, "id", session->id);
    ccol__json_put_text(&builder, whole, "started_at", ccol__clock_rfc3339(time, session->facts->started_at_us));
    ccol__json_put_text(&builder, whole, "ended_at", ccol__clock_rfc3339(time, session->ended_us));
    int64_t took_us = session->ended_us - session->facts->started_at_us;
    ccol__json_put_number(&builder, whole, "duration_ms", took_us > 0 ? took_us / 1000 : 0);
    ccol__json_put_text(&builder, whole, "status", names[session->status]);
    ccol__json_put_number(&builder, whole, "errors",
                          session->errors > INT64_MAX ? INT64_MAX : (int64_t)session->errors);
    int code = builder.failed || !ccol__json_write(&text, whole) ? -ENOMEM : 0;
    if (!code) code = ccol_report_add_file(report, "session_json", text.data, text.length);
    ccol__buffer_fini(&text);
    ccol__arena_fini(&arena);
    return code;
}

static int annotate_all(ccol_report *report, const struct session *session, const char *kind, const char *status)
{
    const struct {
        const char *name, *value;
    } rows[] = {{"ReportKind", kind},
                {"SessionStatus", status},
                {"Executable", session->facts->executable},
                {"Hostname", session->host}};
    int code = ccol__crash_annotate_given(report, session->about);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !code; i++)
        if (rows[i].value && *rows[i].value) code = ccol_report_annotate(report, rows[i].name, rows[i].value);
    return code;
}

static int hand_out(ccol_report **out, ccol_report *report, int code, ccol_error *err)
{
    if (!code) {
        *out = report;
        return 0;
    }
    ccol_report_unref(report);
    return ccol_fail(err, code, "the report of a run");
}

int ccol__session_report(ccol_report **out, const struct session *session, ccol_error *err)
{
    ccol_report *report = ccol_report_new();
    int code = report ? annotate_all(report, session, "session", names[session->status]) : -ENOMEM;
    if (!code) code = add_json(report, session);
    return hand_out(out, report, code, err);
}

int ccol__logs_report(ccol_report **out, const struct session *session, const char *json, size_t length,
                      ccol_error *err)
{
    ccol_report *report = ccol_report_new();
    int code = report ? annotate_all(report, session, "logs", NULL) : -ENOMEM;
    if (!code) code = ccol_report_add_file(report, "logs_json", json, length);
    return hand_out(out, report, code, err);
}
