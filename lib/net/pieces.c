/* SPDX-License-Identifier: MIT */
#include "net/pieces.h"

#include <string.h>

void ccol__pieces_init(struct pieces *pieces)
{
    memset(pieces, 0, sizeof *pieces);
    ccol__buffer_init(&pieces->text, SIZE_MAX / 4, NULL);
}

static void add(struct pieces *pieces, size_t at, const void *data, size_t length)
{
    if (pieces->count == PIECES_MAX) {
        pieces->failed = true;
        return;
    }
    pieces->list[pieces->count].at = at;
    pieces->list[pieces->count].data = data;
    pieces->list[pieces->count].length = length;
    pieces->count++;
}

void ccol__pieces_text(struct pieces *pieces)
{
    size_t from = pieces->text_end, last = pieces->count;
    pieces->text_end = pieces->text.length;
    if (last && !pieces->list[last - 1].data)
        pieces->list[last - 1].length = pieces->text_end - pieces->list[last - 1].at;
    else
        add(pieces, from, NULL, pieces->text_end - from);
}

void ccol__pieces_data(struct pieces *pieces, const void *data, size_t length)
{
    if (length) add(pieces, 0, data, length);
}

const struct http_piece *ccol__pieces_body(struct pieces *pieces, size_t *count, size_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        const void *data = pieces->list[i].data;
        if (!data) data = pieces->text.data + pieces->list[i].at;
        pieces->body[i] = (struct http_piece){data, pieces->list[i].length};
        *bytes += pieces->list[i].length;
    }
    *count = pieces->count;
    return pieces->body;
}

bool ccol__pieces_failed(const struct pieces *pieces)
{
    return pieces->failed || pieces->text.failed;
}

void ccol__pieces_fini(struct pieces *pieces)
{
    ccol__buffer_fini(&pieces->text);
}
