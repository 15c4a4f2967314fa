/* SPDX-License-Identifier: MIT */
/* The hand-over folder: what a keeper (the parent that watches) leaves for a shipper (the process that reports).
 *
 *   DATA_DIR/monitor/INSTANCE/     mode 0700; INSTANCE is "20261125T160312.123456-PID": start in UTC, keeper's pid
 *     keeper.lock                  the keeper holds flock(LOCK_EX) on it for as long as it lives
 *     shipper.lock                 whoever reads and removes snapshots here holds flock(LOCK_EX) on it meanwhile
 *     state                        struct handover_state, HANDOVER_STATE_BYTES long, mapped shared by the keeper
 *     log                          the app's last output: struct ring_header and data, see ring.h
 *     about.json                   written once, before the app starts, by who starts the keeper (see below)
 *     000001.snapshot ...          one per death, see snapshot.h; six or more digits, in order of the deaths
 *     000002.snapshot.part         being written: not there yet for readers, dead weight when its keeper is gone
 *
 * A snapshot appears by rename(2) and is never touched again by the keeper; the shipper unlinks it once its report is
 * durable elsewhere. The keeper does not sync: the files survive every death but that of the machine.
 *
 * Three questions and their answers:
 *  - Is the keeper alive?  flock(keeper.lock, LOCK_EX | LOCK_NB) fails with EWOULDBLOCK.
 *  - May I adopt this folder?  Take shipper.lock without waiting, then keeper.lock without waiting; both held: it is an
 *    orphan. Report its snapshots in order, then, if state.phase is not HANDOVER_ENDED, one "ended without a trace"
 * with the log's tail (state.last_alive_us tells about when), then remove all files, the folder last.
 *  - Is there something new?  The shipper of a living keeper gets the read end of a pipe (the wake descriptor,
 *    non-blocking): bytes mean "look again at snapshots, log and state" and carry nothing else; end of file means that
 *    the keeper is gone. After a clean end (phase HANDOVER_ENDED) and with no snapshot left, its shipper removes the
 *    folder and ends.
 *
 * about.json: {"annotations": {NAME: TEXT, ...}, "command": [ARGUMENT, ...]}. Annotations go into each report of this
 * instance, also when another instance adopts it. The command is there only if it may be reported; redaction is the
 * shipper's business.
 *
 * Numbers are in the machine's byte order (little-endian on all that are supported). Readers bound everything by the
 * sizes of the files, never by what a file says of itself. */
#ifndef CCOL_KEEPER_HANDOVER_H
#define CCOL_KEEPER_HANDOVER_H

#include <stdatomic.h>
#include <stdint.h>

#define HANDOVER_PARENT          "monitor" /* below DATA_DIR */
#define HANDOVER_KEEPER_LOCK     "keeper.lock"
#define HANDOVER_SHIPPER_LOCK    "shipper.lock"
#define HANDOVER_STATE           "state"
#define HANDOVER_LOG             "log"
#define HANDOVER_ABOUT           "about.json"
#define HANDOVER_SNAPSHOT_SUFFIX ".snapshot"
#define HANDOVER_PART_SUFFIX     ".snapshot.part"

#define HANDOVER_MAGIC       "ccolhand"
#define HANDOVER_VERSION     1
#define HANDOVER_STATE_BYTES 4096

enum handover_phase {
    HANDOVER_STARTING = 1, /* the app was not executed yet */
    HANDOVER_RUNNING = 2,
    HANDOVER_ENDED = 3 /* the clean-end flag: the app is gone, the keeper saw how, every snapshot is written */
};

enum capture_mode {
    CAPTURE_PTRACE = 1,  /* the keeper traces from before exec on */
    CAPTURE_PRELOAD = 2, /* a handler inside the app, put there by LD_PRELOAD, calls the keeper */
    CAPTURE_ATTACH = 3,  /* the same, linked into the app and installed by ccol_capture_install */
    CAPTURE_WAIT = 4     /* exit status, log and OOM evidence only */
};

/* Written by the keeper only, in place; a reader may see members of one moment next to those of another. */
struct handover_state {
    char magic[8];
    uint32_t version, bytes; /* HANDOVER_VERSION, sizeof(struct handover_state) */
    char boot_id[40];        /* /proc/sys/kernel/random/boot_id: another one now means that the machine was restarted */
    int64_t started_at_us;   /* all times: microseconds since 1970-01-01 UTC */
    _Atomic int64_t last_alive_us; /* the keeper's last turn; it turns at least every HANDOVER_ALIVE_MS */
    int64_t ended_at_us;
    _Atomic uint32_t phase; /* enum handover_phase */
    int32_t keeper_pid, app_pid;
    int32_t wait_status;            /* of the app, as waitpid gives it; with HANDOVER_ENDED only */
    uint32_t mode_wanted, mode;     /* enum capture_mode */
    _Atomic uint32_t snapshots;     /* written so far */
    _Atomic uint32_t snapshots_cut; /* deaths that got no snapshot: too many files waiting, or no space */
    _Atomic uint32_t shipper_starts;
    uint32_t reserved;
    char mode_reason[256]; /* why mode is not mode_wanted, or "" */
    char executable[1024]; /* as given */
    char trouble[512];     /* last thing that the keeper could not do, or "" */
};

#define HANDOVER_ALIVE_MS 10000

_Static_assert(sizeof(struct handover_state) <= HANDOVER_STATE_BYTES, "state fits its file");

#endif
