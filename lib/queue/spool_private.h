/* SPDX-License-Identifier: MIT */
/* What spool.c and recovery.c share. */
#ifndef CCOL_QUEUE_SPOOL_PRIVATE_H
#define CCOL_QUEUE_SPOOL_PRIVATE_H

#include <pthread.h>

#include "queue/slots.h"
#include "queue/spool.h"

struct spool {
    struct spool_options options;
    char *dir;
    int dir_fd, segments_fd, lock_fd;
    struct slots slots;

    pthread_mutex_t lock; /* guards the lists, the counts and trouble */
    struct segment *used; /* with records, newest first; the first may be the active one */
    struct segment *free; /* ready to be used again */
    unsigned free_count;
    unsigned last_number;
    uint64_t disk_bytes;
    char trouble[sizeof((ccol_error *)0)->text];

    struct segment *active;    /* the committer's; also first of `used` */
    uint64_t next_sequence;    /* the committer's */
    _Atomic uint64_t releases; /* how often room has become free, from 1 */
    _Atomic uint64_t full_at;  /* `releases` before the last commit, if that found no room; else 0 */

    pthread_t preparer;
    pthread_cond_t prepare_wanted, prepared;
    bool preparer_runs, preparer_stop, prepare, preparing;
};

/* Opens every segment, calls found() for what is not done, files the segments under used or free. */
int ccol__recovery_run(struct spool *spool, spool_found_fn found, void *user, ccol_error *err);

#endif
