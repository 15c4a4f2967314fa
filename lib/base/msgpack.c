/* SPDX-License-Identifier: MIT */
#include "base/msgpack.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json_build.h"
#include "base/number.h"
#include "base/text.h"

enum kind {
    KIND_NEVER,
    KIND_NIL,
    KIND_FALSE,
    KIND_TRUE,
    KIND_WHOLE,
    KIND_SIGNED,
    KIND_FLOAT,
    KIND_TEXT,
    KIND_SKIPPED,
    KIND_LIST,
    KIND_MAP
};

/* What a value begins with: its kind, and a number, or the length of what follows. */
struct head {
    enum kind kind;
    unsigned bytes; /* of the number */
    uint64_t number;
};

struct reading {
    struct json_builder builder;
    const uint8_t *at, *end;
    unsigned depth;
    size_t values; /* that may still come */
};

/* First bytes c0 to df; the number behind them has so many bytes. */
static const struct {
    uint8_t kind, bytes, fixed;
} heads[32] = {
    {KIND_NIL, 0, 0},      {KIND_NEVER, 0, 0},   {KIND_FALSE, 0, 0},   {KIND_TRUE, 0, 0},    /* c0 */
    {KIND_SKIPPED, 1, 0},  {KIND_SKIPPED, 2, 0}, {KIND_SKIPPED, 4, 0}, {KIND_SKIPPED, 1, 1}, /* bin; ext */
    {KIND_SKIPPED, 2, 1},  {KIND_SKIPPED, 4, 1}, {KIND_FLOAT, 4, 0},   {KIND_FLOAT, 8, 0},   /* ext; float */
    {KIND_WHOLE, 1, 0},    {KIND_WHOLE, 2, 0},   {KIND_WHOLE, 4, 0},   {KIND_WHOLE, 8, 0},   /* uint */
    {KIND_SIGNED, 1, 0},   {KIND_SIGNED, 2, 0},  {KIND_SIGNED, 4, 0},  {KIND_SIGNED, 8, 0},  /* int */
    {KIND_SKIPPED, 0, 2},  {KIND_SKIPPED, 0, 3}, {KIND_SKIPPED, 0, 5}, {KIND_SKIPPED, 0, 9}, /* fixext */
    {KIND_SKIPPED, 0, 17}, {KIND_TEXT, 1, 0},    {KIND_TEXT, 2, 0},    {KIND_TEXT, 4, 0},    /* fixext; str */
    {KIND_LIST, 2, 0},     {KIND_LIST, 4, 0},    {KIND_MAP, 2, 0},     {KIND_MAP, 4, 0},
};

static size_t left(const struct reading *reading)
{
    return (size_t)(reading->end - reading->at);
}

/* The first bytes that hold their number themselves. */
static bool read_short(struct head *out, uint8_t first)
{
    if (first < 0x80)
        *out = (struct head){KIND_WHOLE, 1, first};
    else if (first < 0x90)
        *out = (struct head){KIND_MAP, 0, first & 0x0f};
    else if (first < 0xa0)
        *out = (struct head){KIND_LIST, 0, first & 0x0f};
    else if (first < 0xc0)
        *out = (struct head){KIND_TEXT, 0, first & 0x1f};
    else if (first >= 0xe0)
        *out = (struct head){KIND_SIGNED, 1, first};
    else
        return false;
    return true;
}

static bool read_head(struct reading *reading, struct head *out)
{
    if (!left(reading)) return false;
    uint8_t first = *reading->at++;
    if (read_short(out, first)) return true;
    *out = (struct head){heads[first - 0xc0].kind, heads[first - 0xc0].bytes, 0};
    if (left(reading) < out->bytes) return false;
    for (unsigned i = 0; i < out->bytes; i++)
        out->number = out->number << 8 | *reading->at++;
    out->number += heads[first - 0xc0].fixed;
    return out->kind != KIND_NEVER;
}

static int64_t to_signed(const struct head *head)
{
    uint64_t sign = UINT64_C(1) << (8 * head->bytes - 1);
    return (int64_t)((head->number ^ sign) - sign);
}

