/* SPDX-License-Identifier: MIT */
#include "net/reporter_event.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json_build.h"
#include "base/text.h"
#include "net/sentry_client.h"
#include "net/sentry_debug_id.h"

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

static void put_hex(struct json_builder *builder, struct json *object, const char *key, uintptr_t value)
{
    char text[2 + 2 * sizeof value + 1];
    snprintf(text, sizeof text, "0x%" PRIxPTR, value);
    ccol__json_put_text(builder, object, key, text);
}

/* Names are few here: those of exported functions. Sentry finds the others by the images. */
static void put_stack(struct json_builder *builder, struct json *exception, const struct call_stack *stack)
{
    if (!stack->frame_count) return;
    struct json *trace = ccol__json_put_object(builder, exception, "stacktrace");
    struct json *frames = ccol__json_put_array(builder, trace, "frames");
    for (size_t i = 0; i < stack->frame_count; i++) {
        const struct call_module *module = ccol__call_stack_module(stack, stack->frames[i]);
        struct json *frame = ccol__json_new(builder, JSON_OBJECT);
        Dl_info known = {0};
        put_hex(builder, frame, "instruction_addr", stack->frames[i]);
        if (module) put_hex(builder, frame, "image_addr", module->start);
        if (module) ccol__json_put_text(builder, frame, "package", module->path);
        if (module && dladdr((const void *)(stack->frames[i] - 1), &known))
            ccol__json_put_text(builder, frame, "function", known.dli_sname);
        ccol__json_push_front(builder, frames, frame); /* oldest first */
    }
}

static void put_images(struct json_builder *builder, struct json *event, const struct call_stack *stack)
{
    if (!stack->module_count) return;
    struct json *meta = ccol__json_put_object(builder, event, "debug_meta");
    struct json *images = ccol__json_put_array(builder, meta, "images");
    for (size_t i = 0; i < stack->module_count; i++) {
        const struct call_module *module = &stack->modules[i];
        char code_id[2 * sizeof module->build_id + 1] = "", debug_id[SENTRY_DEBUG_ID_SIZE];
        struct json *image = ccol__json_new(builder, JSON_OBJECT);
        ccol__json_put_text(builder, image, "type", "elf");
        ccol__json_put_text(builder, image, "code_file", module->path);
        ccol__json_put_text(builder, image, "code_id", ccol__hex(code_id, module->build_id, module->build_id_bytes));
        ccol__json_put_text(builder, image, "debug_id",
                            ccol__sentry_debug_id(debug_id, module->build_id, module->build_id_bytes));
        put_hex(builder, image, "image_addr", module->start);
        ccol__json_put_number(builder, image, "image_size", (int64_t)(module->end - module->start));
        ccol__json_push(builder, images, image);
    }
}

static void put_exception(struct json_builder *builder, struct json *event, const ccol_incident *incident,
                          const struct call_stack *stack)
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
    put_stack(builder, one, stack);
    ccol__json_push(builder, values, one);
}

bool ccol__reporter_event_write(struct buffer *out, const char *id, const ccol_incident *incident,
                                const struct reporter_identity *identity, const struct call_stack *stack,
                                uint64_t suppressed)
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
    put_exception(&builder, event, incident, stack);
    put_images(&builder, event, stack);
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
