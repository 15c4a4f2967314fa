/* SPDX-License-Identifier: MIT */
#include "report/sentry_fields.h"

#include <stdio.h>
#include <string.h>

#include "base/msgpack.h"
#include "report/report.h"

#define NAME       "sentry"
#define PIECE      "sentry__"
#define PART       "sentry___"
#define PIECES_MAX 1000
#define STEPS_MAX  8
#define KEY_MAX    200
#define CRUMBS_MAX 100 /* Sentry keeps no more of an event */
#define FILE_MAX   ((size_t)1 << 20)

/* Names as they are after cleaning. */
#define EVENT_FILE "__sentryevent"
static const char *const crumb_files[2] = {"__sentrybreadcrumb1", "__sentrybreadcrumb2"};

static const struct json_limits limits = {.depth = 64, .number_length = 64};

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_piece(const char *name)
{
    const char *digits = name + strlen(PIECE);
    return starts(name, PIECE) && *digits && strspn(digits, "0123456789") == strlen(digits);
}

bool ccol__sentry_field_is(const char *name)
{
    return strcmp(name, NAME) == 0 || starts(name, NAME "[") || starts(name, PART) || is_piece(name);
}

bool ccol__sentry_file_is(const char *name)
{
    return strcmp(name, EVENT_FILE) == 0 || strcmp(name, crumb_files[0]) == 0 || strcmp(name, crumb_files[1]) == 0;
}

void ccol__sentry_field_put(struct json_builder *builder, struct json *event, const char *name, const char *value)
{
    const char *at = name + strlen(NAME);
    struct json *object = event;
    for (unsigned depth = 0; depth < STEPS_MAX && at[0] == '['; depth++) {
        char key[KEY_MAX];
        size_t length = strcspn(++at, "]");
        if (!at[length] || length == 0 || length >= sizeof key) return;
        memcpy(key, at, length);
        key[length] = '\0';
        at += length + 1;
        struct json *there = (struct json *)(uintptr_t)ccol__json_member(object, key);
        if (*at != '[') {
            if (!*at && !there) ccol__json_put_text(builder, object, key, value);
            return;
        }
        if (!there) there = ccol__json_put_object(builder, object, key);
        if (!there || there->type != JSON_OBJECT) return;
        object = there;
    }
}

static void merge_text(struct json_builder *builder, struct json *event, const char *text, size_t length)
{
    struct json *parsed;
    if (ccol__json_parse(builder->arena, text, length, &limits, &parsed, NULL) == 0)
        ccol__json_merge(builder, event, parsed);
}

static void merge_pieces(struct json_builder *builder, struct json *event, const ccol_report *report)
{
    struct buffer text;
    ccol__buffer_init(&text, SIZE_MAX / 4, NULL);
    for (unsigned i = 1; i < PIECES_MAX; i++) {
        char name[24];
        snprintf(name, sizeof name, PIECE "%u", i);
        const char *piece = ccol_report_annotation(report, name);
        if (!piece) break;
        ccol__buffer_text(&text, piece);
    }
    if (text.length && !text.failed) merge_text(builder, event, text.data, text.length);
    ccol__buffer_fini(&text);
}

static bool find_small_file(const ccol_report *report, const char *name, ccol_file *out)
{
    return ccol__report_find_file(report, name, out) && out->length <= FILE_MAX;
}

/* Reads the next object of a file; NULL: there is none, or none any more that can be read. */
static struct json *next_object(struct json_builder *builder, ccol_file *rest)
{
    static const struct msgpack_limits packed = {.depth = 32, .values = 20000};
    struct json *object;
    size_t taken;
    if (ccol__msgpack_parse(builder->arena, rest->data, rest->length, &packed, &object, &taken)) return NULL;
    rest->data = (const char *)rest->data + taken;
    rest->length -= taken;
    return object->type == JSON_OBJECT ? object : NULL;
}

struct crumbs {
    struct json *first;
    size_t count;
    const char *newest; /* its time, which sorts as text */
};

static struct crumbs read_crumbs(struct json_builder *builder, const ccol_report *report, const char *name)
{
    struct crumbs crumbs = {.newest = ""};
    struct json **end = &crumbs.first, *crumb;
    ccol_file file;
    if (!find_small_file(report, name, &file)) return crumbs;
    while ((crumb = next_object(builder, &file))) {
        const char *time = ccol__json_text(crumb, "timestamp");
        if (time) crumbs.newest = time;
        *end = crumb;
        end = &crumb->next;
        crumbs.count++;
    }
    return crumbs;
}

/* The two files take turns: the one whose last entry is the newer one goes on where the other one ended. */
static void merge_crumbs(struct json_builder *builder, struct json *event, const ccol_report *report)
{
    struct crumbs older = read_crumbs(builder, report, crumb_files[0]);
    struct crumbs newer = read_crumbs(builder, report, crumb_files[1]);
    if (strcmp(older.newest, newer.newest) > 0) {
        struct crumbs other = older;
        older = newer;
        newer = other;
    }
    struct json *first = older.first ? older.first : newer.first, **end = &older.first;
    while (*end)
        end = &(*end)->next;
    if (older.first) *end = newer.first;
    for (size_t surplus = older.count + newer.count; first && surplus > CRUMBS_MAX; surplus--)
        first = first->next;
    if (!first) return;
    struct json *crumbs = ccol__json_put_object(builder, event, "breadcrumbs");
    struct json *values = ccol__json_put_array(builder, crumbs, "values");
    if (values) values->first = first;
}

static void merge_files(struct json_builder *builder, struct json *event, const ccol_report *report)
{
    ccol_file file;
    if (find_small_file(report, EVENT_FILE, &file)) ccol__json_merge(builder, event, next_object(builder, &file));
    if (!ccol__json_member(event, "breadcrumbs")) merge_crumbs(builder, event, report);
}

void ccol__sentry_fields_merge(struct json_builder *builder, struct json *event, const ccol_report *report)
{
    ccol_annotation it = {.size = sizeof it};
    struct json *given = ccol__json_new(builder, JSON_OBJECT);
    if (given) merge_files(builder, given, report);
    for (size_t i = 0; given && ccol_report_annotation_at(report, i, &it); i++)
        if (starts(it.name, NAME "[")) ccol__sentry_field_put(builder, given, it.name, it.value);
    merge_pieces(builder, given, report);
    for (size_t i = 0; given && ccol_report_annotation_at(report, i, &it); i++)
        if (strcmp(it.name, NAME) == 0 || starts(it.name, PART)) merge_text(builder, given, it.value, it.value_length);
    ccol__json_merge(builder, event, given);
}

/* The digit in lower case, or NUL. */
static char hex_digit(char c)
{
    if (c >= 'A' && c <= 'F') return (char)(c + 'a' - 'A');
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ? c : '\0';
}

bool ccol__sentry_id_read(char out[SENTRY_ID_SIZE], const char *text)
{
    size_t used = 0, length = text ? strlen(text) : 0;
    out[0] = '\0';
    if (length != 32 && length != 36) return false;
    for (size_t i = 0; i < length; i++) {
        bool dash = length == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        char digit = dash ? '-' : hex_digit(text[i]);
        if (!digit || (dash && text[i] != '-')) return false;
        if (!dash) out[used++] = digit;
    }
    out[used] = '\0';
    return true;
}
