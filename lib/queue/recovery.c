/* SPDX-License-Identifier: MIT */
/* What the spool holds when a collector starts.
 *
 * A segment's records carry its generation and follow each other without a gap in their sequence. The walk ends where
 * no such record begins. If there are still records of this generation further on, something is missing between: when
 * it belongs to the last group commit, that commit was torn before anybody was answered, which is normal; else bytes
 * that had been made durable have changed, which is loud, and they are moved aside. */
#include "queue/spool_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

#define SCAN_BYTES ((uint64_t)1 << 20)
/* Bytes of a gap that are worth keeping. */
#define SET_ASIDE_MAX ((uint64_t)64 << 20)

struct walk {
    struct spool *spool;
    struct segment *segment;
    bool rebooted;
    spool_found_fn found;
    void *user;
    uint64_t offset, expected;
    struct crash_buffer page;
};

static bool read_header_at(struct walk *walk, uint64_t offset, struct record_header *header)
{
    if (offset + RECORD_ALIGN > walk->segment->bytes) return false;
    if (ccol__segment_read(walk->segment, offset, RECORD_ALIGN, &walk->page, NULL)) return false;
    return ccol__record_read_header(header, walk->page.data, walk->page.length) &&
           header->generation == walk->segment->generation && header->record_bytes <= walk->segment->bytes - offset;
}

/* Looks for the next record of this generation at or after `from`. */
static bool find_later(struct walk *walk, uint64_t from, struct record_header *header, uint64_t *offset)
{
    struct crash_buffer piece = {0};
    bool seen = false;
    for (uint64_t at = from; !seen && at < walk->segment->bytes; at += SCAN_BYTES) {
        uint64_t bytes = walk->segment->bytes - at < SCAN_BYTES ? walk->segment->bytes - at : SCAN_BYTES;
        if (ccol__segment_read(walk->segment, at, bytes, &piece, NULL)) break;
        for (uint64_t i = 0; !seen && i < bytes; i += RECORD_ALIGN) {
            seen = ccol__record_read_header(header, piece.data + i, RECORD_ALIGN) &&
                   header->generation == walk->segment->generation && header->sequence >= walk->expected;
            *offset = at + i;
        }
    }
    ccol__crash_buffer_fini(&piece);
    return seen && header->record_bytes <= walk->segment->bytes - *offset;
}

/* Only what was written last can be incomplete: all before it had been flushed. The record stands at `offset`. */
static bool is_last_batch(const struct walk *walk, uint64_t offset, const struct record_header *header)
{
    struct record_header later = *header;
    struct walk ahead = *walk;
    ahead.page = (struct crash_buffer){0};
    bool last = true;
    while (last) {
        ahead.expected = later.sequence + 1;
        if (!find_later(&ahead, offset + later.record_bytes, &later, &offset)) break;
        last = later.batch_first == header->batch_first;
    }
    return last;
}

/* In slices: a record may be larger than the memory there is. */
static bool payload_intact(struct walk *walk, const struct record_header *header)
{
    struct crash_buffer piece = {0};
    uint64_t end = RECORD_HEADER_BYTES + header->payload_bytes;
    uint32_t crc = 0;
    bool read = true;
    for (uint64_t at = 0, slice; read && at < end; at += slice) {
        slice = header->record_bytes - at < CRASH_BUFFER_SLICE ? header->record_bytes - at : CRASH_BUFFER_SLICE;
        size_t from = at ? 0 : RECORD_HEADER_BYTES, to = (size_t)(end - at < slice ? end - at : slice);
        read = ccol__segment_read(walk->segment, walk->offset + at, slice, &piece, NULL) == 0;
        if (read) crc = ccol__crc32c(crc, piece.data + from, to - from);
    }
    ccol__crash_buffer_fini(&piece);
    return read && crc == header->payload_crc;
}

