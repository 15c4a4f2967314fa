/* SPDX-License-Identifier: MIT */
#include "keeper/ring.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define CAPACITY_MOST (UINT64_C(1) << 40)

static uint64_t padded(uint64_t length)
{
    return (length + 7) & ~UINT64_C(7);
}

static uint64_t power_of_two(uint64_t least)
{
    uint64_t capacity = RING_CAPACITY_LEAST;
    while (capacity < least && capacity < CAPACITY_MOST)
        capacity *= 2;
    return capacity;
}

int ccol__ring_create(struct ring *ring, int dir_fd, const char *name, uint64_t capacity)
{
    capacity = power_of_two(capacity);
    size_t length = RING_HEADER_BYTES + (size_t)capacity;
    auto_close int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -errno;
    int failed = posix_fallocate(fd, 0, (off_t)length); /* a full disk must not show as SIGBUS later */
    if (failed) return -failed;
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (memory == MAP_FAILED) return -errno;
    ring->header = memory;
    ring->data = (char *)memory + RING_HEADER_BYTES;
    memset(ring->data, 0, (size_t)capacity); /* the first write to a page takes memory, for the file system */
    ring->header->version = RING_VERSION;
    ring->header->header_bytes = RING_HEADER_BYTES;
    ring->header->capacity = capacity;
    memcpy(ring->header->magic, RING_MAGIC, sizeof ring->header->magic);
    return 0;
}

void ccol__ring_close(struct ring *ring)
{
    if (ring->header) munmap(ring->header, RING_HEADER_BYTES + (size_t)ring->header->capacity);
    *ring = (struct ring){0};
}

/* Copies into the ring at a position, going on at its start behind its end. */
static void put(struct ring *ring, uint64_t position, const void *bytes, size_t length)
{
    uint64_t capacity = ring->header->capacity;
    size_t at = (size_t)(position % capacity);
    size_t first = length < capacity - at ? length : (size_t)(capacity - at);
    memcpy(ring->data + at, bytes, first);
    memcpy(ring->data, (const char *)bytes + first, length - first);
}

static void append_record(struct ring *ring, enum ring_stream stream, const void *bytes, size_t length, int64_t at_us)
{
    struct ring_header *header = ring->header;
    uint64_t head = atomic_load_explicit(&header->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&header->tail, memory_order_relaxed);
    uint64_t whole = sizeof(struct ring_record) + padded(length);
    while (head + whole - tail > header->capacity) {
        struct ring_record oldest; /* its head never wraps inside a member: all is aligned to 8 */
        memcpy(&oldest, ring->data + tail % header->capacity, 8);
        tail += sizeof oldest + padded(oldest.length);
    }
    atomic_store_explicit(&header->tail, tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* the new tail is seen before what it gives up is overwritten */
    struct ring_record record = {
        .length = (uint32_t)length, .stream = (uint16_t)stream, .check = RING_RECORD_CHECK, .at_us = at_us};
    static const char zeros[8];
    put(ring, head, &record, sizeof record);
    put(ring, head + sizeof record, bytes, length);
    put(ring, head + sizeof record + length, zeros, (size_t)(padded(length) - length));
    atomic_store_explicit(&header->head, head + whole, memory_order_release);
}

void ccol__ring_append(struct ring *ring, enum ring_stream stream, const void *bytes, size_t length, int64_t at_us)
{
    if (!ring->header) return;
    atomic_fetch_add_explicit(&ring->header->bytes[stream - 1], length, memory_order_relaxed);
    const char *at = bytes;
    while (length) {
        size_t piece = length < RING_RECORD_MAX ? length : RING_RECORD_MAX;
        append_record(ring, stream, at, piece, at_us);
        at += piece;
        length -= piece;
    }
}
