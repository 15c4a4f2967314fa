/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST 256

void ccol__buffer_init(struct buffer *buffer, size_t ceiling, struct budget *budget)
{
    *buffer = (struct buffer){.ceiling = ceiling, .budget = budget};
}

static bool grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    if (!ccol__budget_take(buffer->budget, capacity - buffer->capacity)) return false;
    char *data = realloc(buffer->data, capacity);
    if (!data) {
        ccol__budget_give(buffer->budget, capacity - buffer->capacity);
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

char *ccol__buffer_reserve(struct buffer *buffer, size_t length)
{
    if (buffer->failed) return NULL;
    if (length > buffer->ceiling || buffer->length > buffer->ceiling - length) {
        buffer->failed = true;
        return NULL;
    }
    size_t needed = buffer->length + length + 1; /* the NUL */
    if (needed > buffer->capacity && !grow(buffer, needed)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->data + buffer->length;
}

bool ccol__buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    char *room = ccol__buffer_reserve(buffer, length);
    if (!room) return false;
    if (length) memcpy(room, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return true;
}

bool ccol__buffer_text(struct buffer *buffer, const char *text)
{
    return ccol__buffer_append(buffer, text, strlen(text));
}

bool ccol__buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = length < 0 ? NULL : ccol__buffer_reserve(buffer, (size_t)length);
    if (room) {
        vsnprintf(room, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    } else {
        buffer->failed = true;
    }
    va_end(again);
    return room != NULL;
}

void ccol__buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
    if (buffer->data) buffer->data[0] = '\0';
}

void ccol__buffer_fini(struct buffer *buffer)
{
    ccol__budget_give(buffer->budget, buffer->capacity);
    free(buffer->data);
    ccol__buffer_init(buffer, buffer->ceiling, buffer->budget);
}

void ccol__buffer_wipe(struct buffer *buffer)
{
    if (buffer->data) explicit_bzero(buffer->data, buffer->capacity);
    ccol__buffer_fini(buffer);
}
