/* SPDX-License-Identifier: MIT */
/* CPython's tracebacks: outer frames first, then "TYPE: MESSAGE"; chains, oldest first; exception groups, whose lines
 * have a margin of '|' and '+'; syntax errors, which may come without a traceback; and what faulthandler prints. */
#include <ctype.h>
#include <string.h>

#include "monitor/log_line.h"
#include "monitor/panic_block.h"

#define TRACEBACK "Traceback (most recent call last):"
#define GROUP     "+ Exception Group Traceback (most recent call last):"
#define THREAD    "Exception in thread "
#define FATAL     "Fatal Python error: "
#define FILE_LINE "  File \""

enum state { THREAD_HEAD, FRAMES, VALUE, CHAIN, FAULT, FAULT_FRAMES };

static size_t find(struct span line)
{
    size_t at = ccol__span_find_head(line, GROUP);
    if (at != SIZE_MAX) return at >= 2 && ccol__span_starts(ccol__span_from(line, at - 2), "  ") ? at - 2 : at;
    at = ccol__span_find_head(line, TRACEBACK);
    if (at != SIZE_MAX) return at;
    at = ccol__span_find_head(line, THREAD);
    if (at != SIZE_MAX)
        return ccol__span_ends(line, ":") && !ccol__span_starts(ccol__span_from(line, at), THREAD "\"") ? at : SIZE_MAX;
    for (at = 0; at != SIZE_MAX; at = ccol__span_next_start(line, at))
        if (ccol__span_starts(ccol__span_from(line, at), FILE_LINE)) return at;
    return ccol__span_find_head(line, FATAL);
}

/* "  File "NAME", line N, in FUNCTION"; of a syntax error without the function; of faulthandler without that comma. */
static bool take_frame(struct panic_block *block, struct span line, bool inner_last)
{
    if (!ccol__span_starts(line, FILE_LINE)) return false;
    struct span file = ccol__span_from(line, strlen(FILE_LINE));
    size_t quote = ccol__span_find_last(file, "\", line ");
    if (quote == SIZE_MAX) return false;
    struct span rest = ccol__span_from(file, quote + strlen("\", line "));
    uint64_t number;
    if (!ccol__span_number(&rest, &number)) return false;
    if (ccol__span_starts(rest, ",")) rest = ccol__span_from(rest, 1);
    struct span function = ccol__span_starts(rest, " in ") ? ccol__span_from(rest, 4) : ccol__span_of("");
    struct block_frame *frame = ccol__block_frame(block, function, inner_last);
    frame->file = ccol__block_text(block, ccol__span_to(file, quote));
    frame->line = (unsigned)number;
    return true;
}

static void open_exception(struct panic_block *block)
{
    ccol__block_exception(block, ccol__span_of(""), ccol__span_of(""));
    block->state = FRAMES;
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    block->confirmed = true;
    if (ccol__span_starts(line, THREAD)) {
        line = ccol__span_from(line, strlen(THREAD));
        block->thread = ccol__block_text(block, ccol__span_to(line, line.length - 1));
        block->confirmed = false;
        open_exception(block);
        block->state = THREAD_HEAD;
    } else if (ccol__span_starts(line, FATAL)) {
        ccol__block_exception(block, ccol__span_of("Fatal Python error"), ccol__span_from(line, strlen(FATAL)));
        block->aborts = true;
        block->state = FAULT;
    } else {
        open_exception(block);
        block->flag = ccol__span_find(line, GROUP) != SIZE_MAX; /* a group: lines have a margin */
        if (!ccol__span_starts(line, FILE_LINE)) return PANIC_PART;
        block->confirmed = false;
        take_frame(block, line, true);
    }
    return PANIC_PART;
}

/* Of a group's line what stands right of the margin. */
static struct span right_of_margin(struct span line)
{
    size_t at = 0;
    while (at < line.length && line.text[at] == ' ')
        at++;
    if (at == line.length || (line.text[at] != '|' && line.text[at] != '+')) return line;
    return ccol__span_from(line, ccol__span_starts(ccol__span_from(line, at + 1), " ") ? at + 2 : at + 1);
}

/* "+-+---------------- 1 ----------------" before a member (or "..." for the rest), the last one without a number. */
static bool is_separator(struct span line, bool *opens)
{
    size_t at = 0;
    while (at < line.length && strchr(" +-|", line.text[at]))
        at++;
    if (at < 12 || !memchr(line.text, '+', at)) return false;
    *opens = at < line.length;
    while (at < line.length && strchr("0123456789. -", line.text[at]))
        at++;
    return at == line.length;
}

/* Length of "NAME.NAME" at the line's start if ": " or the line's end follows, else 0. */
static size_t type_length(struct span line)
{
    size_t at = 0;
    while (at < line.length && (isalnum((unsigned char)line.text[at]) || strchr("_.<>", line.text[at]) ||
                                (unsigned char)line.text[at] >= 0x80))
        at++;
    if (!at || isdigit((unsigned char)line.text[0]) || line.text[0] == '.') return 0;
    if (at < line.length && line.text[at] != ':') return 0;
    if (at < line.length && at + 1 < line.length && line.text[at + 1] != ' ') return 0;
    return ccol__level_of_word(line.text, at) == LEVEL_NONE ? at : 0; /* "ERROR: ..." is a log line */
}

