/* SPDX-License-Identifier: MIT */
#include "monitor/flood_guard.h"

#include <ctype.h>
#include <stdlib.h>

#define KINDS_MOST 256 /* that are told apart; the one that was quiet longest gives way */
#define US_PER_MS  INT64_C(1000)

struct bucket {
    uint64_t kind, suppressed;
    int64_t filled_us; /* when it has its whole burst again */
    int64_t last_us;
};

struct flood_guard {
    struct flood_limits each, total;
    struct bucket whole;
    struct bucket kinds[KINDS_MOST];
    size_t count;
    uint64_t suppressed;
};

struct flood_guard *ccol__flood_guard_new(const struct flood_limits *each, const struct flood_limits *total)
{
    struct flood_guard *guard = calloc(1, sizeof *guard);
    if (!guard) return NULL;
    guard->each = *each;
    guard->total = *total;
    return guard;
}

void ccol__flood_guard_free(struct flood_guard *guard)
{
    free(guard);
}

uint64_t ccol__flood_guard_suppressed(const struct flood_guard *guard)
{
    return guard->suppressed;
}

/* A bucket of `burst` drops, told by the moment when it will be full again. */
static bool has_drop(const struct bucket *bucket, const struct flood_limits *limits, int64_t now_us)
{
    int64_t full = now_us > bucket->filled_us ? now_us : bucket->filled_us;
    return full - now_us + limits->interval_ms * US_PER_MS <= limits->burst * (limits->interval_ms * US_PER_MS);
}

static void take_drop(struct bucket *bucket, const struct flood_limits *limits, int64_t now_us)
{
    if (bucket->filled_us < now_us) bucket->filled_us = now_us;
    bucket->filled_us += limits->interval_ms * US_PER_MS;
}

static struct bucket *find_bucket(struct flood_guard *guard, uint64_t kind)
{
    struct bucket *quiet = &guard->kinds[0];
    for (size_t i = 0; i < guard->count; i++) {
        if (guard->kinds[i].kind == kind) return &guard->kinds[i];
        if (guard->kinds[i].last_us < quiet->last_us) quiet = &guard->kinds[i];
    }
    if (guard->count < KINDS_MOST) quiet = &guard->kinds[guard->count++];
    *quiet = (struct bucket){.kind = kind};
    return quiet;
}

bool ccol__flood_guard_pass(struct flood_guard *guard, uint64_t kind, int64_t now_us, uint64_t *suppressed)
{
    struct bucket *bucket = find_bucket(guard, kind);
    bucket->last_us = now_us;
    if (!has_drop(bucket, &guard->each, now_us) || !has_drop(&guard->whole, &guard->total, now_us)) {
        bucket->suppressed++;
        guard->suppressed++;
        return false;
    }
    take_drop(bucket, &guard->each, now_us);
    take_drop(&guard->whole, &guard->total, now_us);
    *suppressed = bucket->suppressed;
    bucket->suppressed = 0;
    return true;
}

static uint64_t mix(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * UINT64_C(1099511628211);
}

/* Letters and digits of one word; whatever has a digit in it is a number, an id, an address. */
static const char *mix_word(uint64_t *hash, const char *text)
{
    const char *end = text;
    bool has_digit = false;
    while (isalnum((unsigned char)*end) || (*end == '-' && isalnum((unsigned char)end[1])))
        has_digit = isdigit((unsigned char)*end++) || has_digit;
    if (has_digit) {
        *hash = mix(*hash, '0');
        return end;
    }
    for (; text < end; text++)
        *hash = mix(*hash, *text);
    return end;
}

/* The end of a quoted part, or NULL: an apostrophe. */
static const char *quoted_end(const char *text)
{
    const char *end = text + 1;
    while (*end && *end != *text && *end != '\n')
        end++;
    return *end == *text ? end + 1 : NULL;
}

uint64_t ccol__flood_kind(const char *logger, const char *message)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    bool in_word = false;
    for (; *logger; logger++)
        hash = mix(hash, *logger);
    hash = mix(hash, '\n');
    while (*message) {
        const char *end = NULL;
        if ((*message == '"' || *message == '\'') && !in_word) end = quoted_end(message);
        in_word = isalnum((unsigned char)*message);
        if (end) {
            hash = mix(hash, '"');
            message = end;
        } else if (in_word) {
            message = mix_word(&hash, message);
        } else {
            hash = mix(hash, *message++);
        }
    }
    return hash;
}
