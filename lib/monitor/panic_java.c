/* SPDX-License-Identifier: MIT */
/* The JVM's uncaught exceptions: Exception in thread "NAME" TYPE: MESSAGE, frames, "Caused by:" with older ones. */
#include <string.h>

#include "monitor/log_line.h"
#include "monitor/panic_block.h"

#define THREAD "Exception in thread \""
#define CAUSED "Caused by: "

static size_t find(struct span line)
{
    return ccol__span_find_head(line, THREAD);
}

/* "PACKAGE.TYPE: MESSAGE" */
static void take_type(struct panic_block *block, struct span line)
{
    size_t colon = ccol__span_find(line, ": ");
    struct span type = ccol__span_to(line, colon);
    size_t dot = ccol__span_find_last(type, ".");
    struct span value = ccol__span_from(line, colon == SIZE_MAX ? line.length : colon + 2);
    struct block_exception *exception =
        ccol__block_exception(block, dot == SIZE_MAX ? type : ccol__span_from(type, dot + 1), value);
    if (dot != SIZE_MAX) exception->module = ccol__block_text(block, ccol__span_to(type, dot));
    block->lines = 0;
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    line = ccol__span_from(line, strlen(THREAD));
    size_t quote = ccol__span_find(line, "\" ");
    if (quote == SIZE_MAX) return PANIC_NONE;
    block->thread = ccol__block_text(block, ccol__span_to(line, quote));
    take_type(block, ccol__span_from(line, quote + 2));
    return PANIC_PART;
}

/* "at MODULE/PACKAGE.CLASS.METHOD(FILE:LINE)" */
static void take_frame(struct panic_block *block, struct span line)
{
    line = ccol__span_from(line, 3);
    size_t slash = ccol__span_find(line, "/"), open = ccol__span_find(line, "(");
    if (slash != SIZE_MAX && (open == SIZE_MAX || slash < open)) line = ccol__span_from(line, slash + 1);
    open = ccol__span_find(line, "(");
    struct span name = ccol__span_to(line, open), place = ccol__span_from(line, open == SIZE_MAX ? open : open + 1);
    if (ccol__span_ends(place, ")")) place = ccol__span_to(place, place.length - 1);
    size_t dot = ccol__span_find_last(name, ".");
    struct block_frame *frame =
        ccol__block_frame(block, dot == SIZE_MAX ? name : ccol__span_from(name, dot + 1), false);
    if (dot != SIZE_MAX) frame->module = ccol__block_text(block, ccol__span_to(name, dot));
    if (!ccol__block_place(block, frame, place)) frame->file = ccol__block_text(block, place);
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    struct span inner = ccol__span_trim(line);
    bool indented = inner.length < line.length;
    if (indented && ccol__span_starts(inner, "at ")) {
        block->confirmed = true;
        if (!block->flag) take_frame(block, inner);
        return PANIC_PART;
    }
    if (indented && ccol__span_starts(inner, "... ")) return PANIC_PART;
    if (indented && ccol__span_starts(inner, "Suppressed: ")) {
        block->flag = true; /* its frames are not ours */
        return PANIC_PART;
    }
    if (ccol__span_starts(line, CAUSED)) {
        block->flag = false;
        take_type(block, ccol__span_from(line, strlen(CAUSED)));
        return PANIC_PART;
    }
    if (ccol__block_last(block)->count || ccol__log_line_is_record(line.text, line.length)) return PANIC_FOREIGN;
    if (++block->lines > BLOCK_VALUE_LINES) return block->confirmed ? PANIC_OVER : PANIC_NONE;
    ccol__block_value_line(block, line); /* a message of several lines */
    return PANIC_PART;
}

const struct panic_grammar ccol__panic_java = {find, begin, take, ccol__block_reverse_exceptions};
