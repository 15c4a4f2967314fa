/* SPDX-License-Identifier: MIT */
/* The one line that the C library prints before it aborts: a damaged heap or stack, a failed assertion. */
#include <string.h>

#include "monitor/panic_block.h"

#define ASSERTION ": Assertion `"
#define GLIBC     "Fatal glibc error: "

static bool is_heap(struct span line)
{
    static const char *const heads[] = {"malloc(): ",
                                        "free(): ",
                                        "realloc(): ",
                                        "calloc(): ",
                                        "munmap_chunk(): ",
                                        "mremap_chunk(): ",
                                        "malloc_consolidate(): ",
                                        "corrupted size vs. prev_size",
                                        "corrupted double-linked list",
                                        "double free or corruption",
                                        "tcache_thread_shutdown(): ",
                                        "break adjusted to free malloc space"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (ccol__span_starts(line, heads[i])) return true;
    return ccol__span_starts(line, "*** Error in `"); /* before 2.26, with the program's name */
}

/* "*** stack smashing detected ***: terminated" and kin */
static bool is_fortify(struct span line)
{
    return ccol__span_starts(line, "*** ") && ccol__span_find(line, " ***: ") != SIZE_MAX &&
           (ccol__span_find(line, " detected ***") != SIZE_MAX || ccol__span_ends(line, "terminated"));
}

static bool is_assertion(struct span line)
{
    return ccol__span_ends(line, "' failed.") && ccol__span_find(line, ASSERTION) != SIZE_MAX;
}

/* Behind the last ": " before `end`, 0 if there is none. */
static size_t piece_start(struct span line, size_t end)
{
    size_t colon = ccol__span_find_last(ccol__span_to(line, end), ": ");
    return colon == SIZE_MAX ? 0 : colon + 2;
}

/* "PROGRAM: FILE:LINE: FUNCTION: Assertion `EXPRESSION' failed.": where the program's name begins. */
static size_t assertion_start(struct span line)
{
    size_t function = piece_start(line, ccol__span_find(line, ASSERTION));
    size_t place = function >= 2 ? piece_start(line, function - 2) : 0;
    return place >= 2 ? piece_start(line, place - 2) : 0;
}

static size_t find(struct span line)
{
    if (is_assertion(line)) return assertion_start(line);
    for (size_t at = 0; at != SIZE_MAX; at = ccol__span_next_start(line, at)) {
        struct span rest = ccol__span_from(line, at);
        if (is_heap(rest) || is_fortify(rest)) return at;
    }
    return ccol__span_find_head(line, GLIBC);
}

static void take_assertion(struct panic_block *block, struct span line)
{
    size_t end = ccol__span_find(line, ASSERTION), function = piece_start(line, end);
    size_t place = function >= 2 ? piece_start(line, function - 2) : 0;
    ccol__block_exception(block, ccol__span_of("assertion failed"), line);
    if (!place) return;
    struct block_frame *frame = ccol__block_frame(block, ccol__span_from(ccol__span_to(line, end), function), false);
    if (!ccol__block_place(block, frame, ccol__span_from(ccol__span_to(line, function - 2), place)))
        ccol__block_last(block)->count = 0;
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    block->aborts = block->confirmed = true;
    if (is_fortify(line)) {
        size_t end = ccol__span_find(line, " ***");
        ccol__block_exception(block, ccol__span_from(ccol__span_to(line, end), 4), line);
    } else if (is_assertion(line)) {
        take_assertion(block, line);
    } else {
        ccol__block_exception(block, ccol__span_of(is_heap(line) ? "heap corruption" : "fatal glibc error"), line);
    }
    return PANIC_LAST;
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    (void)block;
    (void)line;
    return PANIC_OVER;
}

const struct panic_grammar ccol__panic_glibc = {find, begin, take, NULL};
