/* SPDX-License-Identifier: MIT */
#include "queue/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/folder.h"
#include "base/thread.h"
#include "queue/spool_private.h"

#define BATCH_PIECES 256
/* Segments kept for use beyond the active one; more are deleted as they become free. */
#define FREE_KEPT 4
/* What a commit waits for a spare segment that is being made, when there is no room but its. */
#define PREPARE_WAIT_MS 5000

static const struct log *log_of(const struct spool *spool)
{
    return spool->options.log;
}

bool ccol__spool_has_room(const struct spool *spool)
{
    /* Worth another try as soon as anything has become free since. */
    return atomic_load(&spool->full_at) != atomic_load(&spool->releases);
}

uint64_t ccol__spool_disk_bytes(const struct spool *spool)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&spool->lock;
    pthread_mutex_lock(lock);
    uint64_t bytes = spool->disk_bytes;
    pthread_mutex_unlock(lock);
    return bytes;
}

void ccol__spool_trouble(struct spool *spool, char *text, size_t size)
{
    pthread_mutex_lock(&spool->lock);
    snprintf(text, size, "%s", spool->trouble);
    pthread_mutex_unlock(&spool->lock);
}

static void set_trouble(struct spool *spool, const char *text)
{
    pthread_mutex_lock(&spool->lock);
    snprintf(spool->trouble, sizeof spool->trouble, "%.*s", (int)sizeof spool->trouble - 1, text);
    pthread_mutex_unlock(&spool->lock);
}

/* Takes a number and room under max_bytes for a new segment, or CCOL_EFULL. */
static int claim_room(struct spool *spool, uint64_t bytes, unsigned *number, ccol_error *err)
{
    pthread_mutex_lock(&spool->lock);
    bool fits = bytes <= spool->options.max_bytes && spool->disk_bytes <= spool->options.max_bytes - bytes;
    if (fits) {
        spool->disk_bytes += bytes;
        *number = spool->last_number = spool->last_number % SEGMENT_NUMBER_MAX + 1;
    }
    pthread_mutex_unlock(&spool->lock);
    if (fits) return 0;
    return ccol_fail(err, CCOL_EFULL,
                     "the spool is full: its segments reach spool_max_bytes (%llu); raise it, or see why "
                     "reports are not being saved",
                     (unsigned long long)spool->options.max_bytes);
}

static void return_room(struct spool *spool, uint64_t bytes)
{
    pthread_mutex_lock(&spool->lock);
    spool->disk_bytes -= bytes;
    pthread_mutex_unlock(&spool->lock);
    atomic_fetch_add(&spool->releases, 1);
}

static int make_segment(struct spool *spool, uint64_t bytes, bool prewrite, struct segment **out, ccol_error *err)
{
    unsigned number = 0;
    int code = claim_room(spool, bytes, &number, err);
    if (code) return code;
    code = ccol__segment_create(out, spool->segments_fd, number, bytes, prewrite, err);
    if (code) return_room(spool, bytes);
    return code;
}

/* Deletes a segment that no list holds any more. */
static void drop_segment(struct spool *spool, struct segment *segment)
{
    return_room(spool, segment->bytes);
    ccol__segment_close(segment, spool->segments_fd);
}

static void put_free_locked(struct spool *spool, struct segment *segment)
{
    segment->next = spool->free;
    spool->free = segment;
    spool->free_count++;
}

static struct segment *take_free_locked(struct spool *spool)
{
    struct segment *segment = spool->free;
    if (!segment) return NULL;
    spool->free = segment->next;
    spool->free_count--;
    return segment;
}

/* A segment whose records are all done leaves `used`: kept for another generation, or deleted. */
static void retire(struct spool *spool, struct segment *segment)
{
    pthread_mutex_lock(&spool->lock);
    struct segment **at = &spool->used;
    while (*at && *at != segment)
        at = &(*at)->next;
    bool listed = *at != NULL && segment != spool->active && atomic_load(&segment->live) == 0;
    bool kept =
        listed && !segment->suspect && segment->bytes == spool->options.segment_bytes && spool->free_count < FREE_KEPT;
    if (listed) *at = segment->next;
    if (kept) put_free_locked(spool, segment);
    pthread_mutex_unlock(&spool->lock);
    if (listed && !kept) drop_segment(spool, segment);
    atomic_fetch_add(&spool->releases, 1); /* also when it is the active one: it may be left now */
}

