/* SPDX-License-Identifier: MIT */
/* Annotations lie in slots, each with a sequence that is odd while it is written. Breadcrumbs and log lines lie in
 * rings: a writer takes its room by one addition, writes, and puts a checksum over all of it last, so that the reader
 * knows what is whole without knowing what was being written. */
#include "capture/notes.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define NOTES_MAGIC   UINT32_C(0x4e434343) /* "CCCN" */
#define NOTES_VERSION 1
#define RING_BYTES    ((size_t)128 << 10)
#define ALIGNMENT     16
#define CATEGORY_MAX  32

struct annotation {
    _Atomic uint32_t sequence; /* 0: never used; odd: being written */
    char name[NOTES_NAME_MAX];
    char value[NOTES_VALUE_MAX];
};

struct record {
    uint32_t check; /* over all that follows */
    uint16_t length, level;
    uint64_t position; /* its place in the ring's history */
    int64_t time_us;
    char category[CATEGORY_MAX];
};

struct ring {
    _Atomic uint64_t head;
    char data[RING_BYTES];
};

struct notes {
    uint32_t magic, version;
    int32_t pid;
    uint32_t reserved;
    struct annotation annotations[NOTES_ANNOTATIONS];
    struct ring breadcrumbs, log;
};

_Static_assert(sizeof(struct notes) <= NOTES_BYTES, "notes fit their memory");
_Static_assert(sizeof(struct record) % ALIGNMENT == 8 && offsetof(struct record, length) == 4, "no padding is checked");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "for signal handlers");

void ccol__notes_init(struct notes *notes, int32_t pid)
{
    notes->version = NOTES_VERSION;
    notes->pid = pid;
    notes->magic = NOTES_MAGIC;
}

/* Bytes that another thread or process may be writing right now: what was read is believed only if it then proves to be
 * whole. */
static void shared_put(char *to, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        __atomic_store_n(to + i, ((const char *)bytes)[i], __ATOMIC_RELAXED);
}

static void shared_get(void *out, const char *from, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((char *)out)[i] = __atomic_load_n(from + i, __ATOMIC_ACQUIRE);
}

static bool shared_is(const char *at, const char *text)
{
    for (;; at++, text++) {
        if (__atomic_load_n(at, __ATOMIC_RELAXED) != *text) return false;
        if (!*text) return true;
    }
}

/* The slot with that name, or one that is free; -1: neither. */
static int find_slot(struct notes *notes, const char *name, uint32_t *sequence)
{
    int found = -1;
    for (int i = 0; i < NOTES_ANNOTATIONS; i++) {
        struct annotation *slot = &notes->annotations[i];
        uint32_t now = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        if (now & 1) continue;
        if (now && shared_is(slot->name, name)) {
            *sequence = now;
            return i;
        }
        if (found < 0 && shared_is(slot->name, "")) {
            *sequence = now;
            found = i;
        }
    }
    return found;
}

int ccol__notes_annotate(struct notes *notes, const char *name, const char *value)
{
    size_t name_length = name ? strlen(name) : 0, value_length = value ? strlen(value) : 0;
    uint32_t sequence = 0;
    if (!name_length) return -EINVAL;
    if (name_length >= NOTES_NAME_MAX || value_length >= NOTES_VALUE_MAX) return -E2BIG;
    int found = find_slot(notes, name, &sequence);
    if (found < 0) return value ? -ENOSPC : 0;
    struct annotation *slot = &notes->annotations[found];
    if (!value && shared_is(slot->name, "")) return 0;
    if (!atomic_compare_exchange_strong(&slot->sequence, &sequence, sequence + 1)) return -EBUSY;
    shared_put(slot->name, value ? name : "", value ? name_length + 1 : 1);
    shared_put(slot->value, value ? value : "", value_length + 1);
    atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);
    return 0;
}

/* Copies the slot; false: nothing is in it, or it is being written. */
static bool read_slot(const struct annotation *slot, char name[NOTES_NAME_MAX], char value[NOTES_VALUE_MAX])
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    if (sequence == 0 || sequence & 1) return false;
    shared_get(name, slot->name, NOTES_NAME_MAX);
    shared_get(value, slot->value, NOTES_VALUE_MAX);
    if (sequence != atomic_load_explicit(&slot->sequence, memory_order_relaxed)) return false;
    return name[0] && memchr(name, '\0', NOTES_NAME_MAX) && memchr(value, '\0', NOTES_VALUE_MAX);
}

void ccol__notes_inherit(struct notes *notes, const struct notes *from)
{
    char name[NOTES_NAME_MAX], value[NOTES_VALUE_MAX];
    for (int i = 0; i < NOTES_ANNOTATIONS; i++)
        if (read_slot(&from->annotations[i], name, value)) ccol__notes_annotate(notes, name, value);
}

