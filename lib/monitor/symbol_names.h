/* SPDX-License-Identifier: MIT */
/* Names of functions for people. */
#ifndef CCOL_MONITOR_SYMBOL_NAMES_H
#define CCOL_MONITOR_SYMBOL_NAMES_H

#include "base/arena.h"

/* The readable form of a linker's name where it is simple ("_ZN3foo3barEv" is "foo::bar", also as older Rust has it);
 * else the name itself. In the arena, or the name itself; never NULL. */
const char *ccol__symbol_name(struct arena *arena, const char *name);

#ifdef CCOL_HAVE_LIBDW
#include <elfutils/libdw.h>
/* "namespace::type::function" of a function's entry, whether it is where the function is declared, defined or inlined.
 * "" if it has no name. */
const char *ccol__symbol_name_of(struct arena *arena, Dwarf_Die *function);
#endif

#endif
