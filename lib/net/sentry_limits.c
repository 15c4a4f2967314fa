/* SPDX-License-Identifier: MIT */
#include "net/sentry_limits.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

#define ALL             ((1U << CATEGORY_COUNT) - 1)
#define DEFAULT_PAUSE_S 60u
#define BLANKS          " \t"

static const struct {
    const char *name;
    unsigned category;
} categories[] = {
    {"error", CATEGORY_ERROR},       {"default", CATEGORY_ERROR},       {"attachment", CATEGORY_ATTACHMENT},
    {"session", CATEGORY_SESSION},   {"log_item", CATEGORY_LOG},        {"log_byte", CATEGORY_LOG},
    {"internal", CATEGORY_INTERNAL}, {"transaction", CATEGORY_OTHER},   {"security", CATEGORY_OTHER},
    {"span", CATEGORY_OTHER},        {"profile", CATEGORY_OTHER},       {"replay", CATEGORY_OTHER},
    {"monitor", CATEGORY_OTHER},     {"metric_bucket", CATEGORY_OTHER}, {"feedback", CATEGORY_OTHER},
};

static void trim(const char **text, size_t *length)
{
    while (*length && strchr(BLANKS, **text)) {
        (*text)++;
        (*length)--;
    }
    while (*length && strchr(BLANKS, (*text)[*length - 1]))
        (*length)--;
}

/* Milliseconds of "60" or "2.5"; of what is too long, as long as it may be. false: no such number. */
static bool read_seconds(const char *text, size_t length, uint64_t *ms)
{
    uint64_t value = 0, unit = 1000;
    bool fraction = false, any = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9') return false;
        any = true;
        if (fraction) unit /= 10;
        value = fraction ? value + (uint64_t)(text[i] - '0') * unit : value * 10 + (uint64_t)(text[i] - '0') * 1000;
        if (value > SENTRY_LIMIT_MAX_S * UINT64_C(1000)) value = SENTRY_LIMIT_MAX_S * UINT64_C(1000);
    }
    *ms = value;
    return any;
}

/* Up to the separator, trimmed; *at is moved behind it. false: there is nothing more. */
static bool next_field(const char **at, const char *end, char separator, const char **text, size_t *length)
{
    if (!*at) return false;
    const char *stop = memchr(*at, separator, (size_t)(end - *at));
    *text = *at;
    *length = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : NULL;
    trim(text, length);
    return true;
}

/* The bits of "error;transaction"; all of them for none, 0 if it names only unknown ones. */
static unsigned read_categories(const char *text, size_t length)
{
    const char *at = text, *word;
    size_t word_length;
    unsigned found = 0;
    bool named = false;
    while (next_field(&at, text + length, ';', &word, &word_length)) {
        named = named || word_length > 0;
        for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
            if (ccol__text_equal_nocase(word, word_length, categories[i].name)) found |= categories[i].category;
    }
    return named ? found : ALL;
}

static void hold(struct sentry_limits *limits, unsigned wanted, uint64_t until_ms)
{
    for (unsigned i = 0; i < CATEGORY_COUNT; i++)
        if (wanted & 1U << i && limits->until_ms[i] < until_ms) limits->until_ms[i] = until_ms;
}

/* One "60:error;attachment:organization:reason". */
static bool take_entry(struct sentry_limits *limits, const char *text, size_t length, uint64_t now_ms)
{
    const char *at = text, *seconds, *names = "";
    size_t seconds_length, names_length = 0;
    uint64_t ms;
    if (!next_field(&at, text + length, ':', &seconds, &seconds_length)) return false;
    if (!read_seconds(seconds, seconds_length, &ms)) return false;
    if (at) next_field(&at, text + length, ':', &names, &names_length);
    hold(limits, read_categories(names, names_length), now_ms + ms);
    return true;
}

static bool take_header(struct sentry_limits *limits, const char *header, uint64_t now_ms)
{
    const char *at = header, *end = header + strlen(header), *entry;
    size_t length;
    bool any = false;
    while (next_field(&at, end, ',', &entry, &length))
        any = take_entry(limits, entry, length, now_ms) || any;
    return any;
}

void ccol__sentry_limits_take(struct sentry_limits *limits, int status, const char *limits_header,
                              const char *retry_after, uint64_t now_ms)
{
    uint64_t ms = DEFAULT_PAUSE_S * UINT64_C(1000);
    if (limits_header && take_header(limits, limits_header, now_ms)) return;
    if (status != 429) return;
    if (retry_after) {
        size_t length = strlen(retry_after);
        trim(&retry_after, &length);
        if (!read_seconds(retry_after, length, &ms)) ms = DEFAULT_PAUSE_S * UINT64_C(1000);
    }
    hold(limits, ALL, now_ms + ms);
}

unsigned ccol__sentry_limits_wait_s(const struct sentry_limits *limits, unsigned wanted, uint64_t now_ms)
{
    uint64_t until = 0;
    for (unsigned i = 0; i < CATEGORY_COUNT; i++)
        if (wanted & 1U << i && limits->until_ms[i] > until) until = limits->until_ms[i];
    return until > now_ms ? (unsigned)((until - now_ms + 999) / 1000) : 0;
}