static uint32_t checksum(uint32_t sum, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ byte[i]) * UINT32_C(16777619);
    return sum;
}

static uint32_t record_check(const struct record *record, const char *text)
{
    size_t skip = sizeof record->check;
    uint32_t sum = checksum(UINT32_C(2166136261), (const char *)record + skip, sizeof *record - skip);
    sum = checksum(sum, text, record->length);
    return sum ? sum : 1; /* 0: nothing is there */
}

static size_t record_room(size_t length)
{
    return (sizeof(struct record) + length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void ring_put(struct ring *ring, uint64_t position, const void *bytes, size_t length)
{
    size_t at = (size_t)(position % RING_BYTES), first = RING_BYTES - at < length ? RING_BYTES - at : length;
    shared_put(ring->data + at, bytes, first);
    shared_put(ring->data, (const char *)bytes + first, length - first);
}

static void ring_get(const struct ring *ring, uint64_t position, void *out, size_t length)
{
    size_t at = (size_t)(position % RING_BYTES), first = RING_BYTES - at < length ? RING_BYTES - at : length;
    shared_get(out, ring->data + at, first);
    shared_get((char *)out + first, ring->data, length - first);
}

static void ring_add(struct ring *ring, struct record *record, const char *text, size_t length)
{
    static const uint32_t nothing;
    record->length = (uint16_t)(length < NOTES_LINE_MAX ? length : NOTES_LINE_MAX);
    record->position = atomic_fetch_add(&ring->head, record_room(record->length));
    ring_put(ring, record->position, &nothing, sizeof nothing);
    ring_put(ring, record->position + sizeof *record, text, record->length);
    ring_put(ring, record->position + sizeof nothing, (const char *)record + sizeof nothing,
             sizeof *record - sizeof nothing);
    record->check = record_check(record, text);
    uint32_t *check = (uint32_t *)(void *)(ring->data + record->position % RING_BYTES); /* never at the ring's edge */
    __atomic_store_n(check, record->check, __ATOMIC_RELEASE);
}

void ccol__notes_breadcrumb(struct notes *notes, int64_t time_us, int level, const char *category, const char *text,
                            size_t length)
{
    struct record record = {.level = (uint16_t)level, .time_us = time_us};
    size_t used = category ? strlen(category) : 0;
    if (used > CATEGORY_MAX - 1) used = CATEGORY_MAX - 1;
    if (used) memcpy(record.category, category, used);
    ring_add(&notes->breadcrumbs, &record, text, length);
}

void ccol__notes_log(struct notes *notes, int64_t time_us, int level, const char *text, size_t length)
{
    struct record record = {.level = (uint16_t)level, .time_us = time_us};
    ring_add(&notes->log, &record, text, length);
}

static void read_annotations(const struct notes *notes, const struct notes_events *events, void *user)
{
    for (int i = 0; events->annotation && i < NOTES_ANNOTATIONS; i++) {
        char name[NOTES_NAME_MAX], value[NOTES_VALUE_MAX];
        if (read_slot(&notes->annotations[i], name, value)) events->annotation(user, name, value);
    }
}

/* Copies the record at that position, if there is a whole one. */
static bool read_record(const struct ring *ring, uint64_t position, uint64_t head, struct record *record,
                        char text[NOTES_LINE_MAX + 1])
{
    ring_get(ring, position, record, sizeof *record);
    if (!record->check || record->position != position || record->length > NOTES_LINE_MAX ||
        record_room(record->length) > head - position)
        return false;
    ring_get(ring, position + sizeof *record, text, record->length);
    text[record->length] = '\0';
    record->category[CATEGORY_MAX - 1] = '\0';
    return record_check(record, text) == record->check;
}

static void read_ring(const struct ring *ring, const struct notes_events *events, void *user, bool is_log)
{
    struct record record;
    char text[NOTES_LINE_MAX + 1];
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    head -= head % ALIGNMENT;
    uint64_t position = head > RING_BYTES ? head - RING_BYTES : 0;
    if (is_log ? !events->log : !events->breadcrumb) return;
    while (position < head && head - position >= sizeof record) {
        if (!read_record(ring, position, head, &record, text)) {
            position += ALIGNMENT;
            continue;
        }
        if (is_log) {
            events->log(user, record.time_us, record.level, text, record.length);
        } else {
            events->breadcrumb(user, record.time_us, record.level, record.category, text, record.length);
        }
        position += record_room(record.length);
    }
}

int ccol__notes_read(const void *memory, size_t length, const struct notes_events *events, void *user)
{
    const struct notes *notes = memory;
    if (length < sizeof *notes || notes->magic != NOTES_MAGIC || notes->version != NOTES_VERSION) return -1;
    read_annotations(notes, events, user);
    read_ring(&notes->breadcrumbs, events, user, false);
    read_ring(&notes->log, events, user, true);
    return 0;
}
