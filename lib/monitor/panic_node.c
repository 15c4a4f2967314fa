/* SPDX-License-Identifier: MIT */
/* Node.js: "FILE:LINE", the line of source, a caret, and the error with its stack, causes and members; what was thrown
 * may be no error at all. And "FATAL ERROR: ..." of V8 with a native stack. Until the caret the block may be anything.
 */
#include <ctype.h>
#include <string.h>

#include "monitor/panic_block.h"

#define FATAL "FATAL ERROR: "
#define CAUSE "[cause]: "

enum state { SOURCE, CARET, THROWN, STACK, MEMBERS, NATIVE };

static bool is_place(struct span line)
{
    struct block_frame frame = {0};
    struct panic_block probe = {.text = {.ceiling = 0}}; /* keeps nothing */
    if (ccol__span_find(line, " ") != SIZE_MAX && !ccol__span_starts(line, "/")) return false;
    if (!ccol__span_starts(line, "/") && !ccol__span_starts(line, "file://") && !ccol__span_starts(line, "node:") &&
        !ccol__span_starts(line, "[eval]") && !ccol__span_starts(line, "evalmachine."))
        return false;
    return ccol__block_place(&probe, &frame, line);
}

static size_t find(struct span line)
{
    if (line.length && isdigit((unsigned char)line.text[line.length - 1]))
        for (size_t at = 0; at != SIZE_MAX; at = ccol__span_next_start(line, at))
            if (is_place(ccol__span_from(line, at))) return at;
    return ccol__span_find_head(line, FATAL);
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    block->aborts = true;
    if (ccol__span_starts(line, FATAL)) {
        ccol__block_exception(block, ccol__span_of("FATAL ERROR"), ccol__span_from(line, strlen(FATAL)));
        block->state = NATIVE;
        return PANIC_PART;
    }
    ccol__block_exception(block, ccol__span_of(""), ccol__span_of(""));
    block->flag = ccol__span_starts(line, "node:");
    if (!block->flag) ccol__block_place(block, ccol__block_frame(block, ccol__span_of(""), false), line);
    block->state = SOURCE;
    return PANIC_PART;
}

static bool is_caret(struct span line)
{
    struct span caret = ccol__span_trim(line);
    size_t at = 0;
    while (at < caret.length && caret.text[at] == '^')
        at++;
    return at > 0 && at == caret.length;
}

/* "TypeError: MESSAGE", "TypeError [CODE]: MESSAGE", or any text that was thrown. */
static void take_error(struct panic_block *block, struct span line, bool is_new)
{
    size_t at = 0;
    while (at < line.length && (isalnum((unsigned char)line.text[at]) || strchr("_$.", line.text[at])))
        at++;
    struct span type = ccol__span_to(line, at);
    struct span rest = ccol__span_from(line, at);
    if (ccol__span_starts(rest, " [") && ccol__span_find(rest, "]: ") != SIZE_MAX)
        rest = ccol__span_from(rest, ccol__span_find(rest, "]: ") + 1);
    bool named = at > 0 && isupper((unsigned char)type.text[0]) && (ccol__span_starts(rest, ": ") || !rest.length);
    if (!named) type = ccol__span_of("thrown");
    if (is_new) ccol__block_exception(block, ccol__span_of(""), ccol__span_of(""));
    ccol__block_last(block)->type = ccol__block_text(block, type);
    ccol__block_value_line(block, named ? ccol__span_from(rest, 2) : line);
}

