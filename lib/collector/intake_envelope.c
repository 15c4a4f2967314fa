/* SPDX-License-Identifier: MIT */
/* An envelope becomes a report: its minidump a file of its own, all else as it came in another. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json_build.h"
#include "base/random.h"
#include "collector/intake_private.h"

#define EVENT_MAX ((size_t)1 << 20)

static const struct json_limits limits = {.depth = 100, .number_length = 100};

static int keep(struct intake *intake, const char *data, size_t length)
{
    return ccol__crash_buffer_append(&intake->kept, data, length);
}

static int keep_line(struct intake *intake, const char *line, size_t length)
{
    int code = keep(intake, line, length);
    return code ? code : keep(intake, "\n", 1);
}

static int on_header(void *user, const char *line, size_t length, const struct json *json)
{
    struct intake *intake = user;
    int code = ccol__intake_authenticate_dsn(intake, ccol__json_text(json, "dsn"));
    if (code) return code;
    ccol__sentry_id_read(intake->id, ccol__json_text(json, "event_id"));
    return keep_line(intake, line, length);
}

static void note_item(struct intake *intake, const char *type)
{
    size_t used = strlen(intake->items);
    snprintf(intake->items + used, sizeof intake->items - used, "%s%.40s", used ? "," : "", type);
}

static int on_item(void *user, const struct envelope_item_header *item)
{
    struct intake *intake = user;
    const char *type = ccol__json_text(item->json, "type"), *kind = ccol__json_text(item->json, "attachment_type");
    note_item(intake, type);
    intake->item = ITEM_KEPT;
    if (strcmp(type, "attachment") == 0 && kind && strcmp(kind, "event.minidump") == 0 && !intake->has_dump) {
        intake->item = ITEM_DUMP;
        intake->has_dump = true;
        return ccol__report_file_begin(intake->report, ENVELOPE_DUMP_FILE);
    }
    int code = keep_line(intake, item->line, item->line_length);
    if (strcmp(type, "event") == 0 && !intake->has_event) {
        intake->item = ITEM_EVENT;
        intake->has_event = true;
        intake->event_at = intake->kept.length;
    }
    return code;
}

static int on_data(void *user, const char *data, size_t length)
{
    struct intake *intake = user;
    if (intake->item == ITEM_DUMP) return ccol__report_file_append(intake->report, data, length);
    return keep(intake, data, length);
}

static int on_end(void *user)
{
    struct intake *intake = user;
    if (intake->item == ITEM_DUMP) return ccol__report_file_end(intake->report);
    if (intake->item == ITEM_EVENT) intake->event_length = intake->kept.length - intake->event_at;
    return keep(intake, "\n", 1);
}

static const struct envelope_events events = {on_header, on_item, on_data, on_end};

int ccol__intake_envelope_begin(struct intake *intake)
{
    return ccol__envelope_parser_new(&intake->parser, &events, intake);
}

static int annotate(struct intake *intake, const char *name, const char *value)
{
    if (!value || !*value || ccol__report_find(intake->report, name)) return 0;
    int code = ccol_report_annotate(intake->report, name, value);
    return code == -EINVAL ? 0 : code;
}

/* "package@version+build" is what releases are called. */
static int annotate_release(struct intake *intake, const char *release)
{
    char text[256];
    const char *at = release ? strrchr(release, '@') : NULL;
    if (!at || at == release || strlen(release) >= sizeof text) return 0;
    snprintf(text, sizeof text, "%.*s", (int)(at - release), release);
    int code = annotate(intake, "ProductName", text);
    return code ? code : annotate(intake, "Version", at + 1);
}

