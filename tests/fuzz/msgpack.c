/* SPDX-License-Identifier: MIT */
/* What was read is JSON that reads back as the same; nothing is taken beyond the end or without need. */
#include <string.h>

#include "base/msgpack.h"
#include "fuzz.h"

static const struct msgpack_limits limits = {.depth = 20, .values = 2000};

/* Deeper than the limit no tree may be. */
static unsigned depth_of(const struct json *value)
{
    unsigned most = 0;
    for (const struct json *inner = value->first; inner; inner = inner->next) {
        unsigned depth = depth_of(inner) + 1;
        if (depth > most) most = depth;
    }
    return most;
}

static void check_value(struct arena *arena, const struct json *value)
{
    static const struct json_limits json_limits = {.depth = 100, .number_length = 100};
    struct buffer text, again;
    struct json *parsed;
    ccol__buffer_init(&text, SIZE_MAX / 4, NULL);
    ccol__buffer_init(&again, SIZE_MAX / 4, NULL);
    PROPERTY(depth_of(value) <= limits.depth);
    PROPERTY(ccol__json_write_in_order(&text, value));
    PROPERTY(ccol__json_parse(arena, text.data, text.length, &json_limits, &parsed, NULL) == 0);
    PROPERTY(ccol__json_write_in_order(&again, parsed));
    PROPERTY(again.length == text.length && memcmp(again.data, text.data, text.length) == 0);
    ccol__buffer_fini(&text);
    ccol__buffer_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t at = 0, taken; at < size; at += taken) {
        struct arena arena;
        struct json *value = NULL;
        ccol__arena_init(&arena, NULL);
        int code = ccol__msgpack_parse(&arena, data + at, size - at, &limits, &value, &taken);
        PROPERTY(taken <= size - at);
        if (!code) {
            PROPERTY(taken > 0);
            check_value(&arena, value);
            struct json *exact;
            size_t needed;
            PROPERTY(ccol__msgpack_parse(&arena, data + at, taken, &limits, &exact, &needed) == 0 && needed == taken);
            PROPERTY(ccol__msgpack_parse(&arena, data + at, taken - 1, &limits, &exact, &needed) == CCOL_EFORMAT);
        }
        ccol__arena_fini(&arena);
        if (code) break;
    }
    return 0;
}
