/* SPDX-License-Identifier: MIT */
#include "net/sentry_envelope.h"

#include <string.h>

#include "base/clock.h"

static void put_member(struct buffer *out, const char *key, const char *value)
{
    if (!value) return;
    ccol__buffer_format(out, ",\"%s\":", key);
    ccol__json_write_string(out, value, strlen(value));
}

void ccol__envelope_init(struct envelope *envelope, const char *id, const char *sdk_name, const char *sdk_version)
{
    char now[CCOL_RFC3339_SIZE];
    *envelope = (struct envelope){0};
    ccol__pieces_init(&envelope->pieces);
    ccol__buffer_format(&envelope->pieces.text, "{\"sent_at\":\"%s\"", ccol__clock_rfc3339(now, ccol__clock_now_us()));
    if (*id) put_member(&envelope->pieces.text, "event_id", id);
    ccol__buffer_text(&envelope->pieces.text, ",\"sdk\":{\"name\":");
    ccol__json_write_string(&envelope->pieces.text, sdk_name, strlen(sdk_name));
    put_member(&envelope->pieces.text, "version", sdk_version);
    ccol__buffer_text(&envelope->pieces.text, "}}\n");
    ccol__pieces_text(&envelope->pieces);
}

void ccol__envelope_init_with(struct envelope *envelope, const struct json *header)
{
    *envelope = (struct envelope){0};
    ccol__pieces_init(&envelope->pieces);
    ccol__json_write_in_order(&envelope->pieces.text, header);
    ccol__buffer_text(&envelope->pieces.text, "\n");
    ccol__pieces_text(&envelope->pieces);
}

static bool count_item(struct envelope *envelope)
{
    if (envelope->item_count == ENVELOPE_ITEMS_MAX) envelope->failed = true;
    envelope->item_count++;
    return !envelope->failed;
}

void ccol__envelope_add(struct envelope *envelope, const struct envelope_item *item)
{
    struct buffer *text = &envelope->pieces.text;
    if (!count_item(envelope)) return;
    ccol__buffer_text(text, "{\"type\":");
    ccol__json_write_string(text, item->type, strlen(item->type));
    ccol__buffer_format(text, ",\"length\":%zu", item->length);
    put_member(text, "content_type", item->content_type);
    put_member(text, "filename", item->filename);
    put_member(text, "attachment_type", item->attachment_type);
    if (item->item_count) ccol__buffer_format(text, ",\"item_count\":%u", item->item_count);
    ccol__buffer_text(text, "}\n");
    ccol__pieces_text(&envelope->pieces);
    ccol__pieces_data(&envelope->pieces, item->data, item->length);
    ccol__buffer_text(text, "\n");
    ccol__pieces_text(&envelope->pieces);
}

void ccol__envelope_add_raw(struct envelope *envelope, const void *data, size_t length)
{
    if (length && count_item(envelope)) ccol__pieces_data(&envelope->pieces, data, length);
}

const struct http_piece *ccol__envelope_body(struct envelope *envelope, size_t *count, size_t *bytes)
{
    return ccol__pieces_body(&envelope->pieces, count, bytes);
}

bool ccol__envelope_failed(const struct envelope *envelope)
{
    return envelope->failed || ccol__pieces_failed(&envelope->pieces);
}

void ccol__envelope_fini(struct envelope *envelope)
{
    ccol__pieces_fini(&envelope->pieces);
}
