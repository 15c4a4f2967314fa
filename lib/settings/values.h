/* SPDX-License-Identifier: MIT */
/* Values of settings as people write them. Each function returns false for what is none. */
#ifndef CCOL_SETTINGS_VALUES_H
#define CCOL_SETTINGS_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool ccol__value_number(const char *text, uint64_t *out);
/* "1500", "25MiB"; KiB, MiB, GiB and TiB in any case, a blank before them is fine. Result in bytes. */
bool ccol__value_size(const char *text, uint64_t *out);
/* "500ms", "10s", "5m", "2h", "7d"; a unit must be there. Result in ms. */
bool ccol__value_time(const char *text, uint64_t *out);
/* on, off, true, false, yes, no, 1, 0 in any case. */
bool ccol__value_switch(const char *text, bool *out);

/* Names of signals with commas between them, with or without SIG: bit N - 1 of *mask for signal N. */
bool ccol__value_signals(const char *text, uint64_t *mask);

/* Is the word (of that length) one of the words in "a|b|c"? *index: which one. */
bool ccol__value_choice(const char *choices, const char *word, size_t length, unsigned *index);

/* Words between commas, blanks around them and empty ones left out: the next one, its length in *length, and *at moved
 * behind it; NULL at the end. */
const char *ccol__value_next_word(const char **at, size_t *length);

/* HOST:PORT, [V6]:PORT, unix:PATH, fd:N[,N...] */
bool ccol__value_address(const char *text);
/* The descriptors of "fd:3,4" into fds, at most `most`; their number, or 0 for anything else. */
size_t ccol__value_fds(const char *text, int *fds, size_t most);

#endif
