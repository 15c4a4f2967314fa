/* SPDX-License-Identifier: MIT */
/* The first byte chooses the size of the pieces; the panics must not depend on it. */
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"
#include "monitor/panic.h"

#define INPUT_MAX ((size_t)64 << 10)

struct trace {
    struct buffer text;
    uint64_t length, last_begin;
};

static void check_json(const struct panic *panic, struct trace *trace)
{
    static const struct json_limits limits = {.depth = 8, .number_length = 32};
    struct buffer json;
    struct arena arena;
    struct json *value;
    struct panic *copy = ccol__panic_copy(panic);
    ccol__buffer_init(&json, SIZE_MAX / 4, NULL);
    ccol__arena_init(&arena, NULL);
    PROPERTY(copy && ccol__buffer_text(&json, "[") && ccol__panic_write_exceptions(&json, copy) &&
             ccol__buffer_text(&json, "]"));
    PROPERTY(ccol__json_parse(&arena, json.data, json.length, &limits, &value, NULL) == 0);
    PROPERTY(ccol__buffer_format(&trace->text, "%llu %llu %d ", (unsigned long long)panic->begin,
                                 (unsigned long long)panic->end, panic->aborts));
    PROPERTY(ccol__buffer_append(&trace->text, json.data, json.length));
    ccol__arena_fini(&arena);
    ccol__buffer_fini(&json);
    free(copy);
}

static void on_panic(void *user, const struct panic *panic)
{
    struct trace *trace = user;
    PROPERTY(panic->begin < panic->end && panic->end <= trace->length && panic->begin >= trace->last_begin);
    trace->last_begin = panic->begin;
    PROPERTY(panic->exception_count >= 1 && panic->exception_count <= PANIC_EXCEPTIONS_MAX);
    for (size_t i = 0; i < panic->exception_count; i++) {
        PROPERTY(panic->exceptions[i].type[0] && panic->exceptions[i].frame_count <= PANIC_FRAMES_MAX);
        PROPERTY(ccol__text_is_utf8(panic->exceptions[i].value, strlen(panic->exceptions[i].value)));
    }
    check_json(panic, trace);
}

static void walk(struct trace *trace, const uint8_t *data, size_t size, size_t step)
{
    struct panic_reader *reader;
    *trace = (struct trace){.length = size};
    ccol__buffer_init(&trace->text, SIZE_MAX / 4, NULL);
    PROPERTY(ccol__buffer_text(&trace->text, ""));
    PROPERTY(ccol__panic_reader_new(&reader, on_panic, trace) == 0);
    for (size_t at = 0; at < size; at += step)
        ccol__panic_reader_feed(reader, (const char *)data + at, size - at < step ? size - at : step);
    ccol__panic_reader_end(reader);
    PROPERTY(!ccol__panic_reader_is_open(reader));
    ccol__panic_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace whole, pieces;
    if (size < 1 || size > INPUT_MAX) return 0;
    walk(&whole, data + 1, size - 1, size);
    walk(&pieces, data + 1, size - 1, data[0] % 61 + 1U);
    PROPERTY(strcmp(whole.text.data, pieces.text.data) == 0);
    ccol__buffer_fini(&whole.text);
    ccol__buffer_fini(&pieces.text);
    return 0;
}
