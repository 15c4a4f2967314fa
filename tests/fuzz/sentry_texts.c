/* SPDX-License-Identifier: MIT */
/* Short texts of Sentry's protocol: rate limits, names of form fields, event ids. The first line is a header, the
 * second the name of a field, the third its value. */
#include <string.h>

#include "fuzz.h"
#include "net/sentry_limits.h"
#include "report/sentry_fields.h"

#define NOW 5000u

static void check_limits(const char *header)
{
    struct sentry_limits limits = {0};
    ccol__sentry_limits_take(&limits, 200, header, NULL, NOW);
    for (unsigned category = 1; category < 1U << CATEGORY_COUNT; category <<= 1)
        PROPERTY(ccol__sentry_limits_wait_s(&limits, category, NOW) <= SENTRY_LIMIT_MAX_S);
    ccol__sentry_limits_take(&limits, 429, NULL, header, NOW);
    PROPERTY(ccol__sentry_limits_wait_s(&limits, CATEGORY_ERROR, NOW) <= SENTRY_LIMIT_MAX_S);
}

static void check_field(const char *name, const char *value)
{
    struct arena arena;
    struct buffer text;
    ccol__arena_init(&arena, NULL);
    ccol__buffer_init(&text, SIZE_MAX / 4, NULL);
    struct json_builder builder = {.arena = &arena};
    struct json *event = ccol__json_new(&builder, JSON_OBJECT);
    if (strncmp(name, "sentry[", 7) == 0) {
        PROPERTY(ccol__sentry_field_is(name));
        ccol__sentry_field_put(&builder, event, name, value);
        ccol__sentry_field_put(&builder, event, name, "again"); /* the first one stays */
    }
    PROPERTY(ccol__json_write_in_order(&text, event));
    ccol__buffer_fini(&text);
    ccol__arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *lines[3] = {"", "", ""};
    char id[SENTRY_ID_SIZE], *text = malloc(size + 1), *rest = text;
    if (!text) return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < 3 && rest; i++)
        lines[i] = strsep(&rest, "\n");
    check_limits(lines[0]);
    check_field(lines[1], lines[2]);
    if (ccol__sentry_id_read(id, lines[2])) PROPERTY(strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32);
    free(text);
    return 0;
}