static double to_double(const struct head *head)
{
    double number;
    float single;
    uint32_t half = (uint32_t)head->number;
    memcpy(&number, &head->number, sizeof number);
    memcpy(&single, &half, sizeof single);
    return head->bytes == 4 ? (double)single : number;
}

static struct json *number_of(struct reading *reading, const struct head *head)
{
    char text[NUMBER_TEXT_SIZE];
    double number = head->kind == KIND_FLOAT ? to_double(head) : 0;
    if (!isfinite(number)) return ccol__json_new(&reading->builder, JSON_NULL);
    if (head->kind == KIND_FLOAT)
        ccol__number_text(text, number);
    else if (head->kind == KIND_SIGNED)
        snprintf(text, sizeof text, "%" PRId64, to_signed(head));
    else
        snprintf(text, sizeof text, "%" PRIu64, head->number);
    struct json *value = ccol__json_new_text(&reading->builder, text, strlen(text));
    if (value) value->type = JSON_NUMBER;
    return value;
}

static struct json *text_of(struct reading *reading, size_t length)
{
    const char *text = (const char *)reading->at;
    reading->at += length;
    if (ccol__text_is_utf8(text, length)) return ccol__json_new_text(&reading->builder, text, length);
    char *room = ccol__arena_alloc(reading->builder.arena, 3 * length);
    if (!room) reading->builder.failed = true;
    return room ? ccol__json_new_text(&reading->builder, room, ccol__text_repair(room, text, length)) : NULL;
}

static int read_value(struct reading *reading, struct json **out);

/* Elements, or members, of which there may be fewer than the head says: nothing is made before it is there. */
static int read_container(struct reading *reading, struct json *container, uint64_t count)
{
    int code = 0;
    struct json **end = &container->first;
    if (!reading->depth) return CCOL_EFORMAT;
    reading->depth--;
    for (uint64_t i = 0; !code && i < count; i++) {
        struct json *key = NULL;
        if (container->type == JSON_OBJECT) {
            code = read_value(reading, &key);
            if (!code && key->type != JSON_STRING && key->type != JSON_NUMBER) code = CCOL_EFORMAT;
        }
        if (!code) code = read_value(reading, end);
        if (code) break;
        (*end)->key = key ? key->text : NULL;
        (*end)->key_length = key ? key->length : 0;
        end = &(*end)->next;
    }
    if (code) *end = NULL;
    reading->depth++;
    return code;
}

static struct json *plain_value(struct reading *reading, const struct head *head)
{
    static const enum json_type types[] = {
        [KIND_NIL] = JSON_NULL,     [KIND_FALSE] = JSON_FALSE, [KIND_TRUE] = JSON_TRUE,
        [KIND_SKIPPED] = JSON_NULL, [KIND_LIST] = JSON_ARRAY,  [KIND_MAP] = JSON_OBJECT};
    if (head->kind == KIND_SKIPPED) reading->at += head->number;
    return ccol__json_new(&reading->builder, types[head->kind]);
}

static int read_value(struct reading *reading, struct json **out)
{
    struct head head;
    if (!reading->values || !read_head(reading, &head)) return CCOL_EFORMAT;
    reading->values--;
    bool follows = head.kind == KIND_TEXT || head.kind == KIND_SKIPPED;
    if (follows && head.number > left(reading)) return CCOL_EFORMAT;
    if (head.kind == KIND_TEXT)
        *out = text_of(reading, (size_t)head.number);
    else if (head.kind == KIND_WHOLE || head.kind == KIND_SIGNED || head.kind == KIND_FLOAT)
        *out = number_of(reading, &head);
    else
        *out = plain_value(reading, &head);
    if (!*out) return -ENOMEM;
    return head.kind == KIND_LIST || head.kind == KIND_MAP ? read_container(reading, *out, head.number) : 0;
}

int ccol__msgpack_parse(struct arena *arena, const void *data, size_t length, const struct msgpack_limits *limits,
                        struct json **out, size_t *taken)
{
    const uint8_t *bytes = data;
    struct reading reading = {.builder = {.arena = arena}, .depth = limits->depth, .values = limits->values};
    if (!length) return CCOL_EFORMAT;
    reading.at = bytes;
    reading.end = bytes + length;
    int code = read_value(&reading, out);
    *taken = (size_t)(reading.at - bytes);
    return code;
}
