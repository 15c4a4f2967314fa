/* SPDX-License-Identifier: MIT */
/* Streaming inflation of bodies with a cap: gzip, zlib and, where the build found their libraries, brotli and zstd.
 * Bytes in, bytes out, no I/O. ISA-L where the build found it, else zlib. One thread at a time. */
#ifndef CCOL_BASE_GZIP_H
#define CCOL_BASE_GZIP_H

#include <crashcollect/error.h>

#include "base/budget.h"

struct inflate;
enum inflate_form { INFLATE_GZIP, INFLATE_ZLIB, INFLATE_BROTLI, INFLATE_ZSTD };

/* Whether this build can inflate that. */
bool ccol__inflate_knows(enum inflate_form form);
/* The form that a Content-Encoding names (NULL: none). false: it is no name of one. */
bool ccol__inflate_form_named(enum inflate_form *out, const char *encoding);

/* Takes inflated bytes; a non-zero result ends the feed, which returns it. */
typedef int (*inflate_sink)(void *user, const void *data, size_t length);

/* What it takes is charged to the budget, which may be NULL. -ENOMEM; -ENOTSUP: this build does not know that form. */
int ccol__inflate_new(struct inflate **out, enum inflate_form form, uint64_t max_output, struct budget *budget,
                      ccol_error *err);
/* gzip: all members are inflated; bytes after a whole member that start no member are ignored. zstd: all frames.
 * CCOL_EFORMAT: not that form, or a wrong check sum or size; CCOL_ETOOLARGE: more than max_output comes out of it;
 * -ENOMEM. */
int ccol__inflate_feed(struct inflate *inflate, const void *data, size_t length, inflate_sink sink, void *user);
/* The input is complete. CCOL_EFORMAT: it was cut off. */
int ccol__inflate_finish(struct inflate *inflate);
uint64_t ccol__inflate_output(const struct inflate *inflate); /* bytes that came out so far */
void ccol__inflate_free(struct inflate *inflate);

#endif
