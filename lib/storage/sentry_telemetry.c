/* SPDX-License-Identifier: MIT */
#include "storage/sentry_telemetry.h"

#include <errno.h>
#include <string.h>

#define SESSION_FILE     "session_json"
#define PAYLOAD_MAX      ((size_t)1 << 20)
#define TIME_MOST        64
#define ENVIRONMENT_MOST 64

static bool find_file(const ccol_report *report, const char *name, ccol_file *out)
{
    *out = (ccol_file){.size = sizeof *out};
    for (size_t i = 0; ccol_report_file_at(report, i, out); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

bool ccol__sentry_telemetry_is(const ccol_report *report)
{
    const char *kind = ccol_report_annotation(report, "ReportKind");
    ccol_file file;
    return kind && strcmp(kind, "session") == 0 && find_file(report, SESSION_FILE, &file) &&
           !find_file(report, SENTRY_DUMP_FILE, &file);
}

static void put_text(struct buffer *out, const char *key, const char *text)
{
    ccol__buffer_format(out, "%s\"%s\":", out->data[out->length - 1] == '{' ? "" : ",", key);
    ccol__json_write_string(out, text, strlen(text));
}

/* At most so many bytes of it, not cut inside a character. */
static void put_cut(struct buffer *out, const char *key, const char *text, size_t most)
{
    char cut[SENTRY_RELEASE_SIZE];
    size_t length = strnlen(text, most);
    while (text[length] && length && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    memcpy(cut, text, length);
    cut[length] = '\0';
    put_text(out, key, cut);
}

static bool is_time(const char *text)
{
    return text && *text && strlen(text) < TIME_MOST;
}

static bool is_status(const char *status)
{
    static const char *const known[] = {"exited", "crashed", "abnormal"};
    for (size_t i = 0; status && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(status, known[i]) == 0) return true;
    return false;
}

/* One update that begins and ends it: Sentry counts it, and the same again not twice. false: not a session. */
static bool write_session(struct buffer *out, const struct json *session, const char *release, const char *environment)
{
    const char *id = ccol__json_text(session, "id"), *started = ccol__json_text(session, "started_at");
    const char *ended = ccol__json_text(session, "ended_at"), *status = ccol__json_text(session, "status");
    uint64_t errors, took_ms;
    char sid[SENTRY_ID_SIZE];
    if (!ccol__sentry_id_read(sid, id) || !is_time(started) || !is_time(ended) || !is_status(status) ||
        !ccol__json_count(session, "errors", &errors) || !ccol__json_count(session, "duration_ms", &took_ms))
        return false;
    ccol__buffer_text(out, "{");
    put_text(out, "sid", id);
    put_text(out, "started", started);
    put_text(out, "timestamp", ended);
    put_text(out, "status", status);
    ccol__buffer_format(out, ",\"init\":true,\"duration\":%llu.%03u,\"errors\":%llu,\"attrs\":{",
                        (unsigned long long)(took_ms / 1000), (unsigned)(took_ms % 1000), (unsigned long long)errors);
    put_text(out, "release", release);
    put_cut(out, "environment", environment, ENVIRONMENT_MOST);
    ccol__buffer_text(out, "}}");
    return true;
}

int ccol__sentry_telemetry_make(struct sentry_telemetry *out, const ccol_report *report,
                                const struct sentry_event_options *options, ccol_error *err)
{
    static const struct json_limits limits = {.depth = 8, .number_length = 32};
    char release[SENTRY_RELEASE_SIZE];
    struct arena arena;
    struct json *session = NULL;
    ccol_file file;
    *out = (struct sentry_telemetry){.category = CATEGORY_SESSION, .quantity = 1};
    ccol__buffer_init(&out->payload, PAYLOAD_MAX, NULL);
    if (!ccol__sentry_release(release, report, options) || !find_file(report, SESSION_FILE, &file)) return 0;
    ccol__arena_init(&arena, NULL);
    int code = ccol__json_parse(&arena, file.data, file.length, &limits, &session, err);
    if (!code && !write_session(&out->payload, session, release, ccol__sentry_environment(report, options)))
        code = ccol_fail(err, CCOL_EFORMAT, "the report's " SESSION_FILE " is not what it should be");
    ccol__arena_fini(&arena);
    if (!code && out->payload.failed) code = ccol_fail(err, -ENOMEM, "no memory for a session");
    if (code) return code;
    out->item = (struct envelope_item){.type = "session",
                                       .content_type = "application/json",
                                       .data = out->payload.data,
                                       .length = out->payload.length};
    return 0;
}

void ccol__sentry_telemetry_fini(struct sentry_telemetry *telemetry)
{
    ccol__buffer_fini(&telemetry->payload);
}
