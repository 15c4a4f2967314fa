/* SPDX-License-Identifier: MIT */
/* Function, file and line of an address, with the functions that were inlined there, from DWARF and symbol tables. Not
 * thread-safe. */
#ifndef CCOL_MONITOR_SYMBOLS_H
#define CCOL_MONITOR_SYMBOLS_H

#include <elfutils/libdwfl.h>

#include "monitor/unwind_private.h"

struct symbols;
/* NULL: memory. The result and its texts live in the arena of the unwinding's stack traces. */
struct symbols *ccol__symbols_new(struct unwinding *unwinding, Dwfl *dwfl);
/* The frames of one address, innermost first, at least one; *count tells how many. `frame` has what is known already,
 * and is the result where nothing more is. `is_caller`: the address is where the call returns to. */
const struct frame *ccol__symbols_find(struct symbols *symbols, const struct frame *frame, bool is_caller,
                                       size_t *count);

#endif
