/* SPDX-License-Identifier: MIT */
#include "queue/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/hash.h"

#define NAME_SIZE          24
#define BOOT_ID_SIZE       40
#define STATE_HEADER_BYTES 4096
#define PREWRITE_BYTES     ((size_t)1 << 20)
#define RECORD_SYNCED      0x80u
#define SEQUENCE_SHIFT     8

static const char segment_magic[8] = {'C', 'C', 'O', 'L', 'S', 'E', 'G', '1'};

struct segment_header {
    char magic[8];
    uint64_t generation, bytes;
    uint32_t crc, reserved; /* CRC-32C of the members before it */
};

struct state_header {
    char magic[8];
    char boot_id[BOOT_ID_SIZE];
};

static void file_name(char name[NAME_SIZE], unsigned number, const char *ending)
{
    snprintf(name, NAME_SIZE, "%08u.%s", number % (SEGMENT_NUMBER_MAX + 1), ending);
}

static void read_boot_id(char id[BOOT_ID_SIZE])
{
    memset(id, 0, BOOT_ID_SIZE);
    auto_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    /* Where it cannot be read every start counts as a new one: reports may then be saved twice, none is lost. */
    if (fd < 0 || read(fd, id, BOOT_ID_SIZE - 1) <= 0) id[0] = '\0';
}

static struct state_header *state_header(const struct segment *segment)
{
    return segment->state_map;
}

void ccol__segment_adopt(struct segment *segment)
{
    /* What was put right about the states must not reach the disk after the claim that they are of this start. */
    msync(segment->state_map, segment->state_map_bytes, MS_SYNC);
    memcpy(state_header(segment)->magic, segment_magic, sizeof segment_magic);
    read_boot_id(state_header(segment)->boot_id);
}