static void leave_active(struct spool *spool)
{
    struct segment *left = spool->active;
    if (!left) return;
    pthread_mutex_lock(&spool->lock);
    spool->active = NULL;
    pthread_mutex_unlock(&spool->lock);
    retire(spool, left);
}

static struct segment *take_free(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    struct segment *segment = take_free_locked(spool);
    spool->prepare = spool->free_count == 0;
    if (spool->prepare) pthread_cond_signal(&spool->prepare_wanted);
    pthread_mutex_unlock(&spool->lock);
    return segment;
}

/* Where there is no room for a new segment: a free one, or the one that is being made and holds the room meanwhile. */
static struct segment *await_free(struct spool *spool)
{
    uint64_t deadline_ms = ccol__clock_monotonic_ms() + PREPARE_WAIT_MS;
    pthread_mutex_lock(&spool->lock);
    spool->prepare = false;
    while (spool->preparing && !spool->free && ccol__clock_monotonic_ms() < deadline_ms)
        ccol__cond_wait_until(&spool->prepared, &spool->lock, deadline_ms);
    struct segment *segment = take_free_locked(spool);
    pthread_mutex_unlock(&spool->lock);
    return segment;
}

static bool is_ordinary(const struct spool *spool, uint64_t bytes)
{
    return bytes + SEGMENT_HEADER_BYTES <= spool->options.segment_bytes;
}

/* A record larger than any segment gets one of its own, for which free ones give up their room. */
static int make_large(struct spool *spool, uint64_t bytes, struct segment **out, ccol_error *err)
{
    for (;;) {
        int code = make_segment(spool, bytes, false, out, err);
        struct segment *given_up = code == CCOL_EFULL ? await_free(spool) : NULL;
        if (!given_up) return code;
        drop_segment(spool, given_up);
    }
}

static int find_segment(struct spool *spool, uint64_t bytes, struct segment **out, ccol_error *err)
{
    if (!is_ordinary(spool, bytes)) return make_large(spool, bytes + SEGMENT_HEADER_BYTES, out, err);
    *out = take_free(spool);
    int code = *out ? 0 : make_segment(spool, spool->options.segment_bytes, false, out, err);
    if (code == CCOL_EFULL) *out = await_free(spool);
    return code == CCOL_EFULL && *out ? 0 : code;
}

/* Makes a segment with room for `bytes` the active one. On failure the active one stays. */
static int next_segment(struct spool *spool, uint64_t bytes, ccol_error *err)
{
    struct segment *segment;
    int code = find_segment(spool, bytes, &segment, err);
    if (code == CCOL_EFULL && spool->active && atomic_load(&spool->active->live) == 0) {
        leave_active(spool); /* it is empty: its room can be had */
        code = find_segment(spool, bytes, &segment, err);
    }
    if (code) return code;
    leave_active(spool);
    code = ccol__segment_activate(segment, spool->next_sequence, err);
    if (code) {
        drop_segment(spool, segment);
        return code;
    }
    atomic_store(&segment->live, 0);
    pthread_mutex_lock(&spool->lock);
    segment->next = spool->used;
    spool->used = segment;
    spool->active = segment;
    pthread_mutex_unlock(&spool->lock);
    return 0;
}

/* What was written together did not become durable: nobody was told that it did, and the segment is left alone. */
static void void_places(struct spool *spool, struct spool_place *places, size_t count)
{
    struct segment *segment = spool->active;
    segment->suspect = true;
    for (size_t i = 0; i < count; i++) {
        ccol__segment_set_state(segment, places[i].offset, places[i].sequence, RECORD_VOID, true);
        places[i].segment = NULL;
    }
    atomic_fetch_sub(&segment->live, count);
    leave_active(spool);
}

