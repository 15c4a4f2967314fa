/* SPDX-License-Identifier: MIT */
#include "storage/sentry_event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/sentry_client.h"
#include "report/report.h"
#include "storage/sentry_stack.h"

#define KIB             ((size_t)1024)
#define EXTRA_VALUE_MAX (16 * KIB)
#define TAG_MAX         200
#define NAME_SHOWN_MAX  200

/* Tried in this order until the event is small enough: first whole, then with less and less of what only helps. */
static const struct sentry_fit fits[] = {
    {.text = 8 * KIB,
     .crumb_text = 8 * KIB,
     .crumbs = 100,
     .frames = 250,
     .stacks = 1000,
     .threads = 1000,
     .images = 2000,
     .extra = 256 * KIB},
    {.text = 2 * KIB,
     .crumb_text = 2 * KIB,
     .crumbs = 100,
     .frames = 100,
     .stacks = 50,
     .threads = 500,
     .images = 1000,
     .extra = 64 * KIB},
    {.text = KIB,
     .crumb_text = KIB / 2,
     .crumbs = 50,
     .frames = 50,
     .stacks = 0,
     .threads = 100,
     .images = 300,
     .extra = 16 * KIB},
    {.text = KIB / 2, .crumb_text = KIB / 4, .crumbs = 10, .frames = 25, .images = 50},
};
#define FITS (sizeof fits / sizeof fits[0])

struct making {
    struct json_builder builder;
    const ccol_report *report;
    const struct sentry_event_options *options;
    const struct sentry_fit *fit;
    const struct json *stack; /* NULL: none */
    struct json *event;
    bool last; /* nothing of unknown size may go in */
};

static void put(struct making *making, struct json *object, const char *key, const char *text, size_t most)
{
    ccol__json_put(&making->builder, object, key, ccol__sentry_text(&making->builder, text, most));
}

static const char *annotation(const ccol_report *report, const char *name)
{
    const char *value = ccol_report_annotation(report, name);
    return value && *value ? value : NULL;
}

/* The first of several names that clients use for one thing. */
static const char *one_of(const ccol_report *report, const char *const *names)
{
    const char *value = NULL;
    for (; *names && !value; names++)
        value = annotation(report, *names);
    return value;
}

static const char *product(const ccol_report *report)
{
    static const char *const names[] = {"ProductName", "_productName", "prod", "product", NULL};
    return one_of(report, names);
}

static const char *version(const ccol_report *report)
{
    static const char *const names[] = {"Version", "_version", "ver", NULL};
    return one_of(report, names);
}

static const char *channel(const ccol_report *report)
{
    static const char *const names[] = {"ReleaseChannel", "channel", NULL};
    return one_of(report, names);
}

const char *ccol__sentry_release(char out[SENTRY_RELEASE_SIZE], const ccol_report *report,
                                 const struct sentry_event_options *options)
{
    const char *name = product(report), *number = version(report);
    if (options->release)
        snprintf(out, SENTRY_RELEASE_SIZE, "%s", options->release);
    else if (name && number)
        snprintf(out, SENTRY_RELEASE_SIZE, "%.*s@%.*s", NAME_SHOWN_MAX / 2, name, NAME_SHOWN_MAX / 2 - 1, number);
    else
        return NULL;
    return out;
}

const char *ccol__sentry_environment(const ccol_report *report, const struct sentry_event_options *options)
{
    const char *environment = options->environment ? options->environment : channel(report);
    return environment ? environment : "production";
}

static void put_tag(struct making *making, struct json *tags, const char *key, const char *value)
{
    char line[TAG_MAX + 1];
    if (!value) return;
    size_t length = 0;
    for (; value[length] && length < TAG_MAX; length++)
        line[length] = (unsigned char)value[length] < ' ' ? ' ' : value[length];
    line[length] = '\0';
    put(making, tags, key, line, TAG_MAX);
}

static void put_tags(struct making *making)
{
    struct json *tags = ccol__json_put_object(&making->builder, making->event, "tags");
    const struct json *crash = ccol__json_object(making->stack, "crash");
    put_tag(making, tags, "crash_id", ccol_report_id(making->report));
    put_tag(making, tags, "product", product(making->report));
    put_tag(making, tags, "version", version(making->report));
    put_tag(making, tags, "channel", channel(making->report));
    put_tag(making, tags, "process_type", annotation(making->report, "ProcessType"));
    put_tag(making, tags, "build_id", annotation(making->report, "BuildID"));
    put_tag(making, tags, "kind", annotation(making->report, "ReportKind"));
    put_tag(making, tags, "reason", ccol__json_text(crash, "reason"));
    put_tag(making, tags, "minidump", making->options->dump_note);
}

