/* SPDX-License-Identifier: MIT */
/* DWARF has no way up: where an entry stands is found from its unit down, along the offsets. */
#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "monitor/symbol_names.h"

#define NAME_MOST  1024
#define DEPTH_MOST 64
#define HOPS_MOST  8 /* from where it is inlined to where it is defined to where it is declared */

/* The entry that has the function's name. */
static Dwarf_Die *origin(Dwarf_Die *function, Dwarf_Die *out)
{
    *out = *function;
    for (unsigned hop = 0; hop < HOPS_MOST; hop++) {
        Dwarf_Attribute attribute;
        Dwarf_Die next;
        if (!dwarf_attr(out, DW_AT_abstract_origin, &attribute) && !dwarf_attr(out, DW_AT_specification, &attribute))
            break;
        if (!dwarf_formref_die(&attribute, &next)) break;
        *out = next;
    }
    return out;
}

static bool names_a_scope(Dwarf_Die *die)
{
    switch (dwarf_tag(die)) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        return true;
    default:
        return false;
    }
}

/* Among the children of `parent` the one that is, or holds, the offset. */
static bool child_with(Dwarf_Die *parent, Dwarf_Off offset, Dwarf_Die *out)
{
    Dwarf_Die next;
    if (dwarf_child(parent, out) != 0 || dwarf_dieoffset(out) > offset) return false;
    while (dwarf_siblingof(out, &next) == 0 && dwarf_dieoffset(&next) <= offset)
        *out = next;
    return true;
}

const char *ccol__symbol_name_of(struct arena *arena, Dwarf_Die *function)
{
    char text[NAME_MOST];
    size_t length = 0;
    Dwarf_Die named, unit, at;
    const char *name = dwarf_diename(origin(function, &named));
    if (!name || !dwarf_diecu(&named, &unit, NULL, NULL)) return "";
    Dwarf_Off offset = dwarf_dieoffset(&named);
    Dwarf_Die parent = unit;
    for (unsigned depth = 0; depth < DEPTH_MOST && child_with(&parent, offset, &at); depth++) {
        if (dwarf_dieoffset(&at) == offset) break;
        const char *scope = names_a_scope(&at) ? dwarf_diename(&at) : NULL;
        if (scope) length += (size_t)snprintf(text + length, sizeof text - length, "%s::", scope);
        if (length >= sizeof text) length = sizeof text - 1;
        parent = at;
    }
    length += (size_t)snprintf(text + length, sizeof text - length, "%s", name);
    const char *copy = ccol__arena_copy(arena, text, length < sizeof text ? length : sizeof text - 1);
    return copy ? copy : "";
}
