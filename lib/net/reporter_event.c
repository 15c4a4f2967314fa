/* SPDX-License-Identifier: MIT */
#include "net/reporter_event.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/text.h"
#include "net/sentry_client.h"

#define HEADERS_MAX 50
#define VALUE_MAX   1000

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (ccol__text_equal_nocase(name, strlen(name), *names)) return true;
    return false;
}

static const char *header_value(const ccol_incident *incident, const char *name)
{
    for (size_t i = 0; i < incident->header_count; i++)
        if (ccol__text_equal_nocase(incident->headers[i].name, strlen(incident->headers[i].name), name))
            return incident->headers[i].value;
    return NULL;
}

static void put_headers(struct json_builder *builder, struct json *request, const ccol_incident *incident)
{
    static const char *const open[] = {
        "Host",       "User-Agent", "Content-Type", "Content-Length", "Content-Encoding", "Accept", "Accept-Encoding",
        "Connection", NULL};
    static const char *const scrubbed[] = {"X-Forwarded-For", "X-Real-Ip",           "Forwarded",  "Cookie",
                                           "Authorization",   "Proxy-Authorization", "Auth-Token", NULL};
    struct json *headers = ccol__json_put_object(builder, request, "headers");
    for (size_t i = 0; i < incident->header_count && i < HEADERS_MAX; i++) {
        const ccol_header *header = &incident->headers[i];
        const char *value = header->value ? header->value : "";
        if (is_one_of(header->name, open))
            ccol__json_put(builder, headers, header->name,
                           ccol__json_new_text(builder, value, strnlen(value, VALUE_MAX)));
        else if (is_one_of(header->name, scrubbed))
            ccol__json_put_text(builder, headers, header->name, "[Scrubbed]");
    }
}

static void put_request(struct json_builder *builder, struct json *event, const ccol_incident *incident)
{
    char url[2 * VALUE_MAX];
    const char *host = header_value(incident, "Host");
    if (!incident->path) return;
    ccol__json_put_text(builder, event, "transaction", incident->path);
    struct json *request = ccol__json_put_object(builder, event, "request");
    snprintf(url, sizeof url, "http://%.*s%.*s", VALUE_MAX / 2, host ? host : "localhost", VALUE_MAX, incident->path);
    ccol__json_put_text(builder, request, "url", url);
    ccol__json_put_text(builder, request, "method", incident->method);
    put_headers(builder, request, incident);
}

static void put_exception(struct json_builder *builder, struct json *event, const ccol_incident *incident)
{
    struct json *exception = ccol__json_put_object(builder, event, "exception");
    struct json *values = ccol__json_put_array(builder, exception, "values");
    struct json *one = ccol__json_new(builder, JSON_OBJECT);
    ccol__json_put_text(builder, one, "type", incident->type);
    ccol__json_put_text(builder, one, "value", incident->text);
    ccol__json_put_text(builder, one, "module", incident->part);
    struct json *mechanism = ccol__json_put_object(builder, one, "mechanism");
    ccol__json_put_text(builder, mechanism, "type", SENTRY_SDK_NAME);
    ccol__json_put_bool(builder, mechanism, "handled", false);
    ccol__json_push(builder, values, one);
}

bool ccol__reporter_event_write(struct buffer *out, const char *id, const ccol_incident *incident,
                                const struct reporter_identity *identity, uint64_t suppressed)
{
    struct arena arena;
    char now[CCOL_RFC3339_SIZE];
    ccol__arena_init(&arena, NULL);
    struct json_builder builder = {.arena = &arena};
    struct json *event = ccol__json_new(&builder, JSON_OBJECT);
    ccol__json_put_text(&builder, event, "event_id", id);
    ccol__json_put_text(&builder, event, "timestamp", ccol__clock_rfc3339(now, ccol__clock_now_us()));
    ccol__json_put_text(&builder, event, "platform", "native");
    ccol__json_put_text(&builder, event, "level", "error");
    ccol__json_put_text(&builder, event, "logger", incident->part);
    ccol__json_put_text(&builder, event, "release", identity->release);
    ccol__json_put_text(&builder, event, "environment", identity->environment);
    ccol__json_put_text(&builder, event, "server_name", identity->server_name);
    struct json *sdk = ccol__json_put_object(&builder, event, "sdk");
    ccol__json_put_text(&builder, sdk, "name", SENTRY_SDK_NAME);
    ccol__json_put_text(&builder, sdk, "version", ccol_version_text());
    put_exception(&builder, event, incident);
    put_request(&builder, event, incident);
    struct json *tags = ccol__json_put_object(&builder, event, "tags");
    ccol__json_put_text(&builder, tags, "part", incident->part);
    ccol__json_put_text(&builder, tags, "crash_id", incident->crash_id);
    if (suppressed) {
        struct json *extra = ccol__json_put_object(&builder, event, "extra");
        ccol__json_put_number(&builder, extra, "suppressed_since_last", (int64_t)suppressed);
    }
    bool good = !builder.failed && ccol__json_write_in_order(out, event);
    ccol__arena_fini(&arena);
    return good;
}
