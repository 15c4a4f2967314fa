/* SPDX-License-Identifier: MIT */
/* What the ways of unwinding share. */
#ifndef CCOL_MONITOR_UNWIND_PRIVATE_H
#define CCOL_MONITOR_UNWIND_PRIVATE_H

#include "monitor/unwind.h"

#define FRAMES_FIRST 32

struct unwinding {
    const struct victim *victim;
    struct unwind_options options; /* with their defaults */
    struct stack_traces *out;
    uint64_t deadline_ms; /* on the monotonic clock */
};

/* Frames of one thread while they are found. */
struct frame_list {
    struct frame *frames; /* in the arena */
    size_t count, room, most;
    bool cut, failed;
};

/* Appends a frame; false: that is enough (the list tells why). */
bool ccol__frame_list_add(struct unwinding *unwinding, struct frame_list *list, const struct frame *frame);
bool ccol__unwinding_is_late(const struct unwinding *unwinding);

/* Frame pointers, and if these lead nowhere what looks like return addresses: appends the callers of the thread's
 * innermost frame. */
void ccol__unwind_scan(struct unwinding *unwinding, const struct victim_thread *thread, struct frame_list *list);

/* libdwfl's part; without it (CCOL_LIBDW off) all threads are scanned. */
int ccol__unwind_dwfl(struct unwinding *unwinding, ccol_error *err);

#endif
