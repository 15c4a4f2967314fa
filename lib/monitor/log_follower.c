/* SPDX-License-Identifier: MIT */
#include "monitor/log_follower.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS      3    /* stdout, stderr, what the app hands over; the keeper's own notes are no panics */
#define PLACES_MOST  4096 /* records of one stream that a panic may have begun in */
#define PLACES_QUIET 16   /* the same while no panic is open: a line may have begun some records ago */

/* Where a record's bytes are in its stream. */
struct place {
    uint64_t offset, position;
};

struct followed_stream {
    struct log_follower *follower;
    enum ring_stream stream;
    struct panic_reader *reader;
    uint64_t offset; /* bytes fed */
    struct place places[PLACES_MOST];
    size_t place_count;
};

struct log_follower {
    const struct ring_view *ring;
    uint64_t position, lost;
    struct follow_cursor start, settled;
    int64_t at_us; /* of the record that is being read */
    struct followed_stream streams[STREAMS];
    struct found_panic waiting[PANICS_WAITING_MOST];
    size_t waiting_count;
    char bytes[RING_RECORD_MAX];
};

/* The last record that begins at or before the offset. */
static struct place place_of(const struct followed_stream *stream, uint64_t offset)
{
    for (size_t i = stream->place_count; i-- > 0;) {
        if (stream->places[i].offset <= offset) return stream->places[i];
    }
    return stream->place_count ? stream->places[0] : (struct place){0, 0};
}

/* Whether an earlier follower has dealt with it. */
static bool is_settled(const struct log_follower *follower, uint64_t position, uint64_t begin)
{
    const struct follow_cursor *start = &follower->start;
    return position < start->settled_position || (position == start->settled_position && begin < start->settled_bytes);
}

static void on_panic(void *user, const struct panic *panic)
{
    struct followed_stream *stream = user;
    struct log_follower *follower = stream->follower;
    struct place place = place_of(stream, panic->begin);
    uint64_t begin = panic->begin > place.offset ? panic->begin - place.offset : 0;
    if (is_settled(follower, place.position, begin)) return;
    struct panic *copy = ccol__panic_copy(panic);
    if (!copy) return;
    if (follower->waiting_count == PANICS_WAITING_MOST) /* a flood: of these the oldest is forgotten */
        ccol__log_follower_drop(follower, &follower->waiting[0]);
    follower->waiting[follower->waiting_count++] = (struct found_panic){.panic = copy,
                                                                        .position = place.position,
                                                                        .begin = begin,
                                                                        .end = follower->position,
                                                                        .at_us = follower->at_us,
                                                                        .stream = stream->stream};
}

int ccol__log_follower_new(struct log_follower **out, const struct ring_view *ring, const struct follow_cursor *cursor)
{
    struct log_follower *follower = calloc(1, sizeof *follower);
    if (!follower) return -ENOMEM;
    follower->ring = ring;
    follower->start = follower->settled = *cursor;
    follower->position = cursor->position;
    for (size_t i = 0; i < STREAMS; i++) {
        struct followed_stream *stream = &follower->streams[i];
        stream->follower = follower;
        stream->stream = (enum ring_stream)(i + 1);
        if (ccol__panic_reader_new(&stream->reader, on_panic, stream) != 0) {
            ccol__log_follower_free(follower);
            return -ENOMEM;
        }
    }
    *out = follower;
    return 0;
}

static void feed(struct log_follower *follower, uint64_t position, const struct ring_record *record)
{
    struct followed_stream *stream = &follower->streams[record->stream - 1];
    size_t length = record->length < RING_RECORD_MAX ? record->length : RING_RECORD_MAX;
    size_t most = ccol__panic_reader_is_open(stream->reader) ? PLACES_MOST : PLACES_QUIET;
    if (stream->place_count >= most) {
        size_t drop = stream->place_count - most / 2;
        stream->place_count -= drop;
        memmove(stream->places, stream->places + drop, stream->place_count * sizeof stream->places[0]);
    }
    stream->places[stream->place_count++] = (struct place){stream->offset, position};
    stream->offset += length;
    follower->at_us = record->at_us;
    ccol__panic_reader_feed(stream->reader, follower->bytes, length);
}

void ccol__log_follower_read(struct log_follower *follower, uint64_t until)
{
    struct ring_record record;
    while (follower->ring->header && follower->position < until) {
        uint64_t position = follower->position;
        if (ccol__ring_view_next(follower->ring, &follower->position, &record, follower->bytes, sizeof follower->bytes,
                                 &follower->lost) != 1)
            return;
        if (record.stream >= RING_STDOUT && record.stream <= RING_CAPTURE) feed(follower, position, &record);
    }
}

void ccol__log_follower_settle(struct log_follower *follower)
{
    for (size_t i = 0; i < STREAMS; i++)
        ccol__panic_reader_idle(follower->streams[i].reader);
}

void ccol__log_follower_end(struct log_follower *follower)
{
    for (size_t i = 0; i < STREAMS; i++)
        ccol__panic_reader_end(follower->streams[i].reader);
}

bool ccol__log_follower_is_busy(const struct log_follower *follower)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (ccol__panic_reader_is_open(follower->streams[i].reader)) return true;
    }
    return follower->waiting_count > 0;
}

struct found_panic *ccol__log_follower_oldest(struct log_follower *follower, int64_t until_us)
{
    if (follower->waiting_count == 0 || follower->waiting[0].at_us > until_us) return NULL;
    return &follower->waiting[0];
}

struct found_panic *ccol__log_follower_at(struct log_follower *follower, size_t index)
{
    return index < follower->waiting_count ? &follower->waiting[index] : NULL;
}

void ccol__log_follower_drop(struct log_follower *follower, struct found_panic *found)
{
    size_t index = (size_t)(found - follower->waiting);
    struct follow_cursor *settled = &follower->settled;
    if (found->position > settled->settled_position) settled->settled_bytes = 0;
    if (found->position >= settled->settled_position) {
        settled->settled_position = found->position;
        if (found->begin >= settled->settled_bytes) settled->settled_bytes = found->begin + 1;
    }
    free(found->panic);
    follower->waiting_count--;
    memmove(found, found + 1, (follower->waiting_count - index) * sizeof *found);
}

void ccol__log_follower_cursor(const struct log_follower *follower, struct follow_cursor *out)
{
    *out = follower->settled;
    out->position = follower->position;
    for (size_t i = 0; i < follower->waiting_count; i++) {
        if (follower->waiting[i].position < out->position) out->position = follower->waiting[i].position;
    }
    for (size_t i = 0; i < STREAMS; i++) { /* what is open, or the line that is, began in a record that is known */
        const struct followed_stream *stream = &follower->streams[i];
        if (stream->place_count && stream->places[0].position < out->position)
            out->position = stream->places[0].position;
    }
}

void ccol__log_follower_free(struct log_follower *follower)
{
    if (!follower) return;
    for (size_t i = 0; i < follower->waiting_count; i++)
        free(follower->waiting[i].panic);
    for (size_t i = 0; i < STREAMS; i++)
        ccol__panic_reader_free(follower->streams[i].reader);
    free(follower);
}
