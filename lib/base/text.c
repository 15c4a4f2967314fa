/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Length of the sequence a byte leads in strict UTF-8 and the range its second byte must be in. */
static size_t sequence_length(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    if (lead < 0xE0) return 2;
    if (lead < 0xF0) {
        if (lead == 0xE0) *low = 0xA0;  /* else overlong */
        if (lead == 0xED) *high = 0x9F; /* else a surrogate */
        return 3;
    }
    if (lead == 0xF0) *low = 0x90;  /* else overlong */
    if (lead == 0xF4) *high = 0x8F; /* else above U+10FFFF */
    return 4;
}

static size_t skip_ascii(const char *text, size_t length)
{
    size_t at = 0;
    for (uint64_t word; length - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & HIGH_BITS) break;
    }
    while (at < length && !((unsigned char)text[at] & 0x80))
        at++;
    return at;
}

/* Bytes of the sequence that text begins with, 0 if it is none. length is at least 1. */
static size_t whole_sequence(const char *text, size_t length)
{
    unsigned char low, high;
    size_t bytes = sequence_length((unsigned char)text[0], &low, &high);
    if (!bytes || bytes > length) return 0;
    unsigned char second = (unsigned char)text[1];
    if (second < low || second > high) return 0;
    for (size_t i = 2; i < bytes; i++)
        if (((unsigned char)text[i] & 0xC0) != 0x80) return 0;
    return bytes;
}

bool ccol__text_is_utf8(const char *text, size_t length)
{
    size_t at = 0;
    while ((at += skip_ascii(text + at, length - at)) < length) {
        size_t bytes = whole_sequence(text + at, length - at);
        if (!bytes) return false;
        at += bytes;
    }
    return true;
}

size_t ccol__text_repair(char *out, const char *text, size_t length)
{
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        size_t bytes = skip_ascii(text + at, length - at);
        if (!bytes) bytes = whole_sequence(text + at, length - at);
        memmove(out + used, bytes ? text + at : "\xEF\xBF\xBD", bytes ? bytes : 3);
        used += bytes ? bytes : 3;
        at += bytes ? bytes : 1;
    }
    return used;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool ccol__text_starts_nocase(const char *text, size_t length, const char *prefix)
{
    size_t i = 0;
    while (i < length && prefix[i] && lower(text[i]) == lower(prefix[i]))
        i++;
    return !prefix[i];
}

bool ccol__text_equal_nocase(const char *a, size_t a_length, const char *b)
{
    return strlen(b) == a_length && ccol__text_starts_nocase(a, a_length, b);
}

bool ccol__text_equal_secret(const char *given, const char *secret)
{
    size_t given_length = strlen(given), secret_length = strlen(secret);
    volatile unsigned char difference = given_length != secret_length;
    for (size_t i = 0; i < given_length; i++)
        difference = (unsigned char)(difference | (given[i] ^ secret[i < secret_length ? i : 0]));
    return difference == 0;
}

const char *ccol__text_for_log(char *out, size_t size, const char *text, size_t length)
{
    size_t used = length < size - 1 ? length : size - 1;
    for (size_t i = 0; i < used; i++)
        out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    out[used] = '\0';
    return out;
}
