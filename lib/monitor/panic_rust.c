/* SPDX-License-Identifier: MIT */
/* Rust's default panic hook.
 *   since 1.73      thread 'NAME' panicked at FILE:L:C:     with " (TID)" after the name in newer ones;
 *                   MESSAGE LINES
 *   before          thread 'NAME' panicked at 'MESSAGE', FILE:L:C        where MESSAGE may hold newlines and quotes
 * then perhaps "stack backtrace:" with frames, and perhaps a note. */
#include <ctype.h>
#include <string.h>

#include "monitor/log_line.h"
#include "monitor/panic_block.h"

#define PANICKED   " panicked at "
#define OVERFLOWED " has overflowed its stack"
#define RUNTIME    "fatal runtime error: "

enum state { MESSAGE, OLD_MESSAGE, AFTER_MESSAGE, FRAMES, OVERFLOW };

static size_t find(struct span line)
{
    size_t at = ccol__span_find_head(line, "thread '");
    if (at != SIZE_MAX) {
        struct span rest = ccol__span_from(line, at);
        if (ccol__span_find(rest, PANICKED) != SIZE_MAX || ccol__span_ends(rest, OVERFLOWED)) return at;
    }
    return ccol__span_find_head(line, RUNTIME);
}

bool ccol__panic_rust_aborts(struct span line)
{
    return ccol__span_starts(line, "thread caused non-unwinding panic. aborting") ||
           ccol__span_starts(line, "thread panicked while processing panic. aborting") ||
           ccol__span_starts(line, "thread panicked while panicking. aborting") || ccol__span_starts(line, RUNTIME);
}

/* "'NAME'" or "'NAME' (TID)" */
static void take_thread(struct panic_block *block, struct span thread)
{
    size_t quote = ccol__span_find_last(thread, "'");
    size_t paren = ccol__span_find_last(thread, " (");
    if (quote == SIZE_MAX) return;
    if (paren != SIZE_MAX && paren == quote + 1) {
        struct span number = ccol__span_from(thread, paren + 2);
        ccol__span_number(&number, &block->thread_id);
    }
    block->thread = ccol__block_text(block, ccol__span_to(thread, quote));
}

/* The place where it panicked, for when no frames follow. */
static void take_place(struct panic_block *block, struct span place)
{
    struct block_frame *frame = ccol__block_frame(block, ccol__span_of(""), false);
    if (!ccol__block_place(block, frame, place)) {
        ccol__block_last(block)->count = 0;
        block->frame_count = 0;
    }
}

/* A line that ends an old message: "REST', FILE:L:C". */
static bool take_old_end(struct panic_block *block, struct span line)
{
    size_t end = ccol__span_find_last(line, "', ");
    size_t skip = 3;
    if (end == SIZE_MAX) { /* as the crate log-panics writes it */
        end = ccol__span_find_last(line, "': ");
        if (end == SIZE_MAX) return false;
    }
    struct block_frame probe = {0};
    if (!ccol__block_place(block, &probe, ccol__span_from(line, end + skip))) return false;
    ccol__block_value_line(block, ccol__span_to(line, end));
    take_place(block, ccol__span_from(line, end + skip));
    block->state = AFTER_MESSAGE;
    return true;
}

static enum panic_verdict begin_panic(struct panic_block *block, struct span line)
{
    size_t at = ccol__span_find(line, PANICKED);
    take_thread(block, ccol__span_to(line, at));
    struct span rest = ccol__span_from(line, at + strlen(PANICKED));
    ccol__block_exception(block, ccol__span_of("panic"), ccol__span_of(""));
    if (rest.length && rest.text[0] == '\'') {
        block->state = OLD_MESSAGE;
        rest = ccol__span_from(rest, 1);
        if (!take_old_end(block, rest)) ccol__block_value_line(block, rest);
        return PANIC_PART;
    }
    if (!ccol__span_ends(rest, ":")) return PANIC_NONE;
    take_place(block, ccol__span_to(rest, rest.length - 1));
    if (!block->frame_count) return PANIC_NONE;
    block->state = MESSAGE;
    return PANIC_PART;
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    block->confirmed = true;
    if (ccol__span_starts(line, RUNTIME)) {
        block->aborts = true;
        ccol__block_exception(block, ccol__span_of("fatal runtime error"), ccol__span_from(line, strlen(RUNTIME)));
        return PANIC_LAST;
    }
    struct span rest = ccol__span_from(line, strlen("thread '"));
    if (!ccol__span_ends(line, OVERFLOWED)) return begin_panic(block, rest);
    take_thread(block, ccol__span_to(rest, rest.length - strlen(OVERFLOWED)));
    ccol__block_exception(block, ccol__span_of("stack overflow"), line);
    block->aborts = true;
    block->state = OVERFLOW;
    return PANIC_PART;
}

static bool is_note(struct span line)
{
    return ccol__span_starts(line, "note: run with `RUST_BACKTRACE=") ||
           ccol__span_starts(line, "note: Some details are omitted, run with");
}

