/* SPDX-License-Identifier: MIT */
/* A request's body in pieces: text that is made here, and data that stays where it is, so it must outlive the list.
 * Failure sticks: check ccol__pieces_failed once, at the end. Not thread-safe. */
#ifndef CCOL_NET_PIECES_H
#define CCOL_NET_PIECES_H

#include "base/buffer.h"
#include "net/http_client.h"

#define PIECES_MAX 258

struct pieces {
    struct buffer text; /* append to it, then call ccol__pieces_text */
    struct {
        size_t at; /* in text, when data is NULL */
        const void *data;
        size_t length;
    } list[PIECES_MAX];
    size_t count, text_end;
    struct http_piece body[PIECES_MAX];
    bool failed;
};

void ccol__pieces_init(struct pieces *pieces);
/* The text appended since the last call becomes a piece, or the end of the one before it. */
void ccol__pieces_text(struct pieces *pieces);
void ccol__pieces_data(struct pieces *pieces, const void *data, size_t length);
/* The whole of it, valid until the next change. */
const struct http_piece *ccol__pieces_body(struct pieces *pieces, size_t *count, size_t *bytes);
bool ccol__pieces_failed(const struct pieces *pieces);
void ccol__pieces_fini(struct pieces *pieces);

#endif
