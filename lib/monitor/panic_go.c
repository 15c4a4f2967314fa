/* SPDX-License-Identifier: MIT */
/* Go's runtime: "panic: MESSAGE" or "fatal error: MESSAGE" or the name of a signal that C code raised, perhaps
 * "[signal ...]", and blocks of goroutines, of which the first is the one that failed. Only those make sure that it is
 * a panic, so until one comes the block may still be anything. */
#include <stdio.h>
#include <string.h>

#include "monitor/log_line.h"
#include "monitor/panic_block.h"

#define PANIC     "panic: "
#define FATAL     "fatal error: "
#define GOROUTINE "goroutine "

enum state { MESSAGE, RUNTIME_STACK, FRAMES, OTHERS };

static bool is_signal(struct span line)
{
    return (ccol__span_starts(line, "SIG") && ccol__span_find(ccol__span_to(line, 12), ": ") != SIZE_MAX) ||
           ccol__span_starts(line, "unexpected fault address ");
}

static size_t find(struct span line)
{
    size_t at = ccol__span_find_head(line, PANIC);
    if (at == SIZE_MAX) at = ccol__span_find_head(line, FATAL);
    return at == SIZE_MAX && is_signal(line) ? 0 : at;
}

/* Without what the runtime appends to a panic that was recovered and raised again. */
static struct span without_mark(struct span message)
{
    size_t mark = ccol__span_find_last(message, " [recovered");
    return mark != SIZE_MAX && ccol__span_ends(message, "]") ? ccol__span_to(message, mark) : message;
}

static void take_message(struct panic_block *block, struct span line)
{
    if (ccol__span_starts(line, PANIC)) {
        ccol__block_exception(block, ccol__span_of("panic"), without_mark(ccol__span_from(line, strlen(PANIC))));
    } else if (ccol__span_starts(line, FATAL)) {
        ccol__block_exception(block, ccol__span_of("fatal error"), ccol__span_from(line, strlen(FATAL)));
    } else {
        size_t colon = ccol__span_find(line, ": ");
        if (colon == SIZE_MAX) colon = line.length;
        ccol__block_exception(block, ccol__span_to(line, colon), ccol__span_from(line, colon + 2));
    }
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    block->state = MESSAGE;
    block->aborts = true;
    take_message(block, line);
    return PANIC_PART;
}

/* "goroutine N [running]:", in newer ones with more between number and bracket. */
static bool is_goroutine(struct span line, uint64_t *number)
{
    if (!ccol__span_starts(line, GOROUTINE) || !ccol__span_ends(line, "]:")) return false;
    line = ccol__span_from(line, strlen(GOROUTINE));
    return ccol__span_number(&line, number) && ccol__span_starts(line, " ");
}

static enum panic_verdict take_head(struct panic_block *block, struct span line)
{
    char name[32];
    uint64_t number;
    if (is_goroutine(line, &number)) {
        snprintf(name, sizeof name, "goroutine %llu", (unsigned long long)number);
        block->thread = ccol__block_text(block, ccol__span_of(name));
        block->thread_id = number;
        block->confirmed = true;
        block->state = FRAMES;
        return PANIC_PART;
    }
    if (ccol__span_starts(line, "runtime stack:")) block->state = RUNTIME_STACK;
    if (block->state == RUNTIME_STACK) return PANIC_PART;
    if (++block->lines > BLOCK_VALUE_LINES) return PANIC_NONE;
    if (ccol__span_is_blank(line) || ccol__span_starts(line, "[signal ") || ccol__span_starts(line, "PC=0x"))
        return PANIC_PART;
    if (ccol__span_starts(line, "\tpanic: ") || ccol__span_starts(line, FATAL)) {
        take_message(block, line.text[0] == '\t' ? ccol__span_from(line, 1) : line);
        return PANIC_PART;
    }
    if (ccol__log_line_is_record(line.text, line.length)) return PANIC_FOREIGN;
    if (line.text[0] == '\t') line = ccol__span_from(line, 1); /* newer ones indent the lines of a message */
    ccol__block_value_line(block, line);
    return PANIC_PART;
}