static int map_state(struct segment *segment, int dir_fd, bool view, ccol_error *err)
{
    char name[NAME_SIZE];
    file_name(name, segment->number, "state");
    auto_close int fd = openat(dir_fd, name, (view ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return ccol_fail(err, -errno, "cannot open the spool's %s", name);
    size_t bytes = STATE_HEADER_BYTES + segment->bytes / RECORD_ALIGN * sizeof(struct segment_slot);
    /* All blocks must exist: a full disk would kill the process at the first store into a hole. */
    struct stat status = {0};
    int code =
        view ? fstat(fd, &status) || (size_t)status.st_size < bytes ? EAGAIN : 0 : posix_fallocate(fd, 0, (off_t)bytes);
    if (code) return ccol_fail(err, -code, "cannot make room for the spool's %s", name);
    void *map = mmap(NULL, bytes, view ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) return ccol_fail(err, -errno, "cannot map the spool's %s", name);
    segment->state_map = map;
    segment->state_map_bytes = bytes;
    segment->slots = (struct segment_slot *)(void *)((char *)map + STATE_HEADER_BYTES);
    return 0;
}

/* O_DIRECT saves a copy and the write-back; some file systems refuse it. */
static int open_file(int dir_fd, const char *name, int flags, bool *direct)
{
    int fd = openat(dir_fd, name, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_DIRECT, 0600);
    *direct = fd >= 0;
    return fd >= 0 || errno != EINVAL ? fd : openat(dir_fd, name, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int write_all_at(int fd, struct iovec *pieces, int count, uint64_t offset)
{
    while (count) {
        ssize_t wrote = pwritev(fd, pieces, count < IOV_MAX ? count : IOV_MAX, (off_t)offset);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return wrote < 0 ? -errno : -EIO;
        offset += (uint64_t)wrote;
        size_t left = (size_t)wrote;
        while (count && left >= pieces->iov_len) {
            left -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (left) {
            pieces->iov_base = (char *)pieces->iov_base + left;
            pieces->iov_len -= left;
        }
    }
    return 0;
}

static int prewrite_blocks(const struct segment *segment)
{
    auto_free void *zeroes = NULL;
    if (posix_memalign(&zeroes, RECORD_ALIGN, PREWRITE_BYTES)) return -ENOMEM;
    memset(zeroes, 0, PREWRITE_BYTES);
    for (uint64_t at = 0; at < segment->bytes; at += PREWRITE_BYTES) {
        uint64_t left = segment->bytes - at;
        struct iovec piece = {zeroes, left < PREWRITE_BYTES ? (size_t)left : PREWRITE_BYTES};
        int code = write_all_at(segment->fd, &piece, 1, at);
        if (code) return code;
    }
    return 0;
}

static int make_durable(const struct segment *segment, int dir_fd)
{
    return fsync(segment->fd) || fsync(dir_fd) ? -errno : 0;
}

int ccol__segment_create(struct segment **out, int dir_fd, unsigned number, uint64_t bytes, bool prewrite,
                         ccol_error *err)
{
    char name[NAME_SIZE];
    file_name(name, number, "seg");
    struct segment *segment = calloc(1, sizeof *segment);
    if (!segment) return ccol_fail(err, -ENOMEM, "cannot make a spool segment");
    *segment = (struct segment){.number = number, .bytes = bytes};
    segment->fd = open_file(dir_fd, name, O_CREAT | O_EXCL, &segment->direct);
    int code = segment->fd < 0 ? -errno : -posix_fallocate(segment->fd, 0, (off_t)bytes);
    if (!code && prewrite) code = prewrite_blocks(segment);
    if (code)
        ccol_fail(err, code, "cannot make room for the spool segment %s", name);
    else
        code = map_state(segment, dir_fd, false, err);
    if (!code && (code = make_durable(segment, dir_fd)))
        ccol_fail(err, code, "cannot make the segment %s durable", name);
    if (code) {
        ccol__segment_close(segment, segment->fd < 0 ? -1 : dir_fd);
        return code;
    }
    ccol__segment_adopt(segment);
    *out = segment;
    return 0;
}

static uint32_t segment_header_crc(const struct segment_header *header)
{
    return ccol__crc32c(0, header, offsetof(struct segment_header, crc));
}

static int read_header(struct segment *segment, ccol_error *err)
{
    struct crash_buffer page = {0};
    int code = ccol__segment_read(segment, 0, SEGMENT_HEADER_BYTES, &page, err);
    if (code) return code;
    struct segment_header header;
    memcpy(&header, page.data, sizeof header);
    ccol__crash_buffer_fini(&page);
    bool valid =
        memcmp(header.magic, segment_magic, sizeof segment_magic) == 0 && header.crc == segment_header_crc(&header);
    segment->generation = valid ? header.generation : 0;
    static const struct segment_header blank;
    segment->head_blank = memcmp(&header, &blank, sizeof header) == 0;
    return 0;
}

static int open_existing(struct segment **out, int dir_fd, unsigned number, bool view, ccol_error *err)
{
    char name[NAME_SIZE];
    file_name(name, number, "seg");
    struct segment *segment = calloc(1, sizeof *segment);
    if (!segment) return ccol_fail(err, -ENOMEM, "cannot open a spool segment");
    segment->number = number;
    segment->fd =
        view ? openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : open_file(dir_fd, name, 0, &segment->direct);
    struct stat status;
    int code = segment->fd < 0 || fstat(segment->fd, &status) ? -errno : 0;
    if (code) {
        ccol_fail(err, code, "cannot open the spool segment %s", name);
    } else {
        segment->bytes = (uint64_t)status.st_size / RECORD_ALIGN * RECORD_ALIGN;
        code = segment->bytes < SEGMENT_HEADER_BYTES ? 0 : read_header(segment, err);
        if (!code) code = map_state(segment, dir_fd, view, err);
    }
    if (code) {
        ccol__segment_close(segment, -1);
        return code;
    }
    *out = segment;
    return 0;
}

int ccol__segment_view(struct segment **out, int dir_fd, unsigned number, ccol_error *err)
{
    return open_existing(out, dir_fd, number, true, err);
}

int ccol__segment_open(struct segment **out, int dir_fd, unsigned number, bool *rebooted, ccol_error *err)
{
    int code = open_existing(out, dir_fd, number, false, err);
    if (code) return code;
    char boot_id[BOOT_ID_SIZE];
    read_boot_id(boot_id);
    *rebooted = !boot_id[0] || memcmp(boot_id, state_header(*out)->boot_id, BOOT_ID_SIZE) != 0;
    return 0;
}

int ccol__segment_activate(struct segment *segment, uint64_t generation, ccol_error *err)
{
    auto_free void *page = NULL;
    if (posix_memalign(&page, RECORD_ALIGN, SEGMENT_HEADER_BYTES))
        return ccol_fail(err, -ENOMEM, "cannot use a segment");
    memset(page, 0, SEGMENT_HEADER_BYTES);
    struct segment_header header = {.generation = generation, .bytes = segment->bytes};
    memcpy(header.magic, segment_magic, sizeof segment_magic);
    header.crc = segment_header_crc(&header);
    memcpy(page, &header, sizeof header);
    struct iovec piece = {page, SEGMENT_HEADER_BYTES};
    int code = write_all_at(segment->fd, &piece, 1, 0);
    if (!code && fdatasync(segment->fd)) code = -errno;
    if (code) return ccol_fail(err, code, "cannot write the head of spool segment %08u", segment->number);
    segment->generation = generation;
    segment->tail = SEGMENT_HEADER_BYTES;
    return 0;
}

void ccol__segment_close(struct segment *segment, int dir_fd)
{
    if (!segment) return;
    if (segment->state_map) munmap(segment->state_map, segment->state_map_bytes);
    if (segment->fd >= 0) close(segment->fd);
    if (dir_fd >= 0) {
        char name[NAME_SIZE];
        file_name(name, segment->number, "seg");
        unlinkat(dir_fd, name, 0);
        file_name(name, segment->number, "state");
        unlinkat(dir_fd, name, 0);
    }
    free(segment);
}

int ccol__segment_write(struct segment *segment, struct iovec *pieces, int count, uint64_t bytes, ccol_error *err)
{
    int code = write_all_at(segment->fd, pieces, count, segment->tail);
    if (code) return ccol_fail(err, code, "cannot write to spool segment %08u", segment->number);
    segment->tail += bytes;
    return 0;
}

int ccol__segment_flush(struct segment *segment, ccol_error *err)
{
    if (fdatasync(segment->fd)) return ccol_fail(err, -errno, "cannot flush spool segment %08u", segment->number);
    return 0;
}

int ccol__segment_read(const struct segment *segment, uint64_t offset, uint64_t bytes, struct crash_buffer *out,
                       ccol_error *err)
{
    int code = bytes > SIZE_MAX / 4 ? -EOVERFLOW : ccol__crash_buffer_reserve(out, (size_t)bytes);
    if (code) return ccol_fail(err, code, "cannot read a spooled report");
    out->length = 0;
    while (out->length < bytes) {
        size_t piece = (size_t)bytes - out->length;
        if (out->file && piece > CRASH_BUFFER_SLICE) piece = CRASH_BUFFER_SLICE;
        ssize_t got = pread(segment->fd, out->data + out->length, piece, (off_t)(offset + out->length));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return ccol_fail(err, got < 0 ? -errno : -EIO, "cannot read spool segment %08u", segment->number);
        out->length += (size_t)got;
        ccol__crash_buffer_release(out);
    }
    return 0;
}

static struct segment_slot *slot_at(const struct segment *segment, uint64_t offset)
{
    return &segment->slots[offset / RECORD_ALIGN];
}

enum record_state ccol__segment_state(const struct segment *segment, uint64_t offset, uint64_t sequence, bool *synced)
{
    uint64_t word = atomic_load(&slot_at(segment, offset)->word);
    bool mine = word >> SEQUENCE_SHIFT == sequence;
    *synced = mine && (word & RECORD_SYNCED);
    return mine ? (enum record_state)(word & (RECORD_SYNCED - 1)) : RECORD_PENDING;
}

void ccol__segment_set_state(struct segment *segment, uint64_t offset, uint64_t sequence, enum record_state state,
                             bool synced)
{
    uint64_t word = sequence << SEQUENCE_SHIFT | (uint64_t)state | (synced ? RECORD_SYNCED : 0);
    atomic_store(&slot_at(segment, offset)->word, word);
}

uint32_t ccol__segment_progress(const struct segment *segment, uint64_t offset, uint64_t sequence)
{
    uint64_t word = atomic_load(&slot_at(segment, offset)->progress);
    return word >> 32 == (sequence & UINT32_MAX) ? (uint32_t)word : 0;
}

void ccol__segment_set_progress(struct segment *segment, uint64_t offset, uint64_t sequence, uint32_t progress)
{
    atomic_store(&slot_at(segment, offset)->progress, (sequence & UINT32_MAX) << 32 | progress);
}

int ccol__segment_each(int dir_fd, int (*each)(void *user, unsigned number, ccol_error *err), void *user,
                       ccol_error *err)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int failed = ccol_fail(err, -errno, "cannot list the spool's segments");
        if (fd >= 0) close(fd);
        return failed;
    }
    int code = 0;
    for (struct dirent *entry; !code && (entry = readdir(folder));) {
        unsigned number;
        int end = 0;
        if (sscanf(entry->d_name, "%8u.seg%n", &number, &end) == 1 && end && entry->d_name[end] == '\0')
            code = each(user, number, err);
    }
    closedir(folder);
    return code;
}
