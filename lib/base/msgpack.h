/* SPDX-License-Identifier: MIT */
/* MessagePack, read as the JSON that it says. Bytes in, a tree out, no I/O. */
#ifndef CCOL_BASE_MSGPACK_H
#define CCOL_BASE_MSGPACK_H

#include "base/json.h"

struct msgpack_limits {
    unsigned depth; /* nesting levels; they are the caller's stack */
    size_t values;  /* in all */
};

/* Reads one value at the start of data, and tells how many bytes it took. Everything lives in the arena. Text that is
 * not UTF-8 is repaired; binary data, extensions and numbers that are not finite become null. Keys are text or numbers.
 * CCOL_EFORMAT: not MessagePack, cut off, or beyond a limit; -ENOMEM. */
int ccol__msgpack_parse(struct arena *arena, const void *data, size_t length, const struct msgpack_limits *limits,
                        struct json **out, size_t *taken);

#endif
