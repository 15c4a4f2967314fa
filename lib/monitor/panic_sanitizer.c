/* SPDX-License-Identifier: MIT */
/* AddressSanitizer and its kin: "==PID==ERROR: AddressSanitizer: WHAT", a stack, more of them, "SUMMARY: ...". */
#include <ctype.h>
#include <string.h>

#include "monitor/panic_block.h"

enum state { HEAD, FRAMES, REST };

static size_t find(struct span line)
{
    size_t at = ccol__span_find(ccol__span_to(line, 200), "Sanitizer: ");
    size_t start = ccol__span_find(ccol__span_to(line, 200), "ERROR: ");
    if (start == SIZE_MAX) start = ccol__span_find(ccol__span_to(line, 200), "WARNING: ");
    if (at == SIZE_MAX || start == SIZE_MAX || at < start || at - start > 30) return SIZE_MAX;
    if (start == 0) return 0;
    if (!ccol__span_ends(ccol__span_to(line, start), "==")) return SIZE_MAX;
    size_t head = start - 2; /* "==PID==" */
    while (head > 0 && isdigit((unsigned char)line.text[head - 1]))
        head--;
    return head >= 2 && ccol__span_ends(ccol__span_to(line, head), "==") ? head - 2 : SIZE_MAX;
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    size_t colon = ccol__span_find(line, "Sanitizer: ") + strlen("Sanitizer");
    size_t start = ccol__span_find_last(ccol__span_to(line, colon), " ") + 1;
    ccol__block_exception(block, ccol__span_from(ccol__span_to(line, colon), start), ccol__span_from(line, colon + 2));
    block->aborts = ccol__span_find(line, "ERROR: ") != SIZE_MAX;
    block->state = HEAD;
    return PANIC_PART;
}

/* "#0 0x564797e98954 in FUNCTION FILE:LINE:COLUMN" or "... in FUNCTION (MODULE+0x2310) (BuildId: ...)" */
static void take_frame(struct panic_block *block, struct span line)
{
    size_t in = ccol__span_find(ccol__span_to(line, 48), " in ");
    struct span name = ccol__span_from(line, in == SIZE_MAX ? line.length : in + 4);
    size_t module = ccol__span_find(name, " (/");
    if (module != SIZE_MAX) name = ccol__span_to(name, module);
    size_t blank = ccol__span_find_last(name, " ");
    struct block_frame probe = {0};
    struct span place = ccol__span_from(name, blank == SIZE_MAX ? name.length : blank + 1);
    bool has_place = ccol__block_place(block, &probe, place);
    struct block_frame *frame = ccol__block_frame(block, has_place ? ccol__span_to(name, blank) : name, false);
    frame->file = probe.file;
    frame->line = probe.line;
    frame->column = probe.column;
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    struct span inner = ccol__span_trim(line);
    if (ccol__span_starts(line, "SUMMARY: ")) {
        block->confirmed = true;
        block->state = REST;
        return PANIC_PART;
    }
    if (ccol__span_starts(line, "==") && ccol__span_ends(line, "==ABORTING")) return PANIC_LAST;
    if (block->state == REST) { /* the shadow bytes */
        bool part = inner.length < line.length || ccol__span_starts(line, "Shadow ") || ccol__span_starts(line, "=>");
        return part ? PANIC_PART : PANIC_FOREIGN;
    }
    if (inner.length < line.length && ccol__span_starts(inner, "#") && block->state != REST) {
        block->confirmed = true;
        if (block->flag) return PANIC_PART; /* of another stack */
        take_frame(block, inner);
        block->state = FRAMES;
        return PANIC_PART;
    }
    if (block->state == FRAMES) block->flag = true;
    return ++block->lines > BLOCK_VALUE_LINES ? PANIC_OVER : PANIC_PART;
}

static bool is_machinery(const char *name)
{
    return strncmp(name, "__interceptor_", 14) == 0 || strncmp(name, "__asan", 6) == 0 ||
           strncmp(name, "__sanitizer", 11) == 0;
}

static void finish(struct panic_block *block)
{
    ccol__block_trim(block, ccol__block_last(block), is_machinery);
}

const struct panic_grammar ccol__panic_sanitizer = {find, begin, take, finish};
