/* SPDX-License-Identifier: MIT */
/* The parts of a URL, and the encoding of what goes into one. */
#ifndef CCOL_NET_URI_H
#define CCOL_NET_URI_H

#include "base/buffer.h"

/* Appends text with every byte but A-Z a-z 0-9 - . _ ~ as %XX, and with '/' kept where it separates. Failure sticks to
 * the buffer. */
void ccol__uri_encode(struct buffer *out, const char *text, size_t length, bool keep_slashes);

/* Pieces of a URL of the form scheme://host[:port][/path][?query][#fragment]; they point into it. */
struct uri {
    const char *scheme, *host, *path, *query;
    size_t scheme_length, host_length; /* host as the Host header has it: without the scheme's own port */
    size_t path_length, query_length;  /* the query without '?' */
};

/* false: not of that form. */
bool ccol__uri_split(const char *url, struct uri *out);

#endif
