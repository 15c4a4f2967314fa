/* SPDX-License-Identifier: MIT */
/* Streaming parser of Sentry envelopes: a header line, then items, each a header line and a payload. Bytes in, events
 * out, no I/O; pieces may be of any size, and memory does not grow with payloads. One thread at a time. */
#ifndef CCOL_REPORT_ENVELOPE_H
#define CCOL_REPORT_ENVELOPE_H

#include <crashcollect/error.h>

#include "base/json.h"

/* Names under which an envelope lies in a report: all of it but its minidump, each item ending in a newline; and that.
 */
#define ENVELOPE_FILE      "sentry_envelope"
#define ENVELOPE_DUMP_FILE "upload_file_minidump"

/* The line as it came, without its newline, and what it says; both live until the event returns. */
struct envelope_item_header {
    const char *line;
    size_t line_length;
    const struct json *json; /* an object */
    bool has_length;
    uint64_t length;
};

/* Any may be NULL. A non-zero result ends the walk; feed then returns it. */
struct envelope_events {
    int (*header)(void *user, const char *line, size_t length, const struct json *json);
    int (*item_begin)(void *user, const struct envelope_item_header *item);
    int (*item_data)(void *user, const char *data, size_t length);
    int (*item_end)(void *user);
};

struct envelope_parser;
int ccol__envelope_parser_new(struct envelope_parser **out, const struct envelope_events *events, void *user);
/* 0, an event's result, CCOL_EFORMAT or CCOL_ETOOLARGE (a header line). After an error it returns the same again. */
int ccol__envelope_parser_feed(struct envelope_parser *parser, const char *data, size_t length);
/* All of it was fed. CCOL_EFORMAT: it was cut off. */
int ccol__envelope_parser_finish(struct envelope_parser *parser);
/* Why it is CCOL_EFORMAT; "" if it is not. */
const char *ccol__envelope_parser_reason(const struct envelope_parser *parser);
void ccol__envelope_parser_free(struct envelope_parser *parser);

#endif