/* The state as it may be believed: what was not flushed before the machine went down is to be done again. */
static enum record_state believed_state(struct walk *walk, uint64_t sequence, bool *unflushed)
{
    bool synced;
    enum record_state state = ccol__segment_state(walk->segment, walk->offset, sequence, &synced);
    /* Saved, but for a flush of the storage that the process before did not come to. */
    *unflushed = state == RECORD_DONE && !synced;
    if (synced || !walk->rebooted) return state;
    ccol__segment_set_state(walk->segment, walk->offset, sequence, RECORD_PENDING, false);
    ccol__segment_set_progress(walk->segment, walk->offset, sequence, 0);
    return RECORD_PENDING;
}

/* Bits that stand for another storage now are cleared for good. */
static uint32_t believed_progress(struct walk *walk, uint64_t sequence)
{
    uint32_t progress = ccol__segment_progress(walk->segment, walk->offset, sequence);
    if (progress & walk->spool->slots.taken_over) {
        progress &= ~walk->spool->slots.taken_over;
        ccol__segment_set_progress(walk->segment, walk->offset, sequence, progress);
    }
    return ccol__slots_unpack(&walk->spool->slots, progress);
}

/* A record whose payload is not what its header says. */
static void leave_out(struct walk *walk, const struct record_header *header)
{
    if (is_last_batch(walk, walk->offset, header))
        ccol__log(walk->spool->options.log, CCOL_LOG_INFO, "spool", header->id,
                  "left out: it was being written when the collector died and was never acknowledged");
    else
        ccol__spool_set_aside(walk->spool, walk->segment, walk->offset, header->record_bytes, header->id,
                              "a report is damaged");
    ccol__segment_set_state(walk->segment, walk->offset, header->sequence, RECORD_VOID, true);
}

/* One record whose header is good. */
static int take_record(struct walk *walk, const struct record_header *header)
{
    struct spool_found found = {.header = *header,
                                .place = {walk->segment, walk->offset, header->record_bytes, header->sequence}};
    bool unflushed;
    found.state = believed_state(walk, header->sequence, &unflushed);
    found.progress = believed_progress(walk, header->sequence);
    if (found.state == RECORD_DONE && unflushed) {
        atomic_fetch_add(&walk->segment->live, 1);
        return walk->found(walk->user, &found);
    }
    if (found.state != RECORD_PENDING && found.state != RECORD_SAVED) return 0;
    if (!payload_intact(walk, header)) {
        leave_out(walk, header);
        return 0;
    }
    atomic_fetch_add(&walk->segment->live, 1);
    return walk->found(walk->user, &found);
}

/* Steps over a gap. false: there is nothing behind it. */
static bool step_over(struct walk *walk, struct record_header *header)
{
    uint64_t next;
    if (!find_later(walk, walk->offset, header, &next)) return false;
    bool torn = header->batch_first <= walk->expected && is_last_batch(walk, next, header);
    uint64_t gap = next - walk->offset;
    if (!torn)
        ccol__spool_set_aside(walk->spool, walk->segment, walk->offset, gap < SET_ASIDE_MAX ? gap : SET_ASIDE_MAX, "",
                              "reports are missing");
    walk->offset = next;
    return true;
}

/* Whose head page is lost: the records tell the generation, the newest of which begins at the front. A segment that was
 * made and not yet used has neither head nor records. */
static void find_generation(struct walk *walk)
{
    struct segment *segment = walk->segment;
    struct record_header header;
    uint64_t at = SEGMENT_HEADER_BYTES, end = segment->head_blank ? at + RECORD_ALIGN : segment->bytes;
    for (; at < end && at + RECORD_ALIGN <= segment->bytes; at += RECORD_ALIGN) {
        if (ccol__segment_read(segment, at, RECORD_ALIGN, &walk->page, NULL)) return;
        if (!ccol__record_read_header(&header, walk->page.data, walk->page.length)) continue;
        ccol__spool_set_aside(walk->spool, segment, 0, SEGMENT_HEADER_BYTES, "", "the head is damaged");
        segment->generation = header.generation;
        return;
    }
}