int ccol__intake_describe(struct intake *intake, const struct json *event)
{
    if (!intake->id[0]) ccol__sentry_id_read(intake->id, ccol__json_text(event, "event_id"));
    int code = annotate_release(intake, ccol__json_text(event, "release"));
    if (!code) code = annotate(intake, "SentryEnvironment", ccol__json_text(event, "environment"));
    if (!code) code = annotate(intake, "SentryPlatform", ccol__json_text(event, "platform"));
    if (!code) code = annotate(intake, "SentryLevel", ccol__json_text(event, "level"));
    return code ? code : annotate(intake, "SentryEventId", intake->id);
}

/* An event that cannot be read is kept all the same. */
static int describe_text(struct intake *intake, const char *event, size_t length)
{
    struct arena arena;
    struct json *json;
    int code = 0;
    ccol__arena_init(&arena, intake->limits.budget);
    if (length && length <= EVENT_MAX && ccol__json_parse(&arena, event, length, &limits, &json, NULL) == 0)
        code = ccol__intake_describe(intake, json);
    ccol__arena_fini(&arena);
    return code;
}

int ccol__intake_copy(ccol_report *report, const struct crash_buffer *bytes)
{
    int code = 0;
    for (size_t at = 0, slice; !code && at < bytes->length; at += slice) {
        slice = bytes->length - at < CRASH_BUFFER_SLICE ? bytes->length - at : CRASH_BUFFER_SLICE;
        code = ccol__report_file_append(report, bytes->data + at, slice);
        ccol__crash_buffer_release(bytes);
    }
    return code;
}

static int add_envelope(struct intake *intake)
{
    int code = ccol__report_file_begin(intake->report, ENVELOPE_FILE);
    if (!code) code = ccol__intake_copy(intake->report, &intake->kept);
    if (!code) code = ccol__report_file_end(intake->report);
    if (!code) code = annotate(intake, "SentryItems", intake->items);
    return code ? code : annotate(intake, "SentryEventId", intake->id);
}

int ccol__intake_envelope_finish(struct intake *intake)
{
    int code = ccol__envelope_parser_finish(intake->parser);
    if (code == CCOL_EFORMAT)
        return ccol__intake_refuse(intake, 400, "invalid envelope"); /* unless its header was refused before */
    if (!code && intake->has_event)
        code = describe_text(intake, (const char *)intake->kept.data + intake->event_at, intake->event_length);
    return code ? code : add_envelope(intake);
}

/* A random id for an event that came without one. */
static void make_id(char id[SENTRY_ID_SIZE])
{
    uint8_t bytes[16] = {0};
    ccol__random_bytes(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    ccol__hex(id, bytes, sizeof bytes);
}

/* As an envelope of one item; what was kept is the event. */
static int wrap_event(struct intake *intake, struct crash_buffer *event)
{
    char head[128];
    *event = intake->kept;
    intake->kept = (struct crash_buffer){.pool = event->pool};
    int length = snprintf(head, sizeof head, "{\"event_id\":\"%s\"}\n{\"type\":\"event\",\"length\":%zu}\n", intake->id,
                          event->length);
    int code = keep(intake, head, (size_t)length);
    if (!code) code = keep(intake, (const char *)event->data, event->length);
    return code ? code : keep(intake, "\n", 1);
}

int ccol__intake_store_finish(struct intake *intake)
{
    const char *text = intake->kept.data ? (const char *)intake->kept.data : "";
    size_t length = intake->kept.length;
    struct arena arena;
    struct json *json;
    ccol__arena_init(&arena, intake->limits.budget);
    int code = ccol__json_parse(&arena, text, length, &limits, &json, NULL);
    if (code == CCOL_EFORMAT || (!code && json->type != JSON_OBJECT))
        code = ccol__intake_refuse(intake, 400, "invalid event: it is no JSON object");
    ccol__arena_fini(&arena);
    if (!code) code = describe_text(intake, text, length);
    if (code) return code;
    if (!intake->id[0]) make_id(intake->id);
    note_item(intake, "event");
    struct crash_buffer event = {0};
    code = wrap_event(intake, &event);
    if (!code) code = add_envelope(intake);
    ccol__crash_buffer_fini(&event);
    return code;
}
