/* SPDX-License-Identifier: MIT */
/* The small parts that a minidump is made of. All numbers are little-endian; places count from the buffer's start. What
 * fails marks the buffer as failed. */
#ifndef CCOL_MONITOR_MINIDUMP_PARTS_H
#define CCOL_MONITOR_MINIDUMP_PARTS_H

#include "base/buffer.h"

struct location {
    uint32_t bytes, place;
};

void ccol__minidump_put_u16(struct buffer *out, uint16_t value);
void ccol__minidump_put_u32(struct buffer *out, uint32_t value);
void ccol__minidump_put_u64(struct buffer *out, uint64_t value);
/* Replaces the number at a place. */
void ccol__minidump_set_u32(struct buffer *out, uint32_t place, uint32_t value);
void ccol__minidump_put_zeros(struct buffer *out, size_t count);
void ccol__minidump_put_location(struct buffer *out, struct location at);
/* Zeros up to a multiple of 8. */
void ccol__minidump_align(struct buffer *out);
/* Each of these aligns first and returns where it put it. Strings carry their length; what is not UTF-8 becomes U+FFFD
 * in UTF-16. */
struct location ccol__minidump_put_bytes(struct buffer *out, const void *bytes, size_t length);
uint32_t ccol__minidump_put_utf16(struct buffer *out, const char *text);
uint32_t ccol__minidump_put_utf8(struct buffer *out, const char *text);

#endif
