/* SPDX-License-Identifier: MIT */
#include "keeper/ring.h"

#include <crashcollect/error.h>

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool is_ring(const struct ring_header *header, uint64_t file_bytes)
{
    uint64_t capacity = header->capacity;
    return memcmp(header->magic, RING_MAGIC, sizeof header->magic) == 0 && header->version == RING_VERSION &&
           header->header_bytes == RING_HEADER_BYTES && capacity >= RING_CAPACITY_LEAST &&
           (capacity & (capacity - 1)) == 0 && capacity <= file_bytes - RING_HEADER_BYTES;
}

int ccol__ring_view_open(struct ring_view *view, int dir_fd, const char *name)
{
    *view = (struct ring_view){0};
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    struct stat status;
    if (fstat(fd, &status) != 0) return -errno;
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size < RING_HEADER_BYTES + RING_CAPACITY_LEAST)
        return CCOL_EFORMAT;
    void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return -errno;
    view->header = memory;
    view->data = (const char *)memory + RING_HEADER_BYTES;
    view->mapped = (size_t)status.st_size;
    if (!is_ring(view->header, view->mapped)) {
        ccol__ring_view_close(view);
        return CCOL_EFORMAT;
    }
    view->capacity = view->header->capacity;
    return 0;
}

void ccol__ring_view_close(struct ring_view *view)
{
    if (view->header) munmap((void *)(uintptr_t)view->header, view->mapped);
    *view = (struct ring_view){0};
}

static void take(const struct ring_view *view, uint64_t position, void *out, size_t length)
{
    size_t at = (size_t)(position % view->capacity);
    size_t first = length < view->capacity - at ? length : (size_t)(view->capacity - at);
    memcpy(out, view->data + at, first);
    memcpy((char *)out + first, view->data, length - first);
}

/* True if nothing from `position` on was overwritten while it was copied. */
static bool still_there(const struct ring_view *view, uint64_t position)
{
    atomic_thread_fence(memory_order_seq_cst);
    return position >= atomic_load_explicit(&view->header->tail, memory_order_acquire);
}

static bool is_record(const struct ring_record *record, uint64_t position, uint64_t head)
{
    return record->check == RING_RECORD_CHECK && record->length <= RING_RECORD_MAX &&
           sizeof *record + record->length <= head - position;
}

int ccol__ring_view_next(const struct ring_view *view, uint64_t *position, struct ring_record *record, char *out,
                         size_t size, uint64_t *lost)
{
    for (;;) {
        uint64_t head = atomic_load_explicit(&view->header->head, memory_order_acquire);
        uint64_t tail = atomic_load_explicit(&view->header->tail, memory_order_acquire);
        if (tail > head || head - tail > view->capacity || tail % 8) return 0; /* no ring any more */
        if (*position < tail || *position > head) {
            if (*position && *position < tail) *lost += tail - *position;
            *position = tail;
        }
        if (head - *position < sizeof *record) return 0;
        take(view, *position, record, sizeof *record);
        if (!still_there(view, *position)) continue;
        if (!is_record(record, *position, head)) {
            *lost += head - *position; /* damaged: go on behind it */
            *position = head;
            return 0;
        }
        take(view, *position + sizeof *record, out, record->length < size ? record->length : size);
        if (!still_there(view, *position)) continue;
        *position += sizeof *record + ((record->length + UINT64_C(7)) & ~UINT64_C(7));
        return 1;
    }
}
