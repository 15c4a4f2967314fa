/* SPDX-License-Identifier: MIT */
/* The memory that holds one crash report's bytes from the socket to the disk: page-aligned, so that it can be written
 * with O_DIRECT as it is; growing; recycled through its collector's pool. A large one is an unnamed file mapped into
 * memory, whose pages the kernel may write out and drop: what clients send must not fill the machine's memory. */
#ifndef CCOL_REPORT_CRASH_BUFFER_H
#define CCOL_REPORT_CRASH_BUFFER_H

#include "base/budget.h"

#define CRASH_BUFFER_ALIGN 4096

/* The memory of one collector: its budget and its idle buffers. Reports may outlive the collector, so each holds a
 * reference. Thread-safe. */
struct crash_pool;
struct crash_pool *ccol__crash_pool_new(uint64_t budget_bytes); /* NULL: memory */
struct crash_pool *ccol__crash_pool_ref(struct crash_pool *pool);
void ccol__crash_pool_unref(struct crash_pool *pool);
struct budget *ccol__crash_pool_budget(struct crash_pool *pool); /* NULL for a NULL pool */
/* From now on a buffer of more than `above` bytes is a file in that folder, all of them together at most `most` bytes.
 * Takes over the descriptor. Before the pool is used. Where the file system has no unnamed files nothing changes. */
void ccol__crash_pool_spill(struct crash_pool *pool, int folder_fd, uint64_t above, uint64_t most);

/* Whether a buffer of so many bytes is a file. */
bool ccol__crash_pool_spills(const struct crash_pool *pool, uint64_t bytes);

/* One thread at a time. */
struct crash_buffer {
    unsigned char *data; /* CRASH_BUFFER_ALIGN-aligned, NULL while empty */
    size_t length, capacity;
    struct crash_pool *pool; /* borrowed; its budget is charged with the capacity; may be NULL */
    int file;                /* of a large one: 1 + the descriptor of the file that `data` maps; 0: it is memory */
};

/* So much of a large one is passed through memory at a time. */
#define CRASH_BUFFER_SLICE ((size_t)4 << 20)

/* Room for at least `capacity` bytes in all. -ENOMEM: memory, budget or disk is out; what is there stays. */
int ccol__crash_buffer_reserve(struct crash_buffer *buffer, size_t capacity);
int ccol__crash_buffer_append(struct crash_buffer *buffer, const void *data, size_t length);
/* Zeroes up to the next multiple of CRASH_BUFFER_ALIGN without changing length. -ENOMEM. */
int ccol__crash_buffer_pad(struct crash_buffer *buffer);
/* What was looked at of a large one stays no longer in this process's memory; its bytes are still there. */
void ccol__crash_buffer_release(const struct crash_buffer *buffer);
void ccol__crash_buffer_fini(struct crash_buffer *buffer);

#endif
