/* SPDX-License-Identifier: MIT */
/* Lets so many events of a kind through, and so many in total, and counts the others. Time is given by the caller. Not
 * thread-safe. */
#ifndef CCOL_MONITOR_FLOOD_GUARD_H
#define CCOL_MONITOR_FLOOD_GUARD_H

#include <crashcollect/api.h>

struct flood_limits {
    unsigned burst;       /* at once */
    unsigned interval_ms; /* then one in that time */
};

struct flood_guard;
/* NULL: memory. */
struct flood_guard *ccol__flood_guard_new(const struct flood_limits *each, const struct flood_limits *total);
/* Whether one more of that kind may pass. If so, *suppressed is how many of the kind did not since the last that did.
 */
bool ccol__flood_guard_pass(struct flood_guard *guard, uint64_t kind, int64_t now_us, uint64_t *suppressed);
/* All that were held back so far. */
uint64_t ccol__flood_guard_suppressed(const struct flood_guard *guard);
void ccol__flood_guard_free(struct flood_guard *guard);

/* What is equal in messages that differ in numbers, hex, uuids and quoted parts only. */
uint64_t ccol__flood_kind(const char *logger, const char *message);

#endif
