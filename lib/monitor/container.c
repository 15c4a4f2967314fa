/* SPDX-License-Identifier: MIT */
#include "monitor/container.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS 64

/* "controllers" or "" between the two colons of "4:memory:/path". */
static bool is_of(const char *line, size_t length, const char *controller)
{
    const char *colon = memchr(line, ':', length);
    const char *path = colon ? memchr(colon + 1, ':', length - (size_t)(colon + 1 - line)) : NULL;
    if (!path) return false;
    size_t names = (size_t)(path - colon - 1), wanted = strlen(controller);
    return names == wanted && memcmp(colon + 1, controller, wanted) == 0;
}

static bool take_path(char *out, const char *text, size_t length, const char *controller)
{
    for (size_t at = 0; at < length;) {
        const char *line = text + at, *end = memchr(line, '\n', length - at);
        size_t bytes = end ? (size_t)(end - line) : length - at;
        if (is_of(line, bytes, controller)) {
            const char *path = memchr(line, '/', bytes);
            size_t path_bytes = path ? bytes - (size_t)(path - line) : 0;
            if (path_bytes > 1) {
                snprintf(out, CONTAINER_TEXT_SIZE, "%.*s", (int)path_bytes, path);
                return true;
            }
        }
        at += bytes + 1;
    }
    return false;
}

const char *ccol__cgroup_path(char out[CONTAINER_TEXT_SIZE], const char *text, size_t length)
{
    out[0] = '\0';
    if (length && !take_path(out, text, length, "")) take_path(out, text, length, "memory");
    return out;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

const char *ccol__container_id(char out[CONTAINER_TEXT_SIZE], const char *text, size_t length)
{
    size_t digits = 0;
    out[0] = '\0';
    for (size_t i = 0; i <= length; i++) {
        if (i < length && is_hex(text[i])) {
            digits++;
            continue;
        }
        if (digits == ID_DIGITS) {
            memcpy(out, text + i - ID_DIGITS, ID_DIGITS);
            out[ID_DIGITS] = '\0';
            return out;
        }
        digits = 0;
    }
    return out;
}