/* A large record passes through memory in slices. */
static int write_large(struct segment *segment, const struct crash_buffer *bytes, size_t length, ccol_error *err)
{
    int code = 0;
    for (size_t at = 0, slice; !code && at < length; at += slice) {
        slice = length - at < CRASH_BUFFER_SLICE ? length - at : CRASH_BUFFER_SLICE;
        struct iovec piece = {bytes->data + at, slice};
        code = ccol__segment_write(segment, &piece, 1, slice, err);
        ccol__crash_buffer_release(bytes);
    }
    return code;
}

/* Writes what the places say, in one go but for large records. */
static int write_reports(struct segment *segment, ccol_report *const *reports, const struct spool_place *places,
                         size_t count, ccol_error *err)
{
    struct iovec pieces[BATCH_PIECES];
    uint64_t bytes = 0;
    int waiting = 0, code = 0;
    for (size_t i = 0; !code && i < count; i++) {
        bool large = reports[i]->bytes.file;
        if (!large) {
            pieces[waiting++] = (struct iovec){reports[i]->bytes.data, places[i].bytes};
            bytes += places[i].bytes;
        }
        if (waiting && (large || i + 1 == count)) {
            code = ccol__segment_write(segment, pieces, waiting, bytes, err);
            waiting = 0;
            bytes = 0;
        }
        if (!code && large) code = write_large(segment, &reports[i]->bytes, places[i].bytes, err);
    }
    return code;
}

/* Writes and flushes reports that all fit into the active segment. */
static int commit_run(struct spool *spool, ccol_report *const *reports, struct spool_place *places, size_t count,
                      ccol_error *err)
{
    struct segment *segment = spool->active;
    uint64_t batch_first = spool->next_sequence, offset = segment->tail, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = ccol__record_bytes(reports[i]);
        places[i] = (struct spool_place){segment, offset + bytes, length, spool->next_sequence++};
        ccol__record_place(reports[i], segment->generation, places[i].sequence, batch_first);
        bytes += length;
    }
    atomic_fetch_add(&segment->live, count);
    int code = write_reports(segment, reports, places, count, err);
    if (!code) code = ccol__segment_flush(segment, err);
    if (code) void_places(spool, places, count);
    return code;
}

/* How many of the reports, at least one, go into the active segment in one write. */
static size_t run_length(const struct spool *spool, ccol_report *const *reports, size_t count)
{
    uint64_t room = spool->active->bytes - spool->active->tail;
    size_t fit = 0;
    while (fit < count && fit < BATCH_PIECES && ccol__record_bytes(reports[fit]) <= room)
        room -= ccol__record_bytes(reports[fit++]);
    return fit;
}

static int commit_some(struct spool *spool, ccol_report *const *reports, struct spool_place *places, size_t count,
                       size_t *done, ccol_error *err)
{
    *done = spool->active ? run_length(spool, reports, count) : 0;
    if (!*done) {
        *done = 1; /* what fails now */
        int code = next_segment(spool, ccol__record_bytes(reports[0]), err);
        if (code) return code;
        *done = run_length(spool, reports, count);
    }
    return commit_run(spool, reports, places, *done, err);
}

int ccol__spool_commit(struct spool *spool, ccol_report *const *reports, struct spool_place *places, size_t count,
                       ccol_error *err)
{
    uint64_t began = ccol__clock_monotonic_us(), releases = atomic_load(&spool->releases);
    int result = 0;
    bool full = false;
    memset(places, 0, count * sizeof *places);
    for (size_t at = 0, done; at < count; at += done) {
        ccol_error failure = {0};
        int code = commit_some(spool, reports + at, places + at, count - at, &done, &failure);
        if (!code) continue;
        result = code;
        if (err) *err = failure;
        ccol__metrics_count(spool->options.metrics, METRIC_SPOOL_ERROR, NULL);
        if (spool->trouble[0] == '\0' || code != CCOL_EFULL)
            ccol__log(log_of(spool), CCOL_LOG_ERROR, "spool", "", "%s", failure.text);
        set_trouble(spool, failure.text);
        /* One that is too large for what is left says nothing about others. */
        full = full || (code == CCOL_EFULL && is_ordinary(spool, ccol__record_bytes(reports[at])));
    }
    atomic_store(&spool->full_at, full ? releases : 0);
    if (!result && spool->trouble[0]) set_trouble(spool, "");
    ccol__metrics_observe(spool->options.metrics, METRIC_SPOOL_COMMIT, NULL,
                          (double)(ccol__clock_monotonic_us() - began) / 1000.0);
    return result;
}