static enum panic_verdict take_message(struct panic_block *block, struct span line)
{
    if (ccol__span_starts(line, "stack backtrace:")) {
        block->state = FRAMES;
        ccol__block_last(block)->count = 0; /* they tell more than the place alone */
        block->frame_count = 0;
        return PANIC_PART;
    }
    if (is_note(line)) return PANIC_LAST;
    if (ccol__panic_rust_aborts(line)) {
        block->aborts = true;
        return PANIC_LAST;
    }
    if (block->state == AFTER_MESSAGE) return PANIC_FOREIGN;
    if (block->lines++ && ccol__log_line_is_record(line.text, line.length)) return PANIC_FOREIGN;
    if (block->lines > BLOCK_VALUE_LINES) return PANIC_OVER;
    if (find(line) == 0) return PANIC_OVER;
    ccol__block_value_line(block, line);
    return PANIC_PART;
}

static size_t hex_digits(struct span text)
{
    size_t digits = 0;
    while (digits < text.length && digits < 17 && isxdigit((unsigned char)text.text[digits]))
        digits++;
    return digits;
}

/* Bytes at the start of text that change from build to build: "[...]" with up to 16 hex digits, a last "::h" with 16.
 */
static size_t mark_length(struct span text)
{
    size_t open = text.text[0] == '[' ? 1 : ccol__span_starts(text, "::h") ? 3 : 0;
    if (!open) return 0;
    size_t digits = hex_digits(ccol__span_from(text, open)), end = open + digits;
    if (open == 3) return digits == 16 && end == text.length ? end : 0;
    return digits > 0 && digits <= 16 && end < text.length && text.text[end] == ']' ? end + 1 : 0;
}

/* Copies the symbol without those; its length in out. */
static size_t clean_symbol(char *out, struct span symbol)
{
    size_t used = 0;
    for (size_t at = 0; at < symbol.length;) {
        size_t mark = mark_length(ccol__span_from(symbol, at));
        if (mark) {
            at += mark;
        } else {
            out[used++] = symbol.text[at++];
        }
    }
    return used;
}

/* "   N: SYMBOL" or "   N:     0xADDRESS - SYMBOL" */
static bool take_frame(struct panic_block *block, struct span line)
{
    char symbol[4096];
    uint64_t number;
    if (!ccol__span_number(&line, &number) || !ccol__span_starts(line, ": ")) return false;
    line = ccol__span_trim(ccol__span_from(line, 2));
    size_t dash = ccol__span_find(ccol__span_to(line, 32), " - ");
    if (ccol__span_starts(line, "0x") && dash != SIZE_MAX) line = ccol__span_from(line, dash + 3);
    line = ccol__span_to(line, sizeof symbol);
    ccol__block_frame(block, ccol__span(symbol, clean_symbol(symbol, line)), false);
    return true;
}

static enum panic_verdict take_backtrace(struct panic_block *block, struct span line)
{
    struct span inner = ccol__span_trim(line);
    struct block_exception *exception = ccol__block_last(block);
    if (is_note(line)) return PANIC_LAST;
    if (ccol__panic_rust_aborts(line)) {
        block->aborts = true;
        return PANIC_LAST;
    }
    if (inner.length == line.length) return PANIC_FOREIGN; /* all of it is indented */
    if (take_frame(block, inner)) return PANIC_PART;
    if (ccol__span_starts(inner, "at ") && exception->count) {
        if (!exception->left_out)
            ccol__block_place(block, &block->frames[exception->first + exception->count - 1],
                              ccol__span_from(inner, 3));
        return PANIC_PART;
    }
    return ccol__span_starts(inner, "[... omitted ") ? PANIC_PART : PANIC_FOREIGN;
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    switch (block->state) {
    case OLD_MESSAGE:
        if (++block->lines > BLOCK_VALUE_LINES) return PANIC_OVER;
        if (!take_old_end(block, line)) ccol__block_value_line(block, line);
        return PANIC_PART;
    case FRAMES:
        return take_backtrace(block, line);
    case OVERFLOW:
        return ccol__span_starts(line, RUNTIME) ? PANIC_LAST : PANIC_FOREIGN;
    default:
        return take_message(block, line);
    }
}

static bool is_machinery(const char *name)
{
    static const char *const prefixes[] = {
        "rust_begin_unwind",           "__rustc::rust_begin_unwind",
        "core::panicking::",           "std::panicking::",
        "core::option::expect_failed", "core::option::unwrap_failed",
        "core::result::unwrap_failed", "std::backtrace",
        "std::sys::backtrace::",       "std::sys_common::backtrace::__rust_end_short_backtrace",
        "core::cell::panic_already_"};
    if (strncmp(name, "std::sys::backtrace::__rust_begin", 33) == 0) return false;
    if (strncmp(name, "std::panicking::try", 19) == 0 || strncmp(name, "std::panicking::catch", 21) == 0) return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    return false;
}

static void finish(struct panic_block *block)
{
    struct block_exception *exception = ccol__block_last(block);
    struct buffer *value = &exception->value;
    while (value->length && value->data[value->length - 1] == '\n')
        value->data[--value->length] = '\0'; /* the blank line that stands before the next block */
    ccol__block_trim(block, exception, is_machinery);
}

const struct panic_grammar ccol__panic_rust = {find, begin, take, finish};
