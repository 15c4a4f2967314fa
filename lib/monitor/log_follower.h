/* SPDX-License-Identifier: MIT */
/* Follows a log ring and finds the panics and exceptions in it. Each one waits a little for a death that it belongs to;
 * what waited long enough is a crash of its own. Not thread-safe. */
#ifndef CCOL_MONITOR_LOG_FOLLOWER_H
#define CCOL_MONITOR_LOG_FOLLOWER_H

#include <crashcollect/error.h>

#include "keeper/ring.h"
#include "monitor/panic.h"

#define PANICS_WAITING_MOST 256 /* of more the oldest are crashes of their own at once */

struct found_panic {
    struct panic *panic; /* freed with free() */
    uint64_t position;   /* of the record of the ring that it begins in */
    uint64_t begin;      /* bytes of that record before it */
    uint64_t end;        /* position behind the record that it was complete with */
    int64_t at_us;       /* when its last line was read */
    enum ring_stream stream;
};

/* Where a later follower goes on. Zeroed: at the oldest that is there. */
struct follow_cursor {
    uint64_t position;                        /* in the ring: to read from */
    uint64_t settled_position, settled_bytes; /* up to here (bytes of that record) panics were dealt with */
};

struct log_follower;
/* Goes on where an earlier follower was. The view is borrowed. -ENOMEM. */
int ccol__log_follower_new(struct log_follower **out, const struct ring_view *ring, const struct follow_cursor *cursor);
/* Reads on, to the position given at most. */
void ccol__log_follower_read(struct log_follower *follower, uint64_t until);
/* Nothing came for a while: what is open is complete. */
void ccol__log_follower_settle(struct log_follower *follower);
/* Nothing more will come: a last line without a newline is complete as well. */
void ccol__log_follower_end(struct log_follower *follower);
/* Whether something is open, or waits for its time to be up: then look again soon. */
bool ccol__log_follower_is_busy(const struct log_follower *follower);
/* The oldest panic waiting that ended at or before `until_us`, or NULL. */
struct found_panic *ccol__log_follower_oldest(struct log_follower *follower, int64_t until_us);
/* The index-th of those waiting, or NULL. */
struct found_panic *ccol__log_follower_at(struct log_follower *follower, size_t index);
/* Forgets one that is waiting, for good, and frees its panic. */
void ccol__log_follower_drop(struct log_follower *follower, struct found_panic *found);
/* Where a later follower may begin and still find all that was not dropped. */
void ccol__log_follower_cursor(const struct log_follower *follower, struct follow_cursor *out);
void ccol__log_follower_free(struct log_follower *follower);

#endif
