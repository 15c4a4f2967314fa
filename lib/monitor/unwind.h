/* SPDX-License-Identifier: MIT */
/* From a victim's registers and stacks to frames, and from addresses to functions, files and lines. All from the copy:
 * the process is long gone. With libdwfl (the build option CCOL_LIBDW) by the modules' unwind tables; without it, or
 * where a module's file is missing or another one by now, by frame pointers and by what looks like return addresses. */
#ifndef CCOL_MONITOR_UNWIND_H
#define CCOL_MONITOR_UNWIND_H

#include <crashcollect/error.h>

#include "base/arena.h"
#include "monitor/victim.h"

enum frame_trust { FRAME_CONTEXT, FRAME_CFI, FRAME_SCAN };

/* Texts are NUL-terminated and "" where nothing is known; they live as long as the stack traces. */
struct frame {
    uint64_t address; /* where it stands: in the innermost frame the instruction, in its callers the return address */
    const struct victim_module *module; /* NULL: none */
    const char *function, *file;
    unsigned line, column; /* 0: not known */
    bool inlined;          /* into the frame after it */
    enum frame_trust trust;
};

struct thread_frames {
    struct frame *frames; /* innermost first */
    size_t count;
    bool cut; /* there were more */
};

/* 0 in any member means its default. */
struct unwind_options {
    bool no_symbols;         /* addresses only */
    unsigned deadline_ms;    /* for all of it; what is not looked up by then keeps its address only; default 10 s */
    size_t frames_most;      /* of the crashed thread; default 512 */
    size_t frames_most_else; /* of every other; default 128 */
    size_t arena_most;       /* bytes of texts and frames; default 64 MiB */
    const char *debug_path;  /* separate debug files, colons between; default "/usr/lib/debug" */
};

struct stack_traces {
    struct arena arena;
    struct budget budget;
    struct thread_frames *threads; /* as many, and in the order of, the victim's */
    size_t thread_count;
    char note[256]; /* what the frames lack and why, or "" */
};

/* -ENOMEM. To be ended with _fini in any case. */
int ccol__unwind(struct stack_traces *out, const struct victim *victim, const struct unwind_options *options,
                 ccol_error *err);
void ccol__stack_traces_fini(struct stack_traces *traces);

/* "context", "cfi", "scan" */
const char *ccol__frame_trust_name(enum frame_trust trust);

#endif