/* "PACKAGE.FUNCTION(ARGUMENTS)": the package's path may hold dots and parentheses may hold anything. */
static void take_function(struct panic_block *block, struct span name)
{
    size_t depth = 0;
    for (size_t at = name.length; at-- > 0 && ccol__span_ends(name, ")");) {
        if (name.text[at] == ')') depth++;
        if (name.text[at] == '(' && --depth == 0) {
            name = ccol__span_to(name, at);
            break;
        }
    }
    size_t slash = ccol__span_find_last(name, "/");
    size_t start = slash == SIZE_MAX ? 0 : slash + 1;
    size_t dot = ccol__span_find(ccol__span_from(name, start), ".");
    size_t skip = dot == SIZE_MAX ? 0 : start + dot + 1;
    struct block_frame *frame = ccol__block_frame(block, ccol__span_from(name, skip), false);
    if (skip) frame->module = ccol__block_text(block, ccol__span_to(name, skip - 1));
}

/* "\tFILE:LINE +0x1d" */
static void take_file(struct panic_block *block, struct span line)
{
    struct block_exception *exception = ccol__block_last(block);
    if (!exception->count || exception->left_out) return;
    line = ccol__span_from(line, 1);
    size_t blank = ccol__span_find(line, " ");
    if (blank != SIZE_MAX) line = ccol__span_to(line, blank);
    ccol__block_place(block, &block->frames[exception->first + exception->count - 1], line);
}

static enum panic_verdict take_frames(struct panic_block *block, struct span line)
{
    uint64_t number;
    if (ccol__span_is_blank(line) || is_goroutine(line, &number)) {
        block->state = OTHERS;
        return PANIC_PART;
    }
    if (line.text[0] == '\t') {
        if (!block->flag) take_file(block, line);
        return PANIC_PART;
    }
    block->flag = ccol__span_starts(line, "created by ");
    if (block->flag || ccol__span_starts(line, "...")) return PANIC_PART;
    if (!ccol__span_ends(line, ")")) return PANIC_FOREIGN;
    take_function(block, line);
    return PANIC_PART;
}

/* The other goroutines, and the registers after a signal. */
static enum panic_verdict take_others(struct span line)
{
    uint64_t number;
    bool part = is_goroutine(line, &number) || line.text[0] == '\t' || ccol__span_starts(line, "created by ") ||
                ccol__span_ends(line, ")") || ccol__span_starts(line, "...") || ccol__span_starts(line, "exit status ");
    if (part && !ccol__log_line_is_record(line.text, line.length)) return PANIC_PART;
    size_t value = ccol__span_find(ccol__span_to(line, 12), "0x");
    return value != SIZE_MAX && value >= 3 && value <= 7 ? PANIC_PART : PANIC_FOREIGN; /* "rip    0x489861" */
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    if (block->state == FRAMES) return take_frames(block, line);
    if (block->state != OTHERS) return take_head(block, line);
    return ccol__span_is_blank(line) ? PANIC_FOREIGN : take_others(line);
}

static bool is_machinery(const char *name)
{
    static const char *const names[] = {"panic", "throw", "fatal", "fatalthrow", "gopanic", "sigpanic", "dopanic"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return strncmp(name, "panic", 5) == 0 || strncmp(name, "goPanic", 7) == 0;
}

/* The frames hang on the last panic; those of the deferred functions that panicked again stay. */
static void finish(struct panic_block *block)
{
    struct block_exception *exception = ccol__block_last(block);
    size_t inner = 0;
    while (inner < exception->count) {
        const struct block_frame *frame = &block->frames[exception->first + inner];
        const char *module = block->text.data + frame->module;
        if ((module[0] && strcmp(module, "runtime") != 0) || !is_machinery(block->text.data + frame->function)) break;
        inner++;
    }
    if (inner == exception->count) return;
    exception->first += inner;
    exception->count -= inner;
}

const struct panic_grammar ccol__panic_go = {find, begin, take, finish};
