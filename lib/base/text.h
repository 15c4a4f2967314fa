/* SPDX-License-Identifier: MIT */
/* Text of clients: UTF-8, comparisons, cleaning for logs. */
#ifndef CCOL_BASE_TEXT_H
#define CCOL_BASE_TEXT_H

#include <crashcollect/api.h>

/* Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is allowed. */
bool ccol__text_is_utf8(const char *text, size_t length);

/* Copies text, each byte that is no part of strict UTF-8 as U+FFFD. Returns what it used of out, which
 * holds 3 * length bytes; text may be the last of these. */
size_t ccol__text_repair(char *out, const char *text, size_t length);

/* ASCII, case-insensitive. */
bool ccol__text_equal_nocase(const char *a, size_t a_length, const char *b);
bool ccol__text_starts_nocase(const char *text, size_t length, const char *prefix);

/* true if equal; takes the same time wherever they differ (tokens). */
bool ccol__text_equal_secret(const char *given, const char *secret);

/* Copies at most size-1 bytes for a log line: control characters and non-ASCII become '?'. Returns out. */
const char *ccol__text_for_log(char *out, size_t size, const char *text, size_t length);

#endif