static bool is_secret_name(const char *name)
{
    static const char *const parts[] = {"token", "passw", "secret", "cookie", "credential", "authorization", "_dsn"};
    for (size_t at = 0; name[at]; at++)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            if (ccol__text_starts_nocase(name + at, strlen(name + at), parts[i])) return true;
    return false;
}

/* Whether a name is one of the list, in which "Telemetry*" stands for all that begin so. */
static bool is_listed(const char *name, const char *const *list)
{
    for (; list && *list; list++) {
        size_t length = strlen(*list);
        bool open = length && (*list)[length - 1] == '*';
        if (open ? strncmp(name, *list, length - 1) == 0 : strcmp(name, *list) == 0) return true;
    }
    return false;
}

/* What goes into the event elsewhere, or nowhere. */
static bool is_not_extra(const struct making *making, const char *name)
{
    static const char *const known[] = {"uuid", "version", "metadata", "submitted_timestamp", "SentryEvent", NULL};
    return is_listed(name, known) || is_listed(name, making->options->hidden_fields) || ccol__sentry_field_is(name) ||
           is_secret_name(name);
}

static void put_extra(struct making *making)
{
    size_t left = making->fit->extra;
    ccol_annotation it = {.size = sizeof it};
    if (!left) return;
    struct json *extra = ccol__json_put_object(&making->builder, making->event, "extra");
    for (size_t i = 0; left && ccol_report_annotation_at(making->report, i, &it); i++) {
        if (is_not_extra(making, it.name) || it.name_length > NAME_SHOWN_MAX || !it.value_length) continue;
        size_t most = left < EXTRA_VALUE_MAX ? left : EXTRA_VALUE_MAX;
        put(making, extra, it.name, it.value, most);
        left -= it.value_length < most ? it.value_length : most;
    }
}

/* A report that brings no stack of its own: what Sentry itself would call a bare minidump, but with its name. */
static void put_bare_crash(struct making *making, bool has_dump)
{
    struct json_builder *builder = &making->builder;
    char value[2 * NAME_SHOWN_MAX + 32];
    const char *reason = annotation(making->report, "MozCrashReason"), *name = product(making->report),
               *number = version(making->report);
    if (reason)
        snprintf(value, sizeof value, "%.*s", 2 * NAME_SHOWN_MAX, reason);
    else
        snprintf(value, sizeof value, "Crash of %.*s%s%.*s", NAME_SHOWN_MAX, name ? name : "an unnamed product",
                 number ? " " : "", NAME_SHOWN_MAX, number ? number : "");
    struct json *exception = ccol__json_put_object(builder, making->event, "exception");
    struct json *values = ccol__json_put_array(builder, exception, "values");
    struct json *one = ccol__json_new(builder, JSON_OBJECT);
    ccol__json_put_text(builder, one, "type", has_dump ? "Minidump" : "Crash");
    put(making, one, "value", value, making->fit->text);
    struct json *mechanism = ccol__json_put_object(builder, one, "mechanism");
    ccol__json_put_text(builder, mechanism, "type", has_dump ? "minidump" : SENTRY_SDK_NAME);
    ccol__json_put_bool(builder, mechanism, "handled", false);
    ccol__json_put_bool(builder, mechanism, "synthetic", true);
    ccol__json_push(builder, values, one);
}

static bool is_level(const char *level)
{
    return level && (strcmp(level, "fatal") == 0 || strcmp(level, "error") == 0 || strcmp(level, "warning") == 0 ||
                     strcmp(level, "info") == 0 || strcmp(level, "debug") == 0);
}

static void put_head(struct making *making)
{
    struct json_builder *builder = &making->builder;
    struct json *event = making->event;
    const char *level = ccol__json_text(making->stack, "level");
    char time[CCOL_RFC3339_SIZE], release[SENTRY_RELEASE_SIZE];
    if (!ccol__json_text(making->stack, "crashed_at"))
        ccol__json_put_text(builder, event, "timestamp",
                            ccol__clock_rfc3339(time, ccol_report_received_at(making->report)));
    ccol__json_put_text(builder, event, "platform", "native");
    bool crashed = !making->stack || ccol__json_object(making->stack, "crash");
    ccol__json_put_text(builder, event, "level", is_level(level) ? level : crashed ? "fatal" : "error");
    ccol__json_put_text(builder, event, "logger", SENTRY_SDK_NAME);
    put(making, event, "release", ccol__sentry_release(release, making->report, making->options), NAME_SHOWN_MAX);
    put(making, event, "environment", ccol__sentry_environment(making->report, making->options), 64);
    put(making, event, "dist", making->options->dist, 64);
    put(making, event, "server_name", making->options->server_name, NAME_SHOWN_MAX);
    struct json *sdk = ccol__json_put_object(builder, event, "sdk");
    ccol__json_put_text(builder, sdk, "name", SENTRY_SDK_NAME);
    ccol__json_put_text(builder, sdk, "version", ccol_version_text());
}

