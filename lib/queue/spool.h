/* SPDX-License-Identifier: MIT */
/* The durable part of the save queue: a folder of segments (segment.h).
 *
 *   DIR/lock            held while a collector runs
 *   DIR/storages        which storage each bit of a record's progress stands for (slots.h)
 *   DIR/segments/       NNNNNNNN.seg, NNNNNNNN.state
 *   DIR/damaged/        what recovery could not make sense of, moved aside
 *   DIR/failed/         quarantine: Antenna's tree, and reason/ID.txt (quarantine.h)
 *   DIR/retry/          reports put back by `crashcollectd queue retry` */
#ifndef CCOL_QUEUE_SPOOL_H
#define CCOL_QUEUE_SPOOL_H

#include <crashcollect/storage.h>

#include "base/log.h"
#include "base/metrics.h"
#include "queue/segment.h"
#include "report/report.h"

struct spool;

struct spool_options {
    const char *dir;
    uint64_t segment_bytes;        /* of an ordinary segment */
    uint64_t max_bytes;            /* of all segments on disk */
    bool no_threads;               /* no thread that prepares segments ahead */
    ccol_storage *const *storages; /* those that records go to, for their progress; borrowed */
    size_t storage_count;
    const struct log *log;
    struct metrics *metrics;
};

/* Where a record lies. */
struct spool_place {
    struct segment *segment; /* NULL: nowhere */
    uint64_t offset, bytes, sequence;
};

/* A record that was found at the start and is not done. */
struct spool_found {
    struct spool_place place;
    struct record_header header;
    enum record_state state; /* RECORD_PENDING, RECORD_SAVED, or RECORD_DONE but for a flush of the storage */
    uint32_t progress;       /* bit i: the i-th storage has it */
};
typedef int (*spool_found_fn)(void *user, const struct spool_found *found);

/* Opens the folder, makes it if absent, recovers: calls found() for each record not done, oldest first; a non-zero
 * result ends the opening with it. -EBUSY: another collector has it. */
int ccol__spool_open(struct spool **out, const struct spool_options *options, spool_found_fn found, void *user,
                     ccol_error *err);
void ccol__spool_close(struct spool *spool);

/* One group commit: writes the sealed reports, flushes once per segment touched, fills places (segment NULL for those
 * that failed). Returns 0, or the error of what failed. One thread at a time. */
int ccol__spool_commit(struct spool *spool, ccol_report *const *reports, struct spool_place *places, size_t count,
                       ccol_error *err);

/* Moves a record's state on. synced: it stays so after a power loss; a final state that is synced frees the place. */
void ccol__spool_mark(struct spool *spool, const struct spool_place *place, enum record_state state, bool synced);
/* Remembers which storages have it, bit i for the i-th; those that are gone from the settings count as before. */
void ccol__spool_mark_progress(const struct spool *spool, const struct spool_place *place, uint32_t progress);
/* Reads a record back; a large one into a file of the pool (may be NULL), others into memory that no budget holds, as
 * what was accepted must go on. CCOL_EFORMAT: damaged (then call ccol__spool_set_aside). */
int ccol__spool_load(const struct spool_place *place, struct crash_pool *pool, ccol_report **out, ccol_error *err);
/* Copies a damaged place to damaged/ and says so loudly; crash_id "" where it is not known. */
void ccol__spool_set_aside(struct spool *spool, const struct segment *segment, uint64_t offset, uint64_t bytes,
                           const char *crash_id, const char *why);

/* Whether a report may be accepted now: the limit is not reached and the last commit did not fail for want of space. */
bool ccol__spool_has_room(const struct spool *spool);
uint64_t ccol__spool_disk_bytes(const struct spool *spool);
/* Text of the last failed commit, "" once one has succeeded since. Copies into text. */
void ccol__spool_trouble(struct spool *spool, char *text, size_t size);

#endif