static int walk_segment(struct walk *walk)
{
    struct record_header header;
    walk->offset = SEGMENT_HEADER_BYTES;
    walk->expected = walk->segment->generation;
    for (;;) {
        bool next = read_header_at(walk, walk->offset, &header) && header.sequence == walk->expected;
        if (!next && !step_over(walk, &header)) break;
        int code = take_record(walk, &header);
        if (code) return code;
        walk->expected = header.sequence + 1;
        walk->offset += header.record_bytes;
    }
    walk->segment->tail = walk->segment->bytes; /* old segments are never written on */
    if (walk->spool->next_sequence < walk->expected) walk->spool->next_sequence = walk->expected;
    return 0;
}

struct opened {
    struct segment *segment;
    bool rebooted;
};

struct opened_list {
    struct opened *items;
    size_t count, capacity;
};

struct opening {
    struct spool *spool;
    struct opened_list list;
};

static int open_one(void *user, unsigned number, ccol_error *err)
{
    struct opening *opening = user;
    struct opened_list *list = &opening->list;
    if (list->count == list->capacity) {
        size_t wanted = list->capacity ? list->capacity * 2 : 16;
        void *grown = reallocarray(list->items, wanted, sizeof *list->items);
        if (!grown) return ccol_fail(err, -ENOMEM, "cannot read the spool");
        list->items = grown;
        list->capacity = wanted;
    }
    struct opened *item = &list->items[list->count];
    int code = ccol__segment_open(&item->segment, opening->spool->segments_fd, number, &item->rebooted, err);
    if (code) return code;
    list->count++;
    opening->spool->disk_bytes += item->segment->bytes;
    if (opening->spool->last_number < number) opening->spool->last_number = number;
    return 0;
}

static int compare_generations(const void *a, const void *b)
{
    uint64_t x = ((const struct opened *)a)->segment->generation, y = ((const struct opened *)b)->segment->generation;
    return (x > y) - (x < y);
}

/* Files a walked segment under used or free, or deletes it. */
static void file_segment(struct spool *spool, struct segment *segment)
{
    ccol__segment_adopt(segment);
    bool usable = segment->bytes == spool->options.segment_bytes;
    struct segment **list = atomic_load(&segment->live) ? &spool->used : usable ? &spool->free : NULL;
    if (!list) {
        spool->disk_bytes -= segment->bytes;
        ccol__segment_close(segment, spool->segments_fd);
        return;
    }
    if (list == &spool->free) spool->free_count++;
    segment->next = *list;
    *list = segment;
}

int ccol__recovery_run(struct spool *spool, spool_found_fn found, void *user, ccol_error *err)
{
    struct opening opening = {.spool = spool};
    int code = ccol__segment_each(spool->segments_fd, open_one, &opening, err);
    const struct opened_list *list = &opening.list;
    if (!code && list->count) qsort(list->items, list->count, sizeof *list->items, compare_generations);
    for (size_t i = 0; i < list->count; i++) {
        struct opened *item = &list->items[i];
        struct walk walk = {
            .spool = spool, .segment = item->segment, .rebooted = item->rebooted, .found = found, .user = user};
        if (!code && !item->segment->generation) find_generation(&walk);
        if (!code && item->segment->generation) {
            code = walk_segment(&walk);
            if (code) ccol_fail(err, code, "cannot take up what the spool holds");
        }
        ccol__crash_buffer_fini(&walk.page);
        if (code)
            ccol__segment_close(item->segment, -1);
        else
            file_segment(spool, item->segment);
    }
    free(list->items);
    /* Sequence numbers never come twice, even if the newest segment is gone: the clock is ahead of any rate of use. */
    uint64_t now = (uint64_t)ccol__clock_now_us();
    if (spool->next_sequence < now) spool->next_sequence = now;
    return code;
}
