/* SPDX-License-Identifier: MIT */
/* What std::terminate prints with libstdc++ and libc++, pure virtual calls, and glog's and absl's fatal checks. */
#include <ctype.h>
#include <string.h>

#include "monitor/log_line.h"
#include "monitor/panic_block.h"

#define TERMINATE "terminate called"
#define THROWING  "terminate called after throwing an instance of '"
#define LIBCXX    "libc++abi: "
#define PURE      "pure virtual method called"
#define CHECK     "*** Check failure stack trace: ***"

enum state { WHAT, MESSAGE, PURE_CALL, CHECK_HEAD, CHECK_FRAMES };

/* "F20261121 23:15:27.101502 29587 g.cc:2] dead" */
static bool is_fatal_check(struct span line)
{
    size_t at = 1;
    while (at < line.length && isdigit((unsigned char)line.text[at]))
        at++;
    return line.length && line.text[0] == 'F' && (at == 5 || at == 9) && at < line.length && line.text[at] == ' ' &&
           ccol__span_find(ccol__span_to(line, 200), "] ") != SIZE_MAX;
}

static size_t find(struct span line)
{
    size_t at = ccol__span_find_head(line, TERMINATE);
    if (at == SIZE_MAX) at = ccol__span_find_head(line, LIBCXX);
    if (at == SIZE_MAX) at = ccol__span_find_head(line, PURE);
    return at == SIZE_MAX && is_fatal_check(line) ? 0 : at;
}

/* libc++ puts all into one line: "libc++abi: terminating due to uncaught exception of type TYPE: WHAT". */
static enum panic_verdict begin_libcxx(struct panic_block *block, struct span line)
{
    static const char of_type[] = "exception of type ";
    line = ccol__span_from(line, strlen(LIBCXX));
    size_t at = ccol__span_find(line, of_type);
    if (at == SIZE_MAX) {
        ccol__block_exception(block, ccol__span_of("terminate"), line);
    } else {
        struct span type = ccol__span_from(line, at + strlen(of_type));
        size_t colon = ccol__span_find(type, ": ");
        struct span what = ccol__span_from(type, colon == SIZE_MAX ? type.length : colon + 2);
        if (colon != SIZE_MAX) type = ccol__span_to(type, colon);
        ccol__block_exception(block, type, what);
    }
    block->state = MESSAGE;
    return PANIC_PART;
}

static enum panic_verdict begin(struct panic_block *block, struct span line)
{
    block->aborts = block->confirmed = true;
    if (ccol__span_starts(line, LIBCXX)) return begin_libcxx(block, line);
    if (ccol__span_starts(line, PURE)) {
        ccol__block_exception(block, ccol__span_of(PURE), line);
        block->state = PURE_CALL;
        return PANIC_PART;
    }
    if (line.text[0] == 'F') {
        size_t end = ccol__span_find(line, "] ");
        struct span head = ccol__span_to(line, end);
        size_t blank = ccol__span_find_last(head, " ");
        ccol__block_exception(block, ccol__span_of("check failure"), ccol__span_from(line, end + 2));
        ccol__block_place(block, ccol__block_frame(block, ccol__span_of(""), false), ccol__span_from(head, blank + 1));
        block->confirmed = false;
        block->state = CHECK_HEAD;
        return PANIC_PART;
    }
    if (!ccol__span_starts(line, THROWING)) {
        ccol__block_exception(block, ccol__span_of("terminate"), line);
        return PANIC_LAST;
    }
    struct span type = ccol__span_from(line, strlen(THROWING));
    size_t quote = ccol__span_find_last(type, "'");
    ccol__block_exception(block, ccol__span_to(type, quote), ccol__span_of(""));
    block->state = WHAT;
    return PANIC_PART;
}

/* "    @     0x7f29d77f11ed  FUNCTION" */
static enum panic_verdict take_check(struct panic_block *block, struct span line)
{
    if (ccol__span_starts(line, CHECK)) {
        block->confirmed = true;
        block->state = CHECK_FRAMES;
        ccol__block_last(block)->count = 0;
        block->frame_count = 0;
        return PANIC_PART;
    }
    if (block->state == CHECK_HEAD) {
        if (ccol__log_line_is_record(line.text, line.length) || ++block->lines > BLOCK_VALUE_LINES) return PANIC_NONE;
        ccol__block_value_line(block, line);
        return PANIC_PART;
    }
    line = ccol__span_trim(line);
    if (!ccol__span_starts(line, "@ ")) return PANIC_FOREIGN;
    line = ccol__span_trim(ccol__span_from(line, 2));
    size_t blank = ccol__span_find(line, " ");
    struct span function = ccol__span_trim(ccol__span_from(line, blank));
    if (ccol__span_equals(function, "(unknown)")) function.length = 0;
    ccol__block_frame(block, function, false);
    return PANIC_PART;
}

static enum panic_verdict take(struct panic_block *block, struct span line)
{
    static const char what[] = "  what():  ";
    switch (block->state) {
    case CHECK_HEAD:
    case CHECK_FRAMES:
        return take_check(block, line);
    case PURE_CALL:
        return ccol__span_starts(line, TERMINATE) ? PANIC_LAST : PANIC_FOREIGN;
    case WHAT:
        if (!ccol__span_starts(line, what)) return PANIC_FOREIGN;
        ccol__block_value_line(block, ccol__span_from(line, strlen(what)));
        block->state = MESSAGE;
        return PANIC_PART;
    default: /* the message may have more lines; whoever writes now is about to die as well */
        if (++block->lines > BLOCK_VALUE_LINES) return PANIC_OVER;
        if (ccol__log_line_is_record(line.text, line.length)) return PANIC_FOREIGN;
        ccol__block_value_line(block, line);
        return PANIC_PART;
    }
}

static bool is_machinery(const char *name)
{
    return strncmp(name, "google::LogMessage", 18) == 0 || strncmp(name, "absl::", 6) == 0;
}

static void finish(struct panic_block *block)
{
    ccol__block_trim(block, ccol__block_last(block), is_machinery);
}

const struct panic_grammar ccol__panic_cpp = {find, begin, take, finish};
