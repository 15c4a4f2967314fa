/* SPDX-License-Identifier: MIT */
/* A hand-over folder (keeper/handover.h) from the reading side. Nothing in it is believed. */
#ifndef CCOL_MONITOR_HANDOVER_H
#define CCOL_MONITOR_HANDOVER_H

#include "keeper/handover.h"
#include "monitor/crash.h"
#include "monitor/log_follower.h"

#define HANDOVER_NAME_MOST   64
#define HANDOVER_SPOOL       "spool" /* of the shipper's collector */
#define HANDOVER_CURSOR      "shipper.cursor"
#define HANDOVER_TRIES       ".tries" /* after a snapshot's number: how often it was begun */
#define HANDOVER_SET_ASIDE   "failed" /* below DATA_DIR/monitor: what could not be shipped */
#define HANDOVER_NUMBER_MOST 32

/* What the state file says, copied out and cut to NUL-terminated texts. */
struct handover_facts {
    bool known; /* false: there is no usable state file, the rest is 0 */
    uint32_t phase, mode, mode_wanted, snapshots, snapshots_cut;
    int32_t keeper_pid, app_pid, wait_status;
    int64_t started_at_us, last_alive_us, ended_at_us;
    char boot_id[40], mode_reason[256], executable[1024], trouble[512];
};

struct handover {
    int parent_fd; /* DATA_DIR/monitor; the caller's */
    int fd, shipper_lock_fd, keeper_lock_fd;
    char name[HANDOVER_NAME_MOST];
    struct crash_about about;
    struct arena arena; /* of about */
    struct ring_view ring;
};

/* Opens the folder and takes its shipper's lock. -EBUSY: somebody else ships it; -ENOENT: it is gone. To be closed in
 * any case. */
int ccol__handover_open(struct handover *handover, int parent_fd, const char *name, const struct redactor *redactor,
                        ccol_error *err);
/* Takes the keeper's lock as well, if the keeper is gone. */
bool ccol__handover_is_orphan(struct handover *handover);
void ccol__handover_facts(const struct handover *handover, struct handover_facts *out);
/* Lowest number of a snapshot after `after` (0: of all) that waits, as its text ("000001"), or false. */
bool ccol__handover_next(const struct handover *handover, uint64_t after, char number[HANDOVER_NUMBER_MOST]);
/* Counts one more try for the snapshot and returns how many there were with it; 0 if that cannot be kept. */
unsigned ccol__handover_try(const struct handover *handover, const char *number);
/* The try came to an end, if not a good one: it does not count. */
void ccol__handover_untry(const struct handover *handover, const char *number);
/* Removes a snapshot and what is remembered of it. */
int ccol__handover_remove(const struct handover *handover, const char *number);
/* Moves a snapshot to DATA_DIR/monitor/failed; `path` gets its new place below DATA_DIR/monitor. */
int ccol__handover_set_aside(const struct handover *handover, const char *number, char path[256]);
/* Where the log was read up to. */
void ccol__handover_load_cursor(const struct handover *handover, struct follow_cursor *out);
void ccol__handover_save_cursor(const struct handover *handover, const struct follow_cursor *cursor);
/* Removes the folder with everything in it; what the storage refused for good (the spool's quarantine) is moved to
 * DATA_DIR/monitor/failed before. */
int ccol__handover_destroy(struct handover *handover, ccol_error *err);
void ccol__handover_close(struct handover *handover);

/* Whether a folder's name can be an instance's. */
bool ccol__handover_is_name(const char *name);

#endif
