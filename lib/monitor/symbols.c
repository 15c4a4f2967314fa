/* SPDX-License-Identifier: MIT */
#include "monitor/symbols.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/symbol_names.h"

#define BUCKETS      1024
#define DEPTH_MOST   48
#define INLINES_MOST 32
#define CHECK_EVERY  4096 /* entries between two looks at the clock */

/* Threads mostly wait at the same few places. */
struct known {
    uint64_t address;
    bool is_caller;
    struct frame *frames;
    size_t count;
    struct known *next;
};

struct symbols {
    struct unwinding *unwinding;
    Dwfl *dwfl;
    struct known *buckets[BUCKETS];
};

/* Functions around an address, outermost first. */
struct scopes {
    struct unwinding *unwinding;
    Dwarf_Addr address;
    Dwarf_Die found[INLINES_MOST];
    size_t count, looked_at;
};

struct symbols *ccol__symbols_new(struct unwinding *unwinding, Dwfl *dwfl)
{
    struct symbols *symbols = ccol__arena_alloc(&unwinding->out->arena, sizeof *symbols);
    if (!symbols) return NULL;
    memset(symbols, 0, sizeof *symbols);
    symbols->unwinding = unwinding;
    symbols->dwfl = dwfl;
    return symbols;
}

static const char *keep(struct symbols *symbols, const char *text)
{
    const char *copy = text ? ccol__arena_copy(&symbols->unwinding->out->arena, text, strlen(text)) : NULL;
    return copy ? copy : "";
}

static bool is_late(struct scopes *scopes)
{
    return ++scopes->looked_at % CHECK_EVERY == 0 && ccol__unwinding_is_late(scopes->unwinding);
}

/* Collects the functions that hold the address, the concrete one first and then what is inlined into it. Namespaces and
 * types have no addresses of their own but hold functions that do. true: found, or it took too long. */
