/* SPDX-License-Identifier: MIT */
/* Words that name secrets, and words that are secrets. */
#ifndef CCOL_MONITOR_REDACT_WORDS_H
#define CCOL_MONITOR_REDACT_WORDS_H

#include "monitor/panic_block.h"

/* Is it one of these, in any case? */
bool ccol__word_is(struct span word, const char *lower);

/* "password", "DB_PASSWORD", "apiKey", "--access-token": a secret's name. Looks at the parts between '_', '-', '.' and
 * changes of case, of the last 64 bytes. *header: of a header whose value has blanks in it (Authorization, Cookie). */
bool ccol__word_names_secret(struct span word, bool *header);

/* 16 hex digits or more, or 24 letters and digits mixed: a key that stands where a user's name may. */
bool ccol__word_is_key(struct span word);

/* Length of a token that is known by its form (a JSON web token, AKIA..., ghp_..., ...) at the start of text, 0: none.
 * word_length is what the word before the first other character has. */
size_t ccol__word_token(struct span text, size_t word_length);

#endif
