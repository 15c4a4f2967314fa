/* SPDX-License-Identifier: MIT */
/* An envelope reads the same in one piece, byte by byte, and once more after it was written down. */
#include "report/envelope.h"

#include <string.h>

#include "base/buffer.h"
#include "fuzz.h"

static int on_header(void *user, const char *line, size_t length, const struct json *json)
{
    PROPERTY(json->type == JSON_OBJECT);
    ccol__buffer_append(user, line, length);
    ccol__buffer_append(user, "\n", 1);
    return 0;
}

/* What has no length of its own has no newline in it either, and keeps both properties. */
static int on_item(void *user, const struct envelope_item_header *item)
{
    PROPERTY(item->json->type == JSON_OBJECT);
    ccol__buffer_append(user, item->line, item->line_length);
    ccol__buffer_append(user, "\n", 1);
    return 0;
}

static int on_data(void *user, const char *data, size_t length)
{
    ccol__buffer_append(user, data, length);
    return 0;
}

static int on_end(void *user)
{
    ccol__buffer_append(user, "\n", 1);
    return 0;
}

static const struct envelope_events events = {on_header, on_item, on_data, on_end};

static int read_all(struct buffer *out, const char *data, size_t size, size_t step)
{
    struct envelope_parser *parser;
    int code = ccol__envelope_parser_new(&parser, &events, out);
    for (size_t at = 0; !code && at < size; at += step)
        code = ccol__envelope_parser_feed(parser, data + at, size - at < step ? size - at : step);
    if (!code) code = ccol__envelope_parser_finish(parser);
    PROPERTY(code != CCOL_EFORMAT || ccol__envelope_parser_reason(parser)[0]);
    ccol__envelope_parser_free(parser);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole, pieces, again;
    ccol__buffer_init(&whole, SIZE_MAX / 4, NULL);
    ccol__buffer_init(&pieces, SIZE_MAX / 4, NULL);
    ccol__buffer_init(&again, SIZE_MAX / 4, NULL);
    int code = read_all(&whole, (const char *)data, size, size ? size : 1);
    PROPERTY(read_all(&pieces, (const char *)data, size, 1) == code);
    PROPERTY(whole.length == pieces.length && (!whole.length || !memcmp(whole.data, pieces.data, whole.length)));
    if (!code) {
        PROPERTY(read_all(&again, whole.data, whole.length, whole.length) == 0);
        PROPERTY(again.length == whole.length && !memcmp(again.data, whole.data, whole.length));
    }
    ccol__buffer_fini(&whole);
    ccol__buffer_fini(&pieces);
    ccol__buffer_fini(&again);
    return 0;
}
