/* SPDX-License-Identifier: MIT */
#include "report/crash_buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Two sizes are recycled: what nearly all crashes need, without the page faults of fresh memory. */
#define POOL_CLASSES 2
static const size_t class_bytes[POOL_CLASSES] = {(size_t)64 << 10, (size_t)512 << 10};
#define POOL_IDLE_MAX ((size_t)64 << 20)

struct idle_block {
    struct idle_block *next;
};

struct crash_pool {
    struct budget budget;
    atomic_uint references;
    pthread_mutex_t lock;
    struct idle_block *idle[POOL_CLASSES];
    size_t idle_bytes, idle_most;
    int folder_fd; /* of large buffers */
    uint64_t spill_above;
    struct budget disk;
};

struct crash_pool *ccol__crash_pool_new(uint64_t budget_bytes)
{
    struct crash_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->budget.limit = budget_bytes;
    pool->folder_fd = -1;
    pool->spill_above = UINT64_MAX;
    pool->idle_most = budget_bytes / 4 < POOL_IDLE_MAX ? (size_t)(budget_bytes / 4) : POOL_IDLE_MAX;
    atomic_init(&pool->references, 1);
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

struct crash_pool *ccol__crash_pool_ref(struct crash_pool *pool)
{
    if (pool) atomic_fetch_add(&pool->references, 1);
    return pool;
}

void ccol__crash_pool_unref(struct crash_pool *pool)
{
    if (!pool || atomic_fetch_sub(&pool->references, 1) != 1) return;
    for (int i = 0; i < POOL_CLASSES; i++) {
        while (pool->idle[i]) {
            struct idle_block *block = pool->idle[i];
            pool->idle[i] = block->next;
            munmap(block, class_bytes[i]);
        }
    }
    pthread_mutex_destroy(&pool->lock);
    if (pool->folder_fd >= 0) close(pool->folder_fd);
    free(pool);
}

struct budget *ccol__crash_pool_budget(struct crash_pool *pool)
{
    return pool ? &pool->budget : NULL;
}

static int open_unnamed(int folder_fd)
{
    return openat(folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

void ccol__crash_pool_spill(struct crash_pool *pool, int folder_fd, uint64_t above, uint64_t most)
{
    int fd = open_unnamed(folder_fd);
    pool->folder_fd = folder_fd;
    if (fd < 0) return;
    close(fd);
    pool->spill_above = above;
    pool->disk.limit = most;
}

bool ccol__crash_pool_spills(const struct crash_pool *pool, uint64_t bytes)
{
    return pool && bytes > pool->spill_above;
}

static int class_of(size_t capacity)
{
    for (int i = 0; i < POOL_CLASSES; i++) {
        if (capacity == class_bytes[i]) return i;
    }
    return -1;
}

static void *take_idle(struct crash_pool *pool, size_t capacity)
{
    int i = class_of(capacity);
    if (!pool || i < 0) return NULL;
    pthread_mutex_lock(&pool->lock);
    struct idle_block *block = pool->idle[i];
    if (block) {
        pool->idle[i] = block->next;
        pool->idle_bytes -= capacity;
    }
    pthread_mutex_unlock(&pool->lock);
    return block;
}

static bool give_idle(struct crash_pool *pool, void *data, size_t capacity)
{
    int i = class_of(capacity);
    if (!pool || i < 0) return false;
    pthread_mutex_lock(&pool->lock);
    bool kept = pool->idle_bytes + capacity <= pool->idle_most;
    if (kept) {
        struct idle_block *block = data;
        block->next = pool->idle[i];
        pool->idle[i] = block;
        pool->idle_bytes += capacity;
    }
    pthread_mutex_unlock(&pool->lock);
    return kept;
}

static size_t round_capacity(size_t wanted, size_t current)
{
    for (int i = 0; i < POOL_CLASSES; i++) {
        if (wanted <= class_bytes[i]) return class_bytes[i];
    }
    if (wanted < current + current / 2) wanted = current + current / 2;
    return (wanted + CRASH_BUFFER_ALIGN - 1) / CRASH_BUFFER_ALIGN * CRASH_BUFFER_ALIGN;
}

static int write_at(int fd, const unsigned char *data, size_t length, size_t offset)
{
    while (length) {
        ssize_t wrote = pwrite(fd, data, length, (off_t)offset);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return -ENOMEM; /* as for all that is out of room */
        data += wrote;
        length -= (size_t)wrote;
        offset += (size_t)wrote;
    }
    return 0;
}

static void free_memory(struct crash_buffer *buffer)
{
    if (!buffer->data) return;
    ccol__budget_give(ccol__crash_pool_budget(buffer->pool), buffer->capacity);
    if (!give_idle(buffer->pool, buffer->data, buffer->capacity)) munmap(buffer->data, buffer->capacity);
}

/* All its blocks must exist: a full disk would kill the process at the first store into a hole. */
static int map_file(struct crash_buffer *buffer, int fd, size_t capacity)
{
    if (posix_fallocate(fd, 0, (off_t)capacity)) return -ENOMEM;
    void *data = buffer->file ? mremap(buffer->data, buffer->capacity, capacity, MREMAP_MAYMOVE)
                              : mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return -ENOMEM;
    if (!buffer->file) {
        if (write_at(fd, buffer->data, buffer->length, 0)) {
            munmap(data, capacity);
            return -ENOMEM;
        }
        free_memory(buffer);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    buffer->file = fd + 1;
    return 0;
}

static int reserve_on_disk(struct crash_buffer *buffer, size_t capacity)
{
    struct budget *disk = &buffer->pool->disk;
    size_t more = capacity - (buffer->file ? buffer->capacity : 0);
    if (!ccol__budget_take(disk, more)) return -ENOMEM;
    int fd = buffer->file ? buffer->file - 1 : open_unnamed(buffer->pool->folder_fd);
    int code = fd < 0 ? -ENOMEM : map_file(buffer, fd, capacity);
    if (!code) return 0;
    ccol__budget_give(disk, more);
    if (fd >= 0 && !buffer->file) close(fd);
    return code;
}

static int reserve_in_memory(struct crash_buffer *buffer, size_t capacity)
{
    struct budget *budget = ccol__crash_pool_budget(buffer->pool);
    if (!ccol__budget_take(budget, capacity - buffer->capacity)) return -ENOMEM;
    void *data;
    if (buffer->data) {
        data = mremap(buffer->data, buffer->capacity, capacity, MREMAP_MAYMOVE);
    } else {
        data = take_idle(buffer->pool, capacity);
        if (!data) data = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (data == MAP_FAILED) {
        ccol__budget_give(budget, capacity - buffer->capacity);
        return -ENOMEM;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int ccol__crash_buffer_reserve(struct crash_buffer *buffer, size_t capacity)
{
    if (capacity <= buffer->capacity) return 0;
    if (capacity > SIZE_MAX / 4) return -ENOMEM;
    bool large = buffer->file || ccol__crash_pool_spills(buffer->pool, capacity);
    capacity = round_capacity(capacity, buffer->capacity);
    return large ? reserve_on_disk(buffer, capacity) : reserve_in_memory(buffer, capacity);
}

int ccol__crash_buffer_append(struct crash_buffer *buffer, const void *data, size_t length)
{
    if (length > SIZE_MAX / 4 - buffer->length) return -ENOMEM;
    int code = ccol__crash_buffer_reserve(buffer, buffer->length + length);
    if (code) return code;
    if (buffer->file) /* not through the map, whose pages would become this process's */
        code = write_at(buffer->file - 1, data, length, buffer->length);
    else if (length)
        memcpy(buffer->data + buffer->length, data, length);
    if (!code) buffer->length += length;
    return code;
}

int ccol__crash_buffer_pad(struct crash_buffer *buffer)
{
    size_t padded = (buffer->length + CRASH_BUFFER_ALIGN - 1) / CRASH_BUFFER_ALIGN * CRASH_BUFFER_ALIGN;
    int code = ccol__crash_buffer_reserve(buffer, padded);
    if (code) return code;
    memset(buffer->data + buffer->length, 0, padded - buffer->length);
    return 0;
}

void ccol__crash_buffer_release(const struct crash_buffer *buffer)
{
    if (buffer->file) madvise(buffer->data, buffer->capacity, MADV_DONTNEED);
}

void ccol__crash_buffer_fini(struct crash_buffer *buffer)
{
    if (buffer->file) {
        munmap(buffer->data, buffer->capacity);
        close(buffer->file - 1);
        ccol__budget_give(&buffer->pool->disk, buffer->capacity);
    } else {
        free_memory(buffer);
    }
    *buffer = (struct crash_buffer){.pool = buffer->pool};
}