/* The event id: the one that the client chose, or the crash id without dashes. The event keeps only the latter's form.
 */
static void settle_id(struct making *making, char id[SENTRY_ID_SIZE])
{
    if (!ccol__sentry_id_read(id, ccol__json_text(making->event, "event_id")))
        ccol__sentry_id_read(id, ccol_report_id(making->report));
    struct json *chosen = ccol__json_new(&making->builder, JSON_OBJECT);
    ccol__json_put_text(&making->builder, chosen, "event_id", id);
    ccol__json_merge(&making->builder, making->event, chosen);
}

bool ccol__sentry_file_is_dump(const ccol_file *file)
{
    return file->length >= 4 && (memcmp(file->data, "MDMP", 4) == 0 || memcmp(file->data, "PMDM", 4) == 0);
}

static const struct json *read_stack(struct arena *arena, const ccol_report *report)
{
    static const struct json_limits limits = {.depth = 32, .number_length = 64};
    ccol_file file;
    struct json *stack;
    if (!ccol__report_find_file(report, SENTRY_STACK_FILE, &file)) return NULL;
    if (ccol__json_parse(arena, file.data, file.length, &limits, &stack, NULL) != 0) return NULL;
    uint64_t number;
    return ccol__json_count(stack, "version", &number) && number == 1 ? stack : NULL;
}

static void fill(struct making *making, struct sentry_event *out)
{
    ccol_file dump;
    bool has_dump = ccol__report_find_file(making->report, SENTRY_DUMP_FILE, &dump) && ccol__sentry_file_is_dump(&dump);
    out->has_stack = making->stack != NULL;
    out->composed = ccol__sentry_stack_is_composed(making->stack);
    out->dump_told = making->options->dump_tells && has_dump && !out->composed;
    put_head(making);
    if (making->stack)
        ccol__sentry_stack_put(&making->builder, making->event, making->stack, making->fit, out->dump_told);
    put_tags(making);
    put_extra(making);
    if (!making->last) ccol__sentry_fields_merge(&making->builder, making->event, making->report);
    bool speaks = !making->event || out->dump_told || ccol__json_member(making->event, "exception") ||
                  ccol__json_member(making->event, "logentry") || ccol__json_member(making->event, "message");
    if (!speaks) put_bare_crash(making, has_dump);
    settle_id(making, out->id);
}

/* One try. true: it fits, or memory is out. */
static bool make(struct sentry_event *out, const ccol_report *report, const struct sentry_event_options *options,
                 size_t fit)
{
    struct arena arena;
    ccol__arena_init(&arena, NULL);
    struct making making = {.builder = {.arena = &arena},
                            .report = report,
                            .options = options,
                            .fit = &fits[fit],
                            .stack = read_stack(&arena, report),
                            .last = fit + 1 == FITS};
    making.event = ccol__json_new(&making.builder, JSON_OBJECT);
    if (making.event) fill(&making, out);
    out->fit = (unsigned)fit;
    ccol__buffer_clear(&out->json);
    bool written = !making.builder.failed && ccol__json_write_in_order(&out->json, making.event);
    ccol__arena_fini(&arena);
    if (making.builder.failed) out->json.failed = true;
    return making.builder.failed || written || making.last;
}

int ccol__sentry_event_make(struct sentry_event *out, const ccol_report *report,
                            const struct sentry_event_options *options, ccol_error *err)
{
    memset(out, 0, sizeof *out);
    ccol__buffer_init(&out->json, options->max_bytes, NULL);
    for (size_t fit = 0; fit < FITS && !make(out, report, options, fit); fit++) {
    }
    if (!out->json.failed) return 0;
    ccol__sentry_event_fini(out);
    return ccol_fail(err, -ENOMEM, "no memory for a Sentry event");
}

void ccol__sentry_event_fini(struct sentry_event *event)
{
    ccol__buffer_fini(&event->json);
}
