/* SPDX-License-Identifier: MIT */
#include "monitor/minidump_parts.h"

#include <string.h>

#define REPLACEMENT 0xfffd

static void encode(char *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(unsigned char)(value >> (8 * i));
}

static void put(struct buffer *out, uint64_t value, size_t bytes)
{
    char text[8];
    encode(text, value, bytes);
    ccol__buffer_append(out, text, bytes);
}

void ccol__minidump_put_u16(struct buffer *out, uint16_t value)
{
    put(out, value, sizeof value);
}

void ccol__minidump_put_u32(struct buffer *out, uint32_t value)
{
    put(out, value, sizeof value);
}

void ccol__minidump_put_u64(struct buffer *out, uint64_t value)
{
    put(out, value, sizeof value);
}

void ccol__minidump_set_u32(struct buffer *out, uint32_t place, uint32_t value)
{
    if (!out->failed) encode(out->data + place, value, sizeof value);
}

void ccol__minidump_put_zeros(struct buffer *out, size_t count)
{
    char *room = ccol__buffer_reserve(out, count);
    if (!room) return;
    memset(room, 0, count);
    out->length += count;
}

void ccol__minidump_put_location(struct buffer *out, struct location at)
{
    ccol__minidump_put_u32(out, at.bytes);
    ccol__minidump_put_u32(out, at.bytes ? at.place : 0);
}

void ccol__minidump_align(struct buffer *out)
{
    ccol__minidump_put_zeros(out, -out->length & 7);
}

struct location ccol__minidump_put_bytes(struct buffer *out, const void *bytes, size_t length)
{
    ccol__minidump_align(out);
    struct location at = {(uint32_t)length, (uint32_t)out->length};
    ccol__buffer_append(out, bytes, length);
    return at;
}

/* One character of UTF-8, its length to *used; U+FFFD for a byte that begins none. */
static uint32_t decode(const unsigned char *text, size_t *used)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = *text < 0x80 ? 1 : *text >> 5 == 6 ? 2 : *text >> 4 == 14 ? 3 : *text >> 3 == 30 ? 4 : 0;
    uint32_t c = length == 1 ? *text : length ? *text & (0x7fu >> length) : 0;
    *used = 1;
    for (size_t i = 1; i < length; i++) {
        if (text[i] >> 6 != 2) return REPLACEMENT; /* the NUL ends it here at the latest */
        c = c << 6 | (text[i] & 0x3f);
    }
    if (length == 0 || c > 0x10ffff || c >> 11 == 0x1b || c < least[length]) return REPLACEMENT;
    *used = length;
    return c;
}

uint32_t ccol__minidump_put_utf16(struct buffer *out, const char *text)
{
    ccol__minidump_align(out);
    uint32_t start = (uint32_t)out->length;
    ccol__minidump_put_u32(out, 0);
    size_t used;
    for (const unsigned char *at = (const unsigned char *)text; *at; at += used) {
        uint32_t c = decode(at, &used);
        if (c >= 0x10000) ccol__minidump_put_u16(out, (uint16_t)(0xd7c0 + (c >> 10)));
        ccol__minidump_put_u16(out, (uint16_t)(c >= 0x10000 ? 0xdc00 | (c & 0x3ff) : c));
    }
    ccol__minidump_set_u32(out, start, (uint32_t)(out->length - start - 4));
    ccol__minidump_put_u16(out, 0);
    return start;
}

uint32_t ccol__minidump_put_utf8(struct buffer *out, const char *text)
{
    ccol__minidump_align(out);
    uint32_t start = (uint32_t)out->length;
    size_t length = strlen(text);
    ccol__minidump_put_u32(out, (uint32_t)length);
    ccol__buffer_append(out, text, length + 1);
    return start;
}
