/* SPDX-License-Identifier: MIT */
/* An envelope being made: a header line, then items. What it is given stays where it is and is sent from there, so it
 * must outlive the envelope. Failure sticks: check ccol__envelope_failed once, at the end. Not thread-safe. */
#ifndef CCOL_NET_SENTRY_ENVELOPE_H
#define CCOL_NET_SENTRY_ENVELOPE_H

#include "base/json.h"
#include "net/pieces.h"

#define ENVELOPE_ID_SIZE   33
#define ENVELOPE_ITEMS_MAX 128 /* two pieces each, and one */

struct envelope_item {
    const char *type;            /* "event", "attachment", "session", "log", "client_report" */
    const char *content_type;    /* NULL: none */
    const char *filename;        /* of an attachment */
    const char *attachment_type; /* NULL: its default */
    unsigned item_count;         /* of logs; 0: none */
    const void *data;
    size_t length;
};

struct envelope {
    struct pieces pieces; /* its text: header lines */
    size_t item_count;
    bool failed;
};

/* Begins with the header: `id` is 32 hex digits or "", sdk the name and version of the sender; sent_at is now. */
void ccol__envelope_init(struct envelope *envelope, const char *id, const char *sdk_name, const char *sdk_version);
/* Begins with a header that is there already. */
void ccol__envelope_init_with(struct envelope *envelope, const struct json *header);
void ccol__envelope_add(struct envelope *envelope, const struct envelope_item *item);
/* Adds items that are whole already: header line, newline, payload, newline. */
void ccol__envelope_add_raw(struct envelope *envelope, const void *data, size_t length);
/* The whole of it, valid until the next change. */
const struct http_piece *ccol__envelope_body(struct envelope *envelope, size_t *count, size_t *bytes);
bool ccol__envelope_failed(const struct envelope *envelope);
void ccol__envelope_fini(struct envelope *envelope);

#endif
