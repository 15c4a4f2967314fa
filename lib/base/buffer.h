/* SPDX-License-Identifier: MIT */
/* A growing run of bytes with a ceiling. Failure sticks: check `failed` once, at the end. Not thread-safe. */
#ifndef CCOL_BASE_BUFFER_H
#define CCOL_BASE_BUFFER_H

#include <crashcollect/api.h>

#include "base/budget.h"

struct buffer {
    char *data; /* NUL-terminated once anything was appended */
    size_t length, capacity, ceiling;
    struct budget *budget; /* charged with the capacity; may be NULL */
    bool failed;           /* memory, budget or ceiling was out; what came after is missing */
};

void ccol__buffer_init(struct buffer *buffer, size_t ceiling, struct budget *budget);
bool ccol__buffer_append(struct buffer *buffer, const void *data, size_t length);
bool ccol__buffer_text(struct buffer *buffer, const char *text);
bool ccol__buffer_format(struct buffer *buffer, const char *format, ...) CCOL_PRINTF(2, 3);
/* Room for length more bytes, or NULL; the caller then adds what it used to buffer->length. */
char *ccol__buffer_reserve(struct buffer *buffer, size_t length);
void ccol__buffer_clear(struct buffer *buffer); /* keeps the memory */
void ccol__buffer_fini(struct buffer *buffer);
void ccol__buffer_wipe(struct buffer *buffer); /* the same, after overwriting what it held, for secrets */

#endif
