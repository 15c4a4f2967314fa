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

/* The text that was appended since `from` becomes a piece, or a longer one of the piece before it. */
static void close_text(struct envelope *envelope, size_t from)
{
    size_t last = envelope->piece_count;
    if (last && !envelope->pieces[last - 1].data) {
        envelope->pieces[last - 1].length = envelope->text.length - envelope->pieces[last - 1].at;
        return;
    }
    if (last == ENVELOPE_PIECES_MAX) {
        envelope->failed = true;
        return;
    }
    envelope->pieces[last].at = from;
    envelope->pieces[last].data = NULL;
    envelope->pieces[last].length = envelope->text.length - from;
    envelope->piece_count++;
}

static void add_data(struct envelope *envelope, const void *data, size_t length)
{
    if (!length) return;
    if (envelope->piece_count == ENVELOPE_PIECES_MAX) {
        envelope->failed = true;
        return;
    }
    envelope->pieces[envelope->piece_count].data = data;
    envelope->pieces[envelope->piece_count].length = length;
    envelope->piece_count++;
}

void ccol__envelope_init(struct envelope *envelope, const char *id, const char *sdk_name, const char *sdk_version)
{
    char now[CCOL_RFC3339_SIZE];
    memset(envelope, 0, sizeof *envelope);
    ccol__buffer_init(&envelope->text, SIZE_MAX / 4, NULL);
    ccol__buffer_format(&envelope->text, "{\"sent_at\":\"%s\"", ccol__clock_rfc3339(now, ccol__clock_now_us()));
    if (*id) put_member(&envelope->text, "event_id", id);
    ccol__buffer_text(&envelope->text, ",\"sdk\":{\"name\":");
    ccol__json_write_string(&envelope->text, sdk_name, strlen(sdk_name));
    put_member(&envelope->text, "version", sdk_version);
    ccol__buffer_text(&envelope->text, "}}\n");
    close_text(envelope, 0);
}

void ccol__envelope_init_with(struct envelope *envelope, const struct json *header)
{
    memset(envelope, 0, sizeof *envelope);
    ccol__buffer_init(&envelope->text, SIZE_MAX / 4, NULL);
    ccol__json_write_in_order(&envelope->text, header);
    ccol__buffer_text(&envelope->text, "\n");
    close_text(envelope, 0);
}

static bool count_item(struct envelope *envelope)
{
    if (envelope->item_count == ENVELOPE_ITEMS_MAX) envelope->failed = true;
    envelope->item_count++;
    return !envelope->failed;
}

void ccol__envelope_add(struct envelope *envelope, const struct envelope_item *item)
{
    struct buffer *text = &envelope->text;
    size_t from = text->length;
    if (!count_item(envelope)) return;
    ccol__buffer_text(text, "{\"type\":");
    ccol__json_write_string(text, item->type, strlen(item->type));
    ccol__buffer_format(text, ",\"length\":%zu", item->length);
    put_member(text, "content_type", item->content_type);
    put_member(text, "filename", item->filename);
    put_member(text, "attachment_type", item->attachment_type);
    if (item->item_count) ccol__buffer_format(text, ",\"item_count\":%u", item->item_count);
    ccol__buffer_text(text, "}\n");
    close_text(envelope, from);
    add_data(envelope, item->data, item->length);
    from = text->length;
    ccol__buffer_text(text, "\n");
    close_text(envelope, from);
}

void ccol__envelope_add_raw(struct envelope *envelope, const void *data, size_t length)
{
    if (length && count_item(envelope)) add_data(envelope, data, length);
}

const struct http_piece *ccol__envelope_body(struct envelope *envelope, size_t *count, size_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < envelope->piece_count; i++) {
        const void *data = envelope->pieces[i].data;
        if (!data) data = envelope->text.data + envelope->pieces[i].at;
        envelope->body[i] = (struct http_piece){data, envelope->pieces[i].length};
        *bytes += envelope->pieces[i].length;
    }
    *count = envelope->piece_count;
    return envelope->body;
}

bool ccol__envelope_failed(const struct envelope *envelope)
{
    return envelope->failed || envelope->text.failed;
}

void ccol__envelope_fini(struct envelope *envelope)
{
    ccol__buffer_fini(&envelope->text);
}
