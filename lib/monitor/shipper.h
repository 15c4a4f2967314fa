/* SPDX-License-Identifier: MIT */
/* The shipper: takes what keepers left in their hand-over folders and submits it as reports to a collector, which has
 * them durable before anything is removed. A process of its own that may be killed, or may crash, at any moment: the
 * next one goes on, and as equal crashes get equal crash ids, none is kept twice. */
#ifndef CCOL_MONITOR_SHIPPER_H
#define CCOL_MONITOR_SHIPPER_H

#include <crashcollect/collector.h>

#include "base/log.h"
#include "keeper/keeper.h"
#include "monitor/crash_loop.h"
#include "monitor/log_line.h"
#include "monitor/log_tap.h"
#include "monitor/minidump_writer.h"
#include "monitor/redact.h"
#include "monitor/unwind.h"

/* 0 or NULL in any member means its default. */
struct shipper_options {
    const char *data_dir; /* required */
    /* Opens a collector with its spool in that folder (below the hand-over folder, so that each instance has its own);
     * required. Also called for the spools of instances that are gone. */
    int (*open_collector)(void *user, const char *spool_dir, ccol_collector **out, ccol_error *err);
    void *user;
    struct log log;
    struct unwind_options unwind;
    struct minidump_options minidump;
    bool no_minidump;
    struct redact_options redact;
    struct log_line_options lines;
    struct log_tap_options tap; /* lines into a file, errors as reports of their own */
    size_t log_bytes;           /* of the log in a report; default 64 KiB */
    unsigned tries;    /* snapshots that made the shipper crash so often are set aside; default 4, at least 4 */
    unsigned panic_ms; /* how long a panic waits for the death that it belongs to; default 1500 */
    struct crash_loop_limits crash_loop;
    unsigned drain_ms; /* how long the end waits for the storage; what is not saved then is by the next shipper on
                          this data folder; default 5000 */
    bool sessions;     /* tell of every run how it ended */
    bool no_adoption;  /* leave folders of instances that are gone alone */
};

/* Ships until the keeper is gone and everything of it is submitted. Returns 0 then. Errors, the keeper may start
 * another shipper: the folder cannot be opened or has a shipper, the collector cannot be opened. One thread. */
int ccol__shipper_run(const struct shipper_options *options, const struct keeper_shipper *from, ccol_error *err);

#endif
