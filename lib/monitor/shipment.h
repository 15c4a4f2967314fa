/* SPDX-License-Identifier: MIT */
/* One hand-over folder on its way into a collector: snapshots, panics, and a run that ended without a trace. */
#ifndef CCOL_MONITOR_SHIPMENT_H
#define CCOL_MONITOR_SHIPMENT_H

#include "monitor/handover.h"
#include "monitor/shipper.h"

/* What all shipments of a process share; borrowed. */
struct shipment_context {
    const struct shipper_options *options; /* with their defaults */
    struct crash_log_reader reader;
    struct host host;
    ccol_collector *collector;
};

struct shipment {
    const struct shipment_context *context;
    struct handover handover;
    struct log_follower *follower;
    struct log_tap *tap;        /* of the own instance, if lines are wanted in a file or as reports */
    struct follow_cursor saved; /* the cursor as it is on disk */
    struct handover_facts facts;
    uint64_t spoken; /* panics and lines that became reports of their own */
    bool panicked;
};

/* Opens the folder as ccol__handover_open does. To be closed in any case. */
int ccol__shipment_open(struct shipment *shipment, const struct shipment_context *context, int parent_fd,
                        const char *name, ccol_error *err);
/* From here on each turn also takes the lines of the log to where options->tap wants them. */
int ccol__shipment_tap(struct shipment *shipment, ccol_error *err);
/* Submits all snapshots that wait, and panics whose time is up. An error: the collector has no room now; try again
 * later. */
int ccol__shipment_turn(struct shipment *shipment, ccol_error *err);
/* Nothing more will come: submits what is left, and the end without a trace if there was no clean one. -EBUSY: its
 * keeper is about to end. */
int ccol__shipment_finish(struct shipment *shipment, ccol_error *err);
/* Milliseconds until a turn is due even if nothing new comes; -1: none is. */
int ccol__shipment_due_ms(const struct shipment *shipment);
/* The run came to a clean end, and nothing waits any more. */
bool ccol__shipment_is_done(struct shipment *shipment);
void ccol__shipment_close(struct shipment *shipment);

/* autopsy.c: the report of one snapshot. `tries` beyond the first leave out what may have crashed the shipper. The
 * panics are those that belong to the death. CCOL_EFORMAT: it is no usable snapshot. */
struct autopsy {
    const struct shipment *shipment;
    const char *number; /* of the snapshot */
    unsigned tries;
    const void *bytes;
    size_t length;
};
int ccol__autopsy_report(const struct autopsy *autopsy, const struct victim *victim, const struct panic *const *panics,
                         size_t panic_count, ccol_report **out, ccol_error *err);

#endif