static bool take_type(struct panic_block *block, struct span line)
{
    size_t length = type_length(line);
    if (!length) return false;
    struct block_exception *exception = ccol__block_last(block);
    struct span type = ccol__span_to(line, length);
    size_t dot = ccol__span_find_last(type, ".");
    if (dot != SIZE_MAX) exception->module = ccol__block_text(block, ccol__span_to(type, dot));
    exception->type = ccol__block_text(block, dot == SIZE_MAX ? type : ccol__span_from(type, dot + 1));
    if (line.length > length + 2) ccol__block_value_line(block, ccol__span_from(line, length + 2));
    block->state = VALUE;
    block->lines = 0;
    block->interrupted = false;
    return true;
}

static bool is_chain(struct span line)
{
    return ccol__span_starts(line, "The above exception was the direct cause of the following exception:") ||
           ccol__span_starts(line, "During handling of the above exception, another exception occurred:");
}

static enum panic_verdict take_frames(struct panic_block *block, struct span line)
{
    bool may_be_type = block->confirmed || ccol__span_starts(line, "SyntaxError: ") ||
                       ccol__span_starts(line, "IndentationError: ") || ccol__span_starts(line, "TabError: ");
    if (block->confirmed && take_frame(block, line, true)) return PANIC_PART;
    if (line.length && (line.text[0] == ' ' || line.text[0] == '\t')) {
        if (!block->confirmed && ++block->lines > 3) return PANIC_NONE; /* source and marker of a syntax error */
        return PANIC_PART;
    }
    if (may_be_type && take_type(block, line)) {
        block->confirmed = true;
        return PANIC_PART;
    }
    return block->confirmed ? PANIC_FOREIGN : PANIC_NONE;
}

static enum panic_verdict take_value(struct panic_block *block, struct span line)
{
    if (ccol__span_is_blank(line)) {
        block->lines = BLOCK_VALUE_LINES; /* what follows is no more of the message */
        return PANIC_FOREIGN;
    }
    if (is_chain(line)) {
        block->state = CHAIN;
        return PANIC_PART;
    }
    if (ccol__span_starts(line, TRACEBACK)) {
        if (!block->flag) return PANIC_OVER;
        open_exception(block);
        return PANIC_PART;
    }
    if (block->lines >= BLOCK_VALUE_LINES || block->interrupted) return PANIC_FOREIGN; /* whose is it? */
    if (find(line) == 0) return PANIC_OVER;
    if (ccol__log_line_is_record(line.text, line.length)) {
        block->lines = BLOCK_VALUE_LINES;
        return PANIC_FOREIGN;
    }
    block->lines++;
    ccol__block_value_line(block, line);
    return PANIC_PART;
}

/* "Current thread 0x00007f2c975f4b80 (most recent call first):", then its frames; other threads' are passed over. */
static enum panic_verdict take_fault(struct panic_block *block, struct span line)
{
    static const char current[] = "Current thread 0x";
    if (ccol__span_starts(line, current)) {
        for (size_t at = strlen(current); at < line.length && isxdigit((unsigned char)line.text[at]); at++) {
            int digit = line.text[at];
            block->thread_id =
                block->thread_id << 4 | (unsigned)(isdigit(digit) ? digit - '0' : (digit | 32) - 'a' + 10);
        }
        block->state = FAULT_FRAMES;
        return PANIC_PART;
    }
    if (ccol__span_starts(line, "Extension modules: ")) return PANIC_LAST;
    if (ccol__span_starts(line, "Thread 0x")) {
        block->state = FAULT;
        return PANIC_PART;
    }
    if (block->state == FAULT_FRAMES && take_frame(block, line, false)) return PANIC_PART;
    return ccol__span_starts(line, "  ") || ccol__span_starts(line, "Python runtime state: ") ? PANIC_PART
                                                                                              : PANIC_FOREIGN;
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    if (block->state >= FAULT) return take_fault(block, line);
    bool opens = false;
    if (block->flag && is_separator(line, &opens)) {
        if (opens) open_exception(block);
        return PANIC_PART;
    }
    if (block->flag) line = right_of_margin(line);
    switch (block->state) {
    case THREAD_HEAD:
        if (!ccol__span_starts(line, TRACEBACK)) return PANIC_NONE;
        block->confirmed = true;
        block->state = FRAMES;
        return PANIC_PART;
    case CHAIN:
        if (ccol__span_is_blank(line)) return PANIC_PART;
        if (!ccol__span_starts(line, TRACEBACK) && !ccol__span_starts(ccol__span_trim(line), GROUP))
            return PANIC_FOREIGN;
        block->flag = block->flag || !ccol__span_starts(line, TRACEBACK);
        open_exception(block);
        return PANIC_PART;
    case VALUE:
        return take_value(block, line);
    default:
        if (block->flag && ccol__span_starts(line, TRACEBACK)) return PANIC_PART;
        return take_frames(block, line);
    }
}

static void finish(struct panic_block *block)
{
    if (block->state >= FAULT) return;
    ccol__block_reverse_frames(block);
    size_t kept = 0;
    for (size_t i = 0; i < block->exception_count; i++) { /* a group opens one that stays empty at its end */
        struct block_exception *exception = &block->exceptions[i];
        if (exception->type || exception->count) {
            block->exceptions[kept++] = *exception;
        } else {
            ccol__buffer_fini(&exception->value);
        }
    }
    block->exception_count = kept;
    if (!block->flag || kept < 2) return;
    struct block_exception group = block->exceptions[0]; /* its members are its causes */
    memmove(block->exceptions, block->exceptions + 1, (kept - 1) * sizeof group);
    block->exceptions[kept - 1] = group;
}

const struct panic_grammar ccol__panic_python = {find, begin, take, finish};