static bool find_scopes(struct scopes *scopes, Dwarf_Die *parent, unsigned depth)
{
    Dwarf_Die die;
    if (depth == DEPTH_MOST || dwarf_child(parent, &die) != 0) return false;
    do {
        if (is_late(scopes)) return true;
        switch (dwarf_tag(&die)) {
        case DW_TAG_subprogram:
        case DW_TAG_inlined_subroutine:
            if (dwarf_haspc(&die, scopes->address) != 1) break;
            if (scopes->count < INLINES_MOST) scopes->found[scopes->count++] = die;
            find_scopes(scopes, &die, depth + 1);
            return true;
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            if (dwarf_haspc(&die, scopes->address) == 1 && find_scopes(scopes, &die, depth + 1)) return true;
            break;
        case DW_TAG_namespace:
        case DW_TAG_module:
        case DW_TAG_class_type:
        case DW_TAG_structure_type:
        case DW_TAG_enumeration_type:
            if (find_scopes(scopes, &die, depth + 1)) return true;
            break;
        default:
            break;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
    return false;
}

/* The unit that holds the address; without an index over the units one after the other is asked. */
static Dwarf_Die *find_unit(Dwfl_Module *module, Dwarf_Addr address, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, bias);
    if (unit) return unit;
    while ((unit = dwfl_module_nextcu(module, unit, bias))) {
        if (dwarf_haspc(unit, address - *bias) == 1) return unit;
    }
    return NULL;
}

static unsigned number_of(Dwarf_Die *die, unsigned attribute_name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (!dwarf_attr(die, attribute_name, &attribute) || dwarf_formudata(&attribute, &value) != 0) return 0;
    return value > UINT32_MAX ? 0 : (unsigned)value;
}

/* Where the inlined function was called. */
static void set_call_site(struct symbols *symbols, struct frame *frame, Dwarf_Die *inlined, Dwarf_Die *unit)
{
    Dwarf_Files *files;
    size_t count;
    frame->line = number_of(inlined, DW_AT_call_line);
    frame->column = number_of(inlined, DW_AT_call_column);
    frame->file = "";
    unsigned index = number_of(inlined, DW_AT_call_file);
    if (dwarf_getsrcfiles(unit, &files, &count) == 0 && index < count)
        frame->file = keep(symbols, dwarf_filesrc(files, index, NULL, NULL));
}

/* The address is that of the file. The unit's own table of lines is asked, since what clang builds has no index over
 * the units for a module's to be found by. */
static void set_line(struct symbols *symbols, struct frame *frame, Dwarf_Die *unit, Dwarf_Addr address)
{
    int line = 0, column = 0;
    Dwarf_Line *found = unit ? dwarf_getsrc_die(unit, address) : NULL;
    const char *file = found ? dwarf_linesrc(found, NULL, NULL) : NULL;
    if (!file) return;
    dwarf_lineno(found, &line);
    dwarf_linecol(found, &column);
    frame->file = keep(symbols, file);
    frame->line = line > 0 ? (unsigned)line : 0;
    frame->column = column > 0 ? (unsigned)column : 0;
}

static const char *symbol_of(struct symbols *symbols, Dwfl_Module *module, Dwarf_Addr address)
{
    GElf_Sym symbol;
    GElf_Off offset;
    const char *name = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    if (!name) return "";
    name = keep(symbols, name);
    return ccol__symbol_name(&symbols->unwinding->out->arena, name);
}

/* Fills frames[0..count), innermost first. */
static void fill(struct symbols *symbols, struct known *known, struct scopes *scopes, Dwfl_Module *module,
                 Dwarf_Die *unit, Dwarf_Addr bias)
{
    struct arena *arena = &symbols->unwinding->out->arena;
    struct frame shared = known->frames[0];
    set_line(symbols, &shared, unit, known->address - known->is_caller - bias);
    for (size_t i = 0; i < known->count; i++) {
        struct frame *frame = &known->frames[i];
        *frame = shared;
        if (scopes->count == 0) break;
        Dwarf_Die *die = &scopes->found[scopes->count - 1 - i];
        frame->inlined = i + 1 < known->count;
        frame->function = ccol__symbol_name_of(arena, die);
        if (frame->inlined) set_call_site(symbols, &shared, die, unit);
    }
    struct frame *outermost = &known->frames[known->count - 1];
    if (!*outermost->function) outermost->function = symbol_of(symbols, module, known->address - known->is_caller);
}

static void look_up(struct symbols *symbols, struct known *known)
{
    Dwarf_Addr address = known->address - known->is_caller, bias = 0;
    struct scopes scopes = {.unwinding = symbols->unwinding};
    Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, address);
    if (!module || ccol__unwinding_is_late(symbols->unwinding)) return;
    Dwarf_Die *unit = find_unit(module, address, &bias);
    scopes.address = address - bias;
    if (unit) find_scopes(&scopes, unit, 0);
    if (scopes.count > 1) {
        struct frame *frames = ccol__arena_alloc(&symbols->unwinding->out->arena, scopes.count * sizeof *frames);
        if (!frames) return;
        frames[0] = known->frames[0];
        known->frames = frames;
        known->count = scopes.count;
    }
    fill(symbols, known, &scopes, module, unit, bias);
}

const struct frame *ccol__symbols_find(struct symbols *symbols, const struct frame *frame, bool is_caller,
                                       size_t *count)
{
    struct arena *arena = &symbols->unwinding->out->arena;
    struct known **bucket = &symbols->buckets[(frame->address ^ frame->address >> 10) % BUCKETS];
    for (struct known *known = *bucket; known; known = known->next) {
        if (known->address != frame->address || known->is_caller != is_caller) continue;
        *count = known->count;
        return known->frames;
    }
    struct known *known = ccol__arena_alloc(arena, sizeof *known);
    struct frame *copy = ccol__arena_alloc(arena, sizeof *copy);
    *count = 1;
    if (!known || !copy || frame->address == 0) return frame;
    *copy = *frame;
    *known = (struct known){frame->address, is_caller, copy, 1, *bucket};
    *bucket = known;
    look_up(symbols, known);
    *count = known->count;
    return known->frames;
}
