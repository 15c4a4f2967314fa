/* SPDX-License-Identifier: MIT */
/* A program that crashes again and again is reported with growing pauses and a count, not with a flood. What is known
 * of that lies in the file DATA_DIR/crash-loops, for each crash may be the end of its instance. */
#ifndef CCOL_MONITOR_CRASH_LOOP_H
#define CCOL_MONITOR_CRASH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct crash_loop_limits {
    unsigned burst;           /* crashes of one kind that are all reported; 0: no limit at all */
    unsigned first_pause_s;   /* after those: the pause between two reports, doubled each time, ... */
    unsigned longest_pause_s; /* ... up to this; a kind that was quiet for so long begins anew */
};

/* What makes crashes of one kind: program and reason. */
uint64_t ccol__crash_loop_kind(const char *executable, const char *reason);
/* Is this crash to be reported? If it is, *suppressed tells how many of its kind were not since the last that was; if
 * it is not, it is counted. Where the file cannot be used every crash is. Other processes may call it at the same time.
 */
bool ccol__crash_loop_due(int parent_fd, const struct crash_loop_limits *limits, uint64_t kind, int64_t now_us,
                          uint64_t *suppressed);
/* One that was due is safe now: the next has to wait, if there were many. */
void ccol__crash_loop_reported(int parent_fd, const struct crash_loop_limits *limits, uint64_t kind, int64_t now_us);

#endif
