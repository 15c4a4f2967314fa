/* SPDX-License-Identifier: MIT */
/* Deflating into a buffer as one gzip member. One thread at a time. */
#ifndef CCOL_BASE_GZIP_WRITE_H
#define CCOL_BASE_GZIP_WRITE_H

#include "base/buffer.h"

struct gzip_writer;
/* What it makes is appended to out, which must outlive it. NULL: memory. */
struct gzip_writer *ccol__gzip_writer_new(struct buffer *out);
/* false, now and from then on: memory, or the buffer's ceiling. */
bool ccol__gzip_write(struct gzip_writer *writer, const void *data, size_t length);
/* Ends the member. */
bool ccol__gzip_writer_finish(struct gzip_writer *writer);
void ccol__gzip_writer_free(struct gzip_writer *writer);

#endif
