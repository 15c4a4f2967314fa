/* SPDX-License-Identifier: MIT */
/* The log ring: the app's last output in a file that is mapped shared, so that it outlives a kill of everything. One
 * writer (the keeper), any number of readers, no lock.
 *
 * The file is RING_HEADER_BYTES with a struct ring_header, then `capacity` bytes of data, a power of two. Positions
 * count bytes from the beginning of time; a position lies at data[position % capacity], and what reaches the end goes
 * on at its start. Between tail and head stand whole records: struct ring_record, its bytes, zeros up to a multiple of
 * 8. A record is what one read(2) of the app's output gave: lines may begin and end anywhere in it.
 *
 * Writing: move tail past the records that will be overwritten (release), write, move head (release). Reading: load
 * head (acquire), copy what lies between the wanted position and head, then load tail (acquire after the copy): what
 * was copied from before that tail is void. */
#ifndef CCOL_KEEPER_RING_H
#define CCOL_KEEPER_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAGIC          "ccolring"
#define RING_VERSION        1
#define RING_HEADER_BYTES   4096
#define RING_RECORD_MAX     65536 /* most bytes of one record, its head left out */
#define RING_CAPACITY_LEAST (2 * (uint64_t)RING_RECORD_MAX)

enum ring_stream {
    RING_STDOUT = 1,
    RING_STDERR = 2,
    RING_CAPTURE = 3, /* lines that the app handed over itself (ccol_capture_log) */
    RING_KEEPER = 4   /* notes of the keeper, not of the app */
};

struct ring_header {
    char magic[8];
    uint32_t version, header_bytes; /* RING_VERSION, RING_HEADER_BYTES */
    uint64_t capacity;
    _Atomic uint64_t head, tail;
    _Atomic uint64_t bytes[4];   /* read so far, by stream - 1 */
    _Atomic uint64_t dropped[4]; /* of those, what could not be passed on to the real stdout and stderr */
};

struct ring_record {
    uint32_t length; /* of the bytes that follow */
    uint16_t stream; /* enum ring_stream */
    uint16_t check;  /* RING_RECORD_CHECK */
    int64_t at_us;   /* when it was read: microseconds since 1970-01-01 UTC */
};
#define RING_RECORD_CHECK 0x524c

/* The writer's side. Zeroed is none. */
struct ring {
    struct ring_header *header; /* NULL: no ring */
    char *data;
};

/* Makes the file `name` in dir_fd (replacing none: it must not exist), allocates its blocks and maps it. capacity is
 * rounded up to a power of two. 0 or -errno. */
int ccol__ring_create(struct ring *ring, int dir_fd, const char *name, uint64_t capacity);
/* Writes length bytes as one record or several. Never fails, never allocates, makes no system call. */
void ccol__ring_append(struct ring *ring, enum ring_stream stream, const void *bytes, size_t length, int64_t at_us);
void ccol__ring_close(struct ring *ring);

/* The reader's side: a mapping of somebody else's file, which is believed in nothing. */
struct ring_view {
    const struct ring_header *header;
    const char *data;
    uint64_t capacity;
    size_t mapped;
};

/* Maps the file read-only. 0, -errno, or CCOL_EFORMAT for what is no ring. */
int ccol__ring_view_open(struct ring_view *view, int dir_fd, const char *name);
/* Copies the record at *position (0: the oldest) and moves *position behind it. At most `size` bytes of its content
 * go to out; *record tells its real length. 1: a record; 0: nothing new. When the writer has overtaken the reader,
 * *position first moves to the oldest record and *lost grows by the bytes passed over. */
int ccol__ring_view_next(const struct ring_view *view, uint64_t *position, struct ring_record *record, char *out,
                         size_t size, uint64_t *lost);
void ccol__ring_view_close(struct ring_view *view);

#endif
