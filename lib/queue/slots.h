/* SPDX-License-Identifier: MIT */
/* Which bit of a record's progress stands for which storage. DIR/storages remembers it, a line per bit, so that the
 * settings may name other storages, or the same in another order, while the spool holds reports that some have. */
#ifndef CCOL_QUEUE_SLOTS_H
#define CCOL_QUEUE_SLOTS_H

#include <crashcollect/storage.h>

#define SLOTS_MAX 32

struct slots {
    char *lines[SLOTS_MAX];   /* "NAME PLACE", NULL: free */
    uint32_t bits[SLOTS_MAX]; /* of the storages that are there, in their order */
    size_t count;
    uint32_t taken_over; /* bits that stood for another storage until now: records that have them do not any more */
    bool changed;
};

/* Reads what is remembered; finds or takes a bit for each of the storages, at most SLOTS_MAX. A file that makes no
 * sense is as good as none: storages then save again. */
int ccol__slots_open(struct slots *slots, int dir_fd, ccol_storage *const *storages, size_t count, ccol_error *err);
/* Makes it durable; after taken_over was cleared in all records, before a new bit is set in any. */
int ccol__slots_write(const struct slots *slots, int dir_fd, ccol_error *err);
/* From "bit i: the i-th storage has it" to a record's bits, and back. Bits of `before` that belong to storages that are
 * not there now stay. */
uint32_t ccol__slots_pack(const struct slots *slots, uint32_t progress, uint32_t before);
uint32_t ccol__slots_unpack(const struct slots *slots, uint32_t record_bits);
void ccol__slots_fini(struct slots *slots);

#endif
