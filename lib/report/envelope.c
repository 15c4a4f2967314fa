/* SPDX-License-Identifier: MIT */
#include "report/envelope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_build.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)
#define ITEMS_MAX      1000

enum state {
    STATE_HEADER,      /* the first line */
    STATE_ITEM_HEADER, /* a line, or the end */
    STATE_COUNTED,     /* `left` bytes of payload */
    STATE_LINE,        /* payload up to a newline */
    STATE_AFTER,       /* a newline or the end must follow */
    STATE_FAILED
};

struct envelope_parser {
    const struct envelope_events *events;
    void *user;
    enum state state;
    struct buffer line; /* of a header that came in pieces */
    uint64_t left;
    unsigned items;
    int code;
    const char *reason;
};

int ccol__envelope_parser_new(struct envelope_parser **out, const struct envelope_events *events, void *user)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return -ENOMEM;
    (*out)->events = events;
    (*out)->user = user;
    (*out)->reason = "";
    ccol__buffer_init(&(*out)->line, LINE_MAX_BYTES, NULL);
    return 0;
}

void ccol__envelope_parser_free(struct envelope_parser *parser)
{
    if (!parser) return;
    ccol__buffer_fini(&parser->line);
    free(parser);
}

const char *ccol__envelope_parser_reason(const struct envelope_parser *parser)
{
    return parser ? parser->reason : "";
}

static int fail(struct envelope_parser *parser, int code, const char *reason)
{
    parser->state = STATE_FAILED;
    parser->code = code;
    parser->reason = reason;
    return code;
}

/* Goes on with the result of an event. */
static int told(struct envelope_parser *parser, int code)
{
    return code ? fail(parser, code, "") : 0;
}

static int end_item(struct envelope_parser *parser, enum state next)
{
    parser->state = next;
    return parser->events->item_end ? told(parser, parser->events->item_end(parser->user)) : 0;
}

static int begin_item(struct envelope_parser *parser, const struct json *json)
{
    struct envelope_item_header item = {.line = parser->line.data, .line_length = parser->line.length, .json = json};
    const char *type = ccol__json_text(json, "type");
    const struct json *length = ccol__json_member(json, "length");
    if (!type || !*type) return fail(parser, CCOL_EFORMAT, "an item has no type");
    if (++parser->items > ITEMS_MAX) return fail(parser, CCOL_ETOOLARGE, "there are too many items");
    item.has_length = length && length->type != JSON_NULL;
    if (item.has_length && !ccol__json_count(json, "length", &item.length))
        return fail(parser, CCOL_EFORMAT, "an item's length is no number of bytes");
    parser->left = item.length;
    parser->state = item.has_length ? STATE_COUNTED : STATE_LINE;
    if (parser->events->item_begin && told(parser, parser->events->item_begin(parser->user, &item)))
        return parser->code;
    return item.has_length && item.length == 0 ? end_item(parser, STATE_AFTER) : 0;
}

static int take_json(struct envelope_parser *parser, const struct json *json)
{
    if (json->type != JSON_OBJECT) return fail(parser, CCOL_EFORMAT, "a header line is no JSON object");
    if (parser->state == STATE_ITEM_HEADER) return begin_item(parser, json);
    parser->state = STATE_ITEM_HEADER;
    if (!parser->events->header) return 0;
    return told(parser, parser->events->header(parser->user, parser->line.data, parser->line.length, json));
}

/* The line in parser->line is complete. */
static int take_line(struct envelope_parser *parser)
{
    static const struct json_limits limits = {.depth = 64, .number_length = 64};
    if (parser->state == STATE_ITEM_HEADER && parser->line.length == 0) return 0; /* newlines at the end */
    struct arena arena;
    struct json *json;
    ccol__arena_init(&arena, NULL);
    int code =
        ccol__json_parse(&arena, parser->line.data ? parser->line.data : "", parser->line.length, &limits, &json, NULL);
    if (code)
        fail(parser, code, "a header line is not JSON");
    else
        code = take_json(parser, json);
    ccol__arena_fini(&arena);
    ccol__buffer_clear(&parser->line);
    return code;
}

/* Each takes some of the bytes and tells how many. */
static int feed_line(struct envelope_parser *parser, const char *data, size_t length, size_t *taken)
{
    const char *end = memchr(data, '\n', length);
    size_t span = end ? (size_t)(end - data) : length;
    *taken = span + (end ? 1 : 0);
    if (!ccol__buffer_append(&parser->line, data, span)) {
        bool too_long = parser->line.length + span > LINE_MAX_BYTES;
        return fail(parser, too_long ? CCOL_ETOOLARGE : -ENOMEM, "a header line is too long");
    }
    return end ? take_line(parser) : 0;
}

static int feed_data(struct envelope_parser *parser, const char *data, size_t length)
{
    if (!length || !parser->events->item_data) return 0;
    return told(parser, parser->events->item_data(parser->user, data, length));
}

static int feed_counted(struct envelope_parser *parser, const char *data, size_t length, size_t *taken)
{
    *taken = length < parser->left ? length : (size_t)parser->left;
    parser->left -= *taken;
    int code = feed_data(parser, data, *taken);
    return code || parser->left ? code : end_item(parser, STATE_AFTER);
}

static int feed_payload_line(struct envelope_parser *parser, const char *data, size_t length, size_t *taken)
{
    const char *end = memchr(data, '\n', length);
    size_t span = end ? (size_t)(end - data) : length;
    *taken = span + (end ? 1 : 0);
    int code = feed_data(parser, data, span);
    return code || !end ? code : end_item(parser, STATE_ITEM_HEADER);
}

static int feed_after(struct envelope_parser *parser, const char *data, size_t *taken)
{
    if (*data != '\n') return fail(parser, CCOL_EFORMAT, "an item is longer than its length says");
    *taken = 1;
    parser->state = STATE_ITEM_HEADER;
    return 0;
}

int ccol__envelope_parser_feed(struct envelope_parser *parser, const char *data, size_t length)
{
    int code = parser->state == STATE_FAILED ? parser->code : 0;
    while (!code && length) {
        size_t taken = 0;
        switch (parser->state) {
        case STATE_HEADER:
        case STATE_ITEM_HEADER:
            code = feed_line(parser, data, length, &taken);
            break;
        case STATE_COUNTED:
            code = feed_counted(parser, data, length, &taken);
            break;
        case STATE_LINE:
            code = feed_payload_line(parser, data, length, &taken);
            break;
        case STATE_AFTER:
            code = feed_after(parser, data, &taken);
            break;
        case STATE_FAILED:
            return parser->code;
        }
        data += taken;
        length -= taken;
    }
    return code;
}

int ccol__envelope_parser_finish(struct envelope_parser *parser)
{
    switch (parser->state) {
    case STATE_HEADER:
        if (!parser->line.length) return fail(parser, CCOL_EFORMAT, "it is empty");
        return take_line(parser);
    case STATE_ITEM_HEADER: {
        if (!parser->line.length) return 0;
        int code = take_line(parser); /* a header line without a payload: one of no bytes */
        if (code) return code;
        return ccol__envelope_parser_finish(parser);
    }
    case STATE_COUNTED:
        return fail(parser, CCOL_EFORMAT, "an item is shorter than its length says");
    case STATE_LINE:
        return end_item(parser, STATE_ITEM_HEADER);
    case STATE_AFTER:
        return 0;
    case STATE_FAILED:
        break;
    }
    return parser->code;
}
