/* SPDX-License-Identifier: MIT */
/* Unwinding in a build without libdwfl. */
#include <errno.h>
#include <stdio.h>

#include "monitor/unwind_private.h"

int ccol__unwind_dwfl(struct unwinding *unwinding, ccol_error *err)
{
    const struct victim *victim = unwinding->victim;
    for (size_t i = 0; i < victim->thread_count; i++) {
        const struct victim_thread *thread = &victim->threads[i];
        struct frame_list list = {.most = i ? unwinding->options.frames_most_else : unwinding->options.frames_most};
        uint64_t ip = ccol__victim_ip(victim, thread);
        struct frame frame = {.address = ip,
                              .module = ccol__victim_module_at(victim, ip),
                              .function = "",
                              .file = "",
                              .trust = FRAME_CONTEXT};
        if (thread->seen.flags & SNAPSHOT_REGISTERS && ccol__frame_list_add(unwinding, &list, &frame))
            ccol__unwind_scan(unwinding, thread, &list);
        if (list.failed) return ccol_fail(err, -ENOMEM, "no memory for the stack traces");
        unwinding->out->threads[i] = (struct thread_frames){list.frames, list.count, list.cut};
    }
    snprintf(unwinding->out->note, sizeof unwinding->out->note,
             "this build has no libdwfl: frames are guessed and have no names");
    return 0;
}