void ccol__spool_mark(struct spool *spool, const struct spool_place *place, enum record_state state, bool synced)
{
    if (!place->segment) return;
    ccol__segment_set_state(place->segment, place->offset, place->sequence, state, synced);
    bool final = synced && (state == RECORD_DONE || state == RECORD_FAILED);
    if (final && atomic_fetch_sub(&place->segment->live, 1) == 1) retire(spool, place->segment);
}

void ccol__spool_mark_progress(const struct spool *spool, const struct spool_place *place, uint32_t progress)
{
    if (!place->segment) return;
    uint32_t before = ccol__segment_progress(place->segment, place->offset, place->sequence);
    ccol__segment_set_progress(place->segment, place->offset, place->sequence,
                               ccol__slots_pack(&spool->slots, progress, before));
}

int ccol__spool_load(const struct spool_place *place, struct crash_pool *pool, ccol_report **out, ccol_error *err)
{
    struct crash_buffer bytes = {.pool = ccol__crash_pool_spills(pool, place->bytes) ? pool : NULL};
    int code = ccol__segment_read(place->segment, place->offset, place->bytes, &bytes, err);
    if (code) {
        ccol__crash_buffer_fini(&bytes);
        return code;
    }
    struct record_header header;
    bool right = ccol__record_read_header(&header, bytes.data, bytes.length) && header.sequence == place->sequence;
    if (right) return ccol__record_open(out, &bytes, err);
    ccol__crash_buffer_fini(&bytes);
    return ccol_fail(err, CCOL_EFORMAT, "a spooled report's header is damaged");
}

