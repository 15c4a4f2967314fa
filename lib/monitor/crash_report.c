/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/charset.h"
#include "base/json.h"
#include "base/text.h"
#include "monitor/container.h"
#include "monitor/crash.h"

#define US_PER_SECOND INT64_C(1000000)
#define TAIL_MOST     ((size_t)4 << 10)
#define JSON_MOST     ((size_t)16 << 20)
#define TEXT_MOST     ((size_t)8 << 20)

/* Sets an annotation, if there is text; what is not UTF-8 is taken as Latin-1. */
static int annotate(ccol_report *report, const char *name, const char *text)
{
    struct buffer decoded;
    if (!text || !*text) return 0;
    if (ccol__text_is_utf8(text, strlen(text))) return ccol_report_annotate(report, name, text);
    ccol__buffer_init(&decoded, JSON_MOST, NULL);
    int code = ccol__charset_from_header(&decoded, text) ? ccol_report_annotate(report, name, decoded.data) : -ENOMEM;
    ccol__buffer_fini(&decoded);
    return code;
}

static int annotate_number(ccol_report *report, const char *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    return annotate(report, name, text);
}

static int annotate_bytes(ccol_report *report, const char *name, uint64_t bytes)
{
    return bytes <= INT64_MAX ? annotate_number(report, name, (int64_t)bytes) : 0;
}

int ccol__crash_annotate_given(ccol_report *report, const struct crash_about *about)
{
    const struct json *given = about ? about->annotations : NULL;
    int code = 0;
    for (const struct json *one = given ? given->first : NULL; one && !code; one = one->next) {
        if (one->type == JSON_STRING && *one->key) code = annotate(report, one->key, one->text);
    }
    return code;
}

/* What the program set by ccol_capture_annotate; ours come later and win. */
static int annotate_app(ccol_report *report, const struct app_notes *notes)
{
    int code = 0;
    for (size_t i = 0; notes && i < notes->annotation_count && !code; i++)
        if (*notes->annotations[i].name)
            code = annotate(report, notes->annotations[i].name, notes->annotations[i].value);
    return code;
}

static int annotate_time(ccol_report *report, const struct crash *crash)
{
    int code = 0;
    if (crash->crashed_us) code = annotate_number(report, "CrashTime", crash->crashed_us / US_PER_SECOND);
    if (!code && crash->started_us) code = annotate_number(report, "StartupTime", crash->started_us / US_PER_SECOND);
    if (!code && crash->started_us && crash->crashed_us >= crash->started_us) {
        char text[32];
        int64_t us = crash->crashed_us - crash->started_us;
        snprintf(text, sizeof text, "%" PRId64 ".%06" PRId64, us / US_PER_SECOND, us % US_PER_SECOND);
        code = annotate(report, "UptimeTS", text);
    }
    return code;
}

static int annotate_oom(ccol_report *report, const struct oom_verdict *oom)
{
    int code = oom ? annotate(report, "OOMEvidence", oom->text) : 0;
    if (code || !oom || oom->evidence == OOM_NO_EVIDENCE) return code;
    code = annotate_bytes(report, "OOMLimitBytes", oom->limit);
    if (!code) code = annotate_bytes(report, "OOMUsageBytes", oom->usage);
    if (!code) code = annotate_bytes(report, "OOMPeakBytes", oom->peak);
    return code;
}

static int annotate_victim(ccol_report *report, const struct crash *crash)
{
    const struct victim *victim = crash->victim;
    char text[CONTAINER_TEXT_SIZE];
    int code = 0;
    const struct victim_thread *thread = ccol__victim_crashed(victim);
    if (victim->has_address) {
        snprintf(text, sizeof text, "0x%" PRIx64, victim->address);
        code = annotate(report, "CrashAddress", text);
    }
    if (!code && thread) code = annotate(report, "CrashThreadName", thread->name);
    if (!code && WIFEXITED(victim->reason.wait_status))
        code = annotate_number(report, "ExitStatus", WEXITSTATUS(victim->reason.wait_status));
    else if (!code && WIFSIGNALED(victim->reason.wait_status)) /* as a shell tells it */
        code = annotate_number(report, "ExitStatus", 128 + WTERMSIG(victim->reason.wait_status));
    if (!code && thread && thread->has_fault && victim->reason.signal != thread->fault.signal) {
        char name[SIGNAL_NAME_SIZE];
        code = annotate(report, "CaughtFault", ccol__signal_name(name, thread->fault.signal));
    }
    if (!code) code = annotate(report, "Cgroup", ccol__cgroup_path(text, victim->cgroup.data, victim->cgroup.length));
    if (!code)
        code = annotate(report, "ContainerId", ccol__container_id(text, victim->cgroup.data, victim->cgroup.length));
    return code ? code : annotate_number(report, "HeldMicroseconds", (int64_t)victim->reason.held_us);
}

