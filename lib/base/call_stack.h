/* SPDX-License-Identifier: MIT */
/* Where the calling thread is: return addresses, and the files that they lie in. Allocates nothing. */
#ifndef CCOL_BASE_CALL_STACK_H
#define CCOL_BASE_CALL_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALL_STACK_FRAMES  64
#define CALL_STACK_MODULES 16

struct call_module {
    uintptr_t start, end; /* of all that is mapped of it */
    char path[256];       /* cut if it is longer */
    uint8_t build_id[32];
    size_t build_id_bytes; /* 0: it has none */
};

struct call_stack {
    uintptr_t frames[CALL_STACK_FRAMES]; /* innermost first */
    size_t frame_count;
    struct call_module modules[CALL_STACK_MODULES]; /* those that the frames lie in */
    size_t module_count;
};

/* Begins with the frame that `from` is a return address into, as __builtin_return_address(0) tells it; NULL: with the
 * caller's. Empty if there is no such frame. */
void ccol__call_stack_take(struct call_stack *out, const void *from);
/* The module of an address, or NULL. */
const struct call_module *ccol__call_stack_module(const struct call_stack *stack, uintptr_t address);

#endif
