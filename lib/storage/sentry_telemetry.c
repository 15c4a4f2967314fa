/* SPDX-License-Identifier: MIT */
#include "storage/sentry_telemetry.h"

#include <errno.h>
#include <string.h>

#include "net/sentry_client.h"
#include "report/report.h"

#define SESSION_FILE     "session_json"
#define LOGS_FILE        "logs_json"
#define LINES_MOST       100
#define PAYLOAD_MAX      ((size_t)64 << 20)
#define TIME_MOST        64
#define ENVIRONMENT_MOST 64

/* The file that the report is about, or NULL: it is of no such kind. */
static const char *payload_of(const ccol_report *report, ccol_file *file)
{
    static const struct {
        const char *kind, *file;
    } kinds[] = {{"session", SESSION_FILE}, {"logs", LOGS_FILE}};
    const char *kind = ccol_report_annotation(report, "ReportKind");
    for (size_t i = 0; kind && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kind, kinds[i].kind) == 0)
            return ccol__report_find_file(report, kinds[i].file, file) ? kinds[i].file : NULL;
    return NULL;
}

bool ccol__sentry_telemetry_is(const ccol_report *report)
{
    ccol_file file;
    return payload_of(report, &file) && !ccol__report_find_file(report, SENTRY_DUMP_FILE, &file);
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

static void put_attribute(struct buffer *out, const char *name, const char *value)
{
    if (!value || !*value) return;
    ccol__buffer_format(out, ",\"%s\":{\"type\":\"string\"", name);
    put_cut(out, "value", value, SENTRY_RELEASE_SIZE - 1);
    ccol__buffer_text(out, "}");
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

/* What all lines of a report have in common, as the text of their attributes. */
static void write_attributes(struct buffer *out, const ccol_report *report, const struct sentry_event_options *options)
{
    char release[SENTRY_RELEASE_SIZE];
    const struct {
        const char *name, *value;
    } rows[] = {{"sentry.release", ccol__sentry_release(release, report, options)},
                {"sentry.environment", ccol__sentry_environment(report, options)},
                {"sentry.sdk.name", SENTRY_SDK_NAME},
                {"sentry.sdk.version", ccol_version_text()},
                {"server.address", options->server_name},
                {"process.executable.path", ccol_report_annotation(report, "Executable")}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        put_attribute(out, rows[i].name, rows[i].value);
}

static bool write_line(struct buffer *out, const struct json *line, const char *trace_id, const char *attributes)
{
    static const struct {
        const char *level, *sentry;
        int severity; /* OpenTelemetry's */
    } levels[] = {{"trace", "trace", 1},   {"debug", "debug", 5},  {"info", "info", 9},
                  {"warning", "warn", 13}, {"error", "error", 17}, {"fatal", "fatal", 21}};
    const char *level = ccol__json_text(line, "level"), *message = ccol__json_text(line, "message");
    uint64_t at_us;
    size_t i = 0;
    while (level && i < sizeof levels / sizeof levels[0] && strcmp(level, levels[i].level) != 0)
        i++;
    if (!level || i == sizeof levels / sizeof levels[0] || !message || !ccol__json_count(line, "at_us", &at_us))
        return false;
    ccol__buffer_format(out, "{\"timestamp\":%llu.%06u,\"severity_number\":%d", (unsigned long long)(at_us / 1000000),
                        (unsigned)(at_us % 1000000), levels[i].severity);
    put_text(out, "level", levels[i].sentry);
    put_text(out, "trace_id", trace_id);
    put_text(out, "body", message);
    ccol__buffer_text(out, ",\"attributes\":{");
    ccol__buffer_text(out, attributes + 1); /* without the comma in front of the first */
    put_attribute(out, "log.iostream", ccol__json_text(line, "stream"));
    put_attribute(out, "logger.name", ccol__json_text(line, "logger"));
    ccol__buffer_text(out, "}}");
    return true;
}

static bool write_logs(struct sentry_telemetry *out, const struct json *logs, const char *attributes)
{
    const char *trace_id = ccol__json_text(logs, "trace_id");
    const struct json *line = ccol__json_list(logs, "lines");
    char id[SENTRY_ID_SIZE];
    if (!ccol__sentry_id_read(id, trace_id) || !line) return false;
    if (!ccol__json_count(logs, "dropped", &out->dropped)) out->dropped = 0;
    ccol__buffer_text(&out->payload, "{\"items\":[");
    for (out->quantity = 0; line && out->quantity < LINES_MOST; line = line->next, out->quantity++) {
        if (out->quantity) ccol__buffer_text(&out->payload, ",");
        if (!write_line(&out->payload, line, id, attributes)) return false;
    }
    ccol__buffer_text(&out->payload, "]}");
    out->item = (struct envelope_item){
        .type = "log", .content_type = "application/vnd.sentry.items.log+json", .item_count = (unsigned)out->quantity};
    return true;
}

static int make_logs(struct sentry_telemetry *out, const ccol_report *report,
                     const struct sentry_event_options *options, const struct json *logs, ccol_error *err)
{
    struct buffer attributes;
    ccol__buffer_init(&attributes, PAYLOAD_MAX, NULL);
    write_attributes(&attributes, report, options);
    int code = attributes.failed ? ccol_fail(err, -ENOMEM, "no memory for lines of a log") : 0;
    out->category = CATEGORY_LOG;
    if (!code && !write_logs(out, logs, attributes.data))
        code = ccol_fail(err, CCOL_EFORMAT, "the report's " LOGS_FILE " is not what it should be");
    ccol__buffer_fini(&attributes);
    return code;
}

static int make_session(struct sentry_telemetry *out, const ccol_report *report,
                        const struct sentry_event_options *options, const struct json *session, ccol_error *err)
{
    char release[SENTRY_RELEASE_SIZE];
    out->category = CATEGORY_SESSION;
    out->quantity = 1;
    if (!ccol__sentry_release(release, report, options)) return 0;
    if (!write_session(&out->payload, session, release, ccol__sentry_environment(report, options)))
        return ccol_fail(err, CCOL_EFORMAT, "the report's " SESSION_FILE " is not what it should be");
    out->item = (struct envelope_item){.type = "session", .content_type = "application/json"};
    return 0;
}

int ccol__sentry_telemetry_make(struct sentry_telemetry *out, const ccol_report *report,
                                const struct sentry_event_options *options, ccol_error *err)
{
    static const struct json_limits limits = {.depth = 8, .number_length = 32};
    struct arena arena;
    struct json *json = NULL;
    ccol_file file;
    *out = (struct sentry_telemetry){.category = CATEGORY_OTHER};
    ccol__buffer_init(&out->payload, PAYLOAD_MAX, NULL);
    const char *name = payload_of(report, &file);
    if (!name) return 0;
    ccol__arena_init(&arena, NULL);
    int code = ccol__json_parse(&arena, file.data, file.length, &limits, &json, err);
    if (!code && strcmp(name, LOGS_FILE) == 0)
        code = make_logs(out, report, options, json, err);
    else if (!code)
        code = make_session(out, report, options, json, err);
    ccol__arena_fini(&arena);
    if (!code && out->payload.failed) code = ccol_fail(err, -ENOMEM, "no memory for what goes to Sentry");
    out->item.data = out->payload.data;
    out->item.length = out->payload.length;
    return code;
}

void ccol__sentry_telemetry_fini(struct sentry_telemetry *telemetry)
{
    ccol__buffer_fini(&telemetry->payload);
}
