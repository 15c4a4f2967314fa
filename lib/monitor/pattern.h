/* SPDX-License-Identifier: MIT */
/* Regular expressions that a user gave: POSIX extended, without back-references (these would take exponential time),
 * applied to pieces of bounded length. */
#ifndef CCOL_MONITOR_PATTERN_H
#define CCOL_MONITOR_PATTERN_H

#include <regex.h>

#include <crashcollect/error.h>

#define PATTERN_PIECE ((size_t)4096) /* bytes that are looked at at once */

struct pattern {
    regex_t regex;
    bool groups;
};

/* wants_place: _find will be used. CCOL_EFORMAT names the mistake. */
int ccol__pattern_init(struct pattern *pattern, const char *text, bool wants_place, ccol_error *err);
/* Whether it matches within the first PATTERN_PIECE bytes. */
bool ccol__pattern_matches(const struct pattern *pattern, const char *text, size_t length);
/* The first match in text (NUL-terminated), or its first group if it has one. at_start: text begins a line. */
bool ccol__pattern_find(const struct pattern *pattern, const char *text, bool at_start, size_t *start, size_t *end);
void ccol__pattern_fini(struct pattern *pattern);

#endif