static int annotate_log(ccol_report *report, const struct crash_log *log)
{
    size_t length = log->text.length < TAIL_MOST ? log->text.length : TAIL_MOST;
    if (length == 0) return 0;
    const char *tail = log->text.data + log->text.length - length;
    if (length < log->text.length) {
        const char *newline = memchr(tail, '\n', length);
        if (newline && newline[1]) tail = newline + 1;
    }
    return annotate(report, "LogTail", tail);
}

static int annotate_notes(ccol_report *report, const struct crash *crash)
{
    struct buffer text;
    if (crash->note_count == 0) return 0;
    ccol__buffer_init(&text, TEXT_MOST, NULL);
    for (size_t i = 0; i < crash->note_count; i++)
        ccol__buffer_format(&text, "%s%s", i ? "\n" : "", crash->notes[i]);
    int code = text.failed ? -ENOMEM : annotate(report, "CaptureNotes", text.data);
    ccol__buffer_fini(&text);
    return code;
}

static int annotate_all(ccol_report *report, const struct crash *crash)
{
    char reason[1024];
    const struct {
        const char *name, *value;
    } texts[] = {{"CrashReason", ccol__crash_reason(crash, reason, sizeof reason)},
                 {"Executable", crash->executable},
                 {"Hostname", crash->host->name},
                 {"CaptureMode", crash->mode},
                 {"CaptureModeReason", crash->mode_reason},
                 {"MonitorInstance", crash->instance},
                 {"Command", crash->about ? crash->about->command : NULL}};
    int code = annotate_app(report, crash->app_notes);
    if (!code) code = ccol__crash_annotate_given(report, crash->about);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !code; i++)
        code = annotate(report, texts[i].name, texts[i].value);
    if (!code && crash->pid) code = annotate_number(report, "ProcessId", crash->pid);
    if (!code) code = annotate_time(report, crash);
    if (!code) code = annotate_oom(report, crash->oom);
    if (!code && crash->victim) code = annotate_victim(report, crash);
    if (!code && crash->log) code = annotate_log(report, crash->log);
    return code ? code : annotate_notes(report, crash);
}

static int add_written(ccol_report *report, const char *name, const struct crash *crash, size_t most,
                       void (*write)(struct buffer *out, const struct crash *crash))
{
    struct buffer text;
    ccol__buffer_init(&text, most, NULL);
    write(&text, crash);
    int code = text.failed ? CCOL_ETOOLARGE : ccol_report_add_file(report, name, text.data, text.length);
    ccol__buffer_fini(&text);
    return code;
}

static int add_files(ccol_report *report, const struct crash *crash, const struct buffer *minidump)
{
    int code = 0;
    if (minidump && minidump->length)
        code = ccol_report_add_file(report, "upload_file_minidump", minidump->data, minidump->length);
    if (!code && crash->log && crash->log->text.length)
        code = ccol_report_add_file(report, "log", crash->log->text.data, crash->log->text.length);
    if (!code) code = add_written(report, "stacktrace", crash, TEXT_MOST, ccol__crash_write_text);
    return code ? code : add_written(report, "stacktrace_json", crash, JSON_MOST, ccol__crash_write_json);
}

int ccol__crash_report(ccol_report **out, const struct crash *crash, const struct buffer *minidump, ccol_error *err)
{
    ccol_report *report = ccol_report_new();
    int code = report ? annotate_all(report, crash) : -ENOMEM;
    if (!code) code = add_files(report, crash, minidump);
    if (code) {
        ccol_report_unref(report);
        return ccol_fail(err, code, "cannot make the report of process %d", crash->pid);
    }
    *out = report;
    return 0;
}
