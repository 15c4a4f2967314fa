/* SPDX-License-Identifier: MIT */
/* The header fields of one request that matter here, and whether they leave any doubt about where its body ends. */
#ifndef CCOL_HTTP_FRAMING_H
#define CCOL_HTTP_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

#include <crashcollect/incident.h>

struct MHD_Connection;

struct framing {
    int64_t content_length; /* -1: chunked; INT64_MAX: that or more */
    bool expects_continue;
    bool last; /* what follows on the connection is not to be trusted: it ends with this request */
    const char *content_type, *content_encoding, *user_agent, *authorization, *sentry_auth; /* NULL: absent */
};

#define FRAMING_HEADERS_MAX 64
/* The header fields as they came, at most FRAMING_HEADERS_MAX; they live as long as the request. Returns their number.
 */
size_t ccol__framing_headers(struct MHD_Connection *connection, ccol_header out[FRAMING_HEADERS_MAX]);

/* Reads the headers of a request whose headers are complete. Returns NULL, or why the request must be refused: what
 * two servers in a row could read differently is how requests are smuggled past the first. */
const char *ccol__framing_read(struct MHD_Connection *connection, const char *version, struct framing *out);

#endif
