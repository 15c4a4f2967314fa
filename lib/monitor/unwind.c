/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "monitor/unwind_private.h"

const char *ccol__frame_trust_name(enum frame_trust trust)
{
    static const char *const names[] = {"context", "cfi", "scan"};
    return names[trust];
}

bool ccol__unwinding_is_late(const struct unwinding *unwinding)
{
    return ccol__clock_monotonic_ms() >= unwinding->deadline_ms;
}

bool ccol__frame_list_add(struct unwinding *unwinding, struct frame_list *list, const struct frame *frame)
{
    if (list->failed || list->cut) return false;
    if (list->count == list->most) {
        list->cut = true;
        return false;
    }
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : FRAMES_FIRST;
        struct frame *grown = ccol__arena_alloc(&unwinding->out->arena, room * sizeof *grown);
        if (!grown) {
            list->failed = true;
            return false;
        }
        if (list->count) memcpy(grown, list->frames, list->count * sizeof *grown);
        list->frames = grown;
        list->room = room;
    }
    list->frames[list->count++] = *frame;
    return true;
}

static void set_defaults(struct unwind_options *options)
{
    if (!options->deadline_ms) options->deadline_ms = 10000;
    if (!options->frames_most) options->frames_most = 512;
    if (!options->frames_most_else) options->frames_most_else = 128;
    if (!options->arena_most) options->arena_most = (size_t)64 << 20;
    if (!options->debug_path) options->debug_path = "/usr/lib/debug";
}

int ccol__unwind(struct stack_traces *out, const struct victim *victim, const struct unwind_options *options,
                 ccol_error *err)
{
    struct unwinding unwinding = {.victim = victim, .out = out};
    if (options) unwinding.options = *options;
    set_defaults(&unwinding.options);
    unwinding.deadline_ms = ccol__clock_monotonic_ms() + unwinding.options.deadline_ms;
    *out = (struct stack_traces){.budget = {.limit = unwinding.options.arena_most}};
    ccol__arena_init(&out->arena, &out->budget);
    if (victim->thread_count == 0) return 0;
    out->threads = ccol__arena_alloc(&out->arena, victim->thread_count * sizeof *out->threads);
    if (!out->threads) return ccol_fail(err, -ENOMEM, "no memory for the stack traces");
    memset(out->threads, 0, victim->thread_count * sizeof *out->threads);
    out->thread_count = victim->thread_count;
    return ccol__unwind_dwfl(&unwinding, err);
}

void ccol__stack_traces_fini(struct stack_traces *traces)
{
    ccol__arena_fini(&traces->arena);
    *traces = (struct stack_traces){.thread_count = 0};
}