/* "at FUNCTION (PLACE)", "at PLACE", "at async ...", "at new TYPE (...)", "at X [as y] (...)" */
static void take_frame(struct panic_block *block, struct span line)
{
    struct block_exception *exception = ccol__block_last(block);
    if (block->state != STACK && block->state != MEMBERS) { /* the frame of the head tells less */
        exception->count = 0;
        block->frame_count = exception->first;
    }
    line = ccol__span_from(line, 3);
    if (ccol__span_ends(line, " {")) line = ccol__span_to(line, line.length - 2);
    size_t open = ccol__span_find_last(line, " (");
    struct span function = ccol__span_of(""), place = line;
    if (open != SIZE_MAX && ccol__span_ends(line, ")")) {
        function = ccol__span_to(line, open);
        place = ccol__span_from(ccol__span_to(line, line.length - 1), open + 2);
    }
    if (ccol__span_starts(function, "async ")) function = ccol__span_from(function, 6);
    if (ccol__span_starts(place, "async ")) place = ccol__span_from(place, 6);
    struct block_frame *frame = ccol__block_frame(block, function, false);
    if (!ccol__block_place(block, frame, place)) frame->file = ccol__block_text(block, place);
}

/* "  code: 'EX'" and the brace that ends the members. */
static enum panic_verdict take_member(struct panic_block *block, struct span line)
{
    if (++block->lines > BLOCK_VALUE_LINES) return PANIC_OVER;
    return ccol__span_starts(line, " ") || ccol__span_starts(line, "}") ? PANIC_PART : PANIC_FOREIGN;
}

static enum panic_verdict take_stack(struct panic_block *block, struct span line)
{
    struct span inner = ccol__span_trim(line);
    if (ccol__span_starts(line, "Node.js v")) return PANIC_LAST;
    if (ccol__span_starts(line, "(Use `node --")) return PANIC_PART;
    if (inner.length < line.length && ccol__span_starts(inner, "at ")) {
        take_frame(block, inner);
        block->state = ccol__span_ends(inner, " {") ? MEMBERS : block->state == MEMBERS ? MEMBERS : STACK;
        return PANIC_PART;
    }
    if (ccol__span_starts(inner, CAUSE)) {
        take_error(block, ccol__span_from(inner, strlen(CAUSE)), true);
        block->state = MEMBERS;
        return PANIC_PART;
    }
    if (block->state == MEMBERS || ccol__span_starts(inner, "... ")) return take_member(block, line);
    if (block->state == STACK || ccol__span_is_blank(line) || ++block->lines > BLOCK_VALUE_LINES) return PANIC_FOREIGN;
    ccol__block_value_line(block, line);
    return PANIC_PART;
}

/* " 1: 0xb78db3 FUNCTION [node]" */
static enum panic_verdict take_native(struct panic_block *block, struct span line)
{
    struct span inner = ccol__span_trim(line);
    uint64_t number;
    if (ccol__span_starts(inner, "----- ")) {
        block->confirmed = true;
        return PANIC_PART;
    }
    if (!ccol__span_number(&inner, &number) || !ccol__span_starts(inner, ": 0x"))
        return block->confirmed || ++block->lines < 4 ? PANIC_FOREIGN : PANIC_NONE;
    block->confirmed = true;
    inner = ccol__span_from(inner, 2);
    size_t blank = ccol__span_find(inner, " "), bracket = ccol__span_find_last(inner, " [");
    if (bracket != SIZE_MAX) inner = ccol__span_to(inner, bracket);
    ccol__block_frame(block, ccol__span_trim(ccol__span_from(inner, blank)), false);
    return PANIC_PART;
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    switch (block->state) {
    case NATIVE:
        return take_native(block, line);
    case SOURCE:
        block->state = CARET;
        return PANIC_PART;
    case CARET:
        if (!is_caret(line)) return PANIC_NONE;
        block->state = THROWN;
        block->confirmed = true;
        return PANIC_PART;
    case THROWN:
        if (!ccol__block_last(block)->type) {
            if (ccol__span_is_blank(line)) return PANIC_PART;
            if (ccol__span_starts(line, "Node.js v")) return PANIC_LAST;
            take_error(block, line, false);
            return PANIC_PART;
        }
        return take_stack(block, line);
    default:
        return take_stack(block, line);
    }
}

const struct panic_grammar ccol__panic_node = {find, begin, take, ccol__block_reverse_exceptions};