void ccol__spool_set_aside(struct spool *spool, const struct segment *segment, uint64_t offset, uint64_t bytes,
                           const char *crash_id, const char *why)
{
    char name[64];
    snprintf(name, sizeof name, "damaged/%08u-%llu.bin", segment->number, (unsigned long long)offset);
    ccol__metrics_count(spool->options.metrics, METRIC_SPOOL_DAMAGED, NULL);
    struct crash_buffer copy = {0};
    ccol_error failure = {0};
    int code = ccol__segment_read(segment, offset, bytes, &copy, &failure);
    auto_close int fd =
        code ? -1 : openat(spool->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool kept = fd >= 0 && ccol__file_write_all(fd, copy.data, copy.length) == 0 && fsync(fd) == 0;
    ccol__crash_buffer_fini(&copy);
    ccol__log(log_of(spool), CCOL_LOG_ERROR, "spool", crash_id,
              "%s at byte %llu of segment %08u (%llu bytes): %s%s/%s; the disk or a program has changed the spool", why,
              (unsigned long long)offset, segment->number, (unsigned long long)bytes,
              kept ? "moved aside to " : "could not be moved aside to ", spool->dir, name);
}

static void *prepare_segments(void *user)
{
    struct spool *spool = user;
    pthread_mutex_lock(&spool->lock);
    while (!spool->preparer_stop) {
        if (!spool->prepare) {
            pthread_cond_wait(&spool->prepare_wanted, &spool->lock);
            continue;
        }
        spool->prepare = false;
        spool->preparing = true;
        pthread_mutex_unlock(&spool->lock);
        struct segment *segment = NULL;
        /* A failure is no news: the committer meets the same one when it needs the segment, and tells. */
        make_segment(spool, spool->options.segment_bytes, true, &segment, NULL);
        pthread_mutex_lock(&spool->lock);
        spool->preparing = false;
        pthread_cond_broadcast(&spool->prepared);
        if (!segment) continue;
        put_free_locked(spool, segment);
        atomic_fetch_add(&spool->releases, 1);
    }
    pthread_mutex_unlock(&spool->lock);
    return NULL;
}

static int open_folders(struct spool *spool, ccol_error *err)
{
    static const char *const inner[] = {"damaged", "failed", "retry"};
    int code = ccol__folder_open(AT_FDCWD, spool->dir, 0750, &spool->dir_fd, err);
    if (!code) code = ccol__folder_open(spool->dir_fd, "segments", 0750, &spool->segments_fd, err);
    for (size_t i = 0; !code && i < sizeof inner / sizeof inner[0]; i++) {
        auto_close int fd = -1;
        code = ccol__folder_open(spool->dir_fd, inner[i], 0750, &fd, err);
    }
    if (code) return code;
    /* The folders themselves must outlast a power loss, too. */
    auto_close int parent_fd = openat(spool->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fsync(spool->dir_fd) || (parent_fd >= 0 && fsync(parent_fd)))
        return ccol_fail(err, -errno, "cannot make the spool folder %s durable", spool->dir);
    spool->lock_fd = openat(spool->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->lock_fd < 0) return ccol_fail(err, -errno, "cannot open %s/lock", spool->dir);
    if (flock(spool->lock_fd, LOCK_EX | LOCK_NB))
        return ccol_fail(err, -EBUSY,
                         "the spool %s is in use by another collector: stop it, or set another spool folder",
                         spool->dir);
    return 0;
}

static int open_spool(struct spool *spool, spool_found_fn found, void *user, ccol_error *err)
{
    if (!spool->dir) return ccol_fail(err, -ENOMEM, "cannot open the spool");
    const struct spool_options *options = &spool->options;
    int code = open_folders(spool, err);
    if (!code) code = ccol__slots_open(&spool->slots, spool->dir_fd, options->storages, options->storage_count, err);
    if (!code) code = ccol__recovery_run(spool, found, user, err);
    if (!code) code = ccol__slots_write(&spool->slots, spool->dir_fd, err);
    if (code || options->no_threads) return code;
    spool->preparer_runs = ccol__thread_start(&spool->preparer, "ccol-spool", prepare_segments, spool) == 0;
    return spool->preparer_runs ? 0 : ccol_fail(err, -EAGAIN, "cannot start the spool's thread");
}

int ccol__spool_open(struct spool **out, const struct spool_options *options, spool_found_fn found, void *user,
                     ccol_error *err)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (!spool) return ccol_fail(err, -ENOMEM, "cannot open the spool");
    *spool = (struct spool){.options = *options, .dir_fd = -1, .segments_fd = -1, .lock_fd = -1};
    spool->dir = strdup(options->dir);
    atomic_init(&spool->releases, 1);
    pthread_mutex_init(&spool->lock, NULL);
    pthread_cond_init(&spool->prepare_wanted, NULL);
    ccol__cond_init(&spool->prepared);
    int code = open_spool(spool, found, user, err);
    if (code) {
        ccol__spool_close(spool);
        return code;
    }
    *out = spool;
    return 0;
}

static void close_all(struct segment *segment)
{
    for (struct segment *next; segment; segment = next) {
        next = segment->next;
        ccol__segment_close(segment, -1);
    }
}

void ccol__spool_close(struct spool *spool)
{
    if (!spool) return;
    if (spool->preparer_runs) {
        pthread_mutex_lock(&spool->lock);
        spool->preparer_stop = true;
        pthread_cond_signal(&spool->prepare_wanted);
        pthread_mutex_unlock(&spool->lock);
        pthread_join(spool->preparer, NULL);
    }
    close_all(spool->used);
    close_all(spool->free);
    if (spool->segments_fd >= 0) close(spool->segments_fd);
    if (spool->dir_fd >= 0) close(spool->dir_fd);
    if (spool->lock_fd >= 0) close(spool->lock_fd);
    pthread_cond_destroy(&spool->prepare_wanted);
    pthread_cond_destroy(&spool->prepared);
    pthread_mutex_destroy(&spool->lock);
    ccol__slots_fini(&spool->slots);
    free(spool->dir);
    free(spool);
}
