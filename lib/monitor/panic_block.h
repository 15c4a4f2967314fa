/* SPDX-License-Identifier: MIT */
/* What the grammars of the runtimes (panic_NAME.c) share: the block that is being collected, and looking at lines. */
#ifndef CCOL_MONITOR_PANIC_BLOCK_H
#define CCOL_MONITOR_PANIC_BLOCK_H

#include "monitor/panic.h"

#define BLOCK_TEXT_MAX      ((size_t)256 << 10) /* of all texts together */
#define BLOCK_FRAMES_MAX    1024                /* of all exceptions together */
#define BLOCK_VALUE_LINES   64                  /* of one exception's value */
#define BLOCK_FOREIGN_LINES 32                  /* in a row, after which a block is over */

/* A piece of a line. Not terminated. */
struct span {
    const char *text;
    size_t length;
};

/* Offsets in the block's text; 0 is "". */
struct block_frame {
    uint32_t function, module, file;
    unsigned line, column;
};

struct block_exception {
    uint32_t type, module;
    struct buffer value;
    unsigned value_lines;
    size_t first, count; /* in the block's frames */
    size_t left_out;     /* beyond PANIC_FRAMES_MAX, of the outer ones */
};

struct panic_block {
    enum panic_runtime runtime;
    struct buffer text;
    struct block_exception exceptions[PANIC_EXCEPTIONS_MAX];
    size_t exception_count;
    struct block_frame *frames;
    size_t frame_count;
    uint32_t thread;
    uint64_t thread_id;
    bool aborts, truncated;
    bool confirmed; /* false: what was seen may still be anything */
    /* for the grammar */
    int state;
    unsigned lines; /* in this state */
    bool flag;
    bool interrupted; /* a log record of another thread came in between */
};

enum panic_verdict {
    PANIC_PART,    /* of the block */
    PANIC_LAST,    /* of the block, which ends here */
    PANIC_FOREIGN, /* some other line that came in between */
    PANIC_OVER,    /* the block ended before this line */
    PANIC_NONE     /* it was no block at all */
};

/* One runtime's texts. */
struct panic_grammar {
    /* Where in the line a block may begin, behind what a logger put before it; SIZE_MAX: nowhere. */
    size_t (*find)(struct span line);
    /* Takes the line that find liked. PART or LAST; NONE: a second look says no. */
    enum panic_verdict (*begin)(struct panic_block *block, struct span line);
    enum panic_verdict (*take)(struct panic_block *block, struct span line);
    /* Puts exceptions and frames into their order; may be NULL. */
    void (*finish)(struct panic_block *block);
};

extern const struct panic_grammar ccol__panic_rust, ccol__panic_go, ccol__panic_python, ccol__panic_cpp,
    ccol__panic_glibc, ccol__panic_node, ccol__panic_java, ccol__panic_sanitizer;

/* "thread caused non-unwinding panic. aborting." and kin, which follow Rust's blocks. */
bool ccol__panic_rust_aborts(struct span line);

/* Building. Texts are copied; what does not fit is left out and makes the block truncated. */
void ccol__block_init(struct panic_block *block, enum panic_runtime runtime, struct block_frame *frames);
void ccol__block_fini(struct panic_block *block);
uint32_t ccol__block_text(struct panic_block *block, struct span text);
/* Opens one more exception and returns it. When there are too many, the last one is used again. */
struct block_exception *ccol__block_exception(struct panic_block *block, struct span type, struct span value);
/* The one opened last. */
struct block_exception *ccol__block_last(struct panic_block *block);
/* Adds a line to the last exception's value. */
void ccol__block_value_line(struct panic_block *block, struct span line);
/* Adds a frame to the last exception; where the text lists outer frames first, the grammar's finish turns them round.
 */
struct block_frame *ccol__block_frame(struct panic_block *block, struct span function, bool inner_last);
/* "FILE:LINE:COLUMN" or "FILE:LINE" into the frame. false: it is no place. */
bool ccol__block_place(struct panic_block *block, struct block_frame *frame, struct span place);
/* Innermost first, for what was added with inner_last. */
void ccol__block_reverse_frames(struct panic_block *block);
void ccol__block_reverse_exceptions(struct panic_block *block);
/* Leaves out the last exception's innermost frames up to and including the outermost of the first 40 that `is_inner`
 * likes; all of them: none is left out. */
void ccol__block_trim(struct panic_block *block, struct block_exception *exception, bool (*is_inner)(const char *name));

/* Spans. */
struct span ccol__span(const char *text, size_t length);
struct span ccol__span_of(const char *text);
bool ccol__span_starts(struct span span, const char *prefix);
bool ccol__span_ends(struct span span, const char *suffix);
bool ccol__span_equals(struct span span, const char *text);
/* Where needle begins; SIZE_MAX: nowhere. */
size_t ccol__span_find(struct span span, const char *needle);
size_t ccol__span_find_last(struct span span, const char *needle);
struct span ccol__span_from(struct span span, size_t start); /* without its first bytes */
struct span ccol__span_to(struct span span, size_t length);  /* its first bytes */
struct span ccol__span_trim(struct span span);               /* without blanks at both ends */
bool ccol__span_is_blank(struct span span);
/* The decimal number that the span begins with, moving the span behind it; false: it begins with none. */
bool ccol__span_number(struct span *span, uint64_t *out);
/* Whether what stands before `at` can be what a logger put there: nothing, or something that ends in a blank or one of
 * ":|]>)", at most 160 bytes. */
bool ccol__span_is_prefix(struct span line, size_t at);
/* The next place behind `at` where a text may begin behind what a logger put before it (": ", "| ", "] ", "> ");
 * SIZE_MAX: none within the first 160 bytes. */
size_t ccol__span_next_start(struct span line, size_t at);
/* find for a text that a block's first line begins with. */
size_t ccol__span_find_head(struct span line, const char *head);

#endif
