/* SPDX-License-Identifier: MIT */
/* Segments, group commit and recovery: what is on disk when a collector starts, and after somebody damaged it. */
#include <errno.h>
#include <fcntl.h>

#include "fixture.h"
#include "queue/spool.h"
#include "report/record.h"

#define SEGMENT_BYTES (UINT64_C(1) << 20)
#define MANY_BYTES    (UINT64_C(64) << 20)
#define FOUND_MAX     16

static struct {
    struct spool_found items[FOUND_MAX];
    size_t count;
} found;
static int errors_logged;
static struct metrics *metrics;
static ccol_storage *storages[3];
static size_t storage_count;

static void count_errors(void *user, ccol_level level, const char *part, const char *crash_id, const char *text)
{
    (void)user;
    (void)part;
    (void)crash_id;
    (void)text;
    errors_logged += level == CCOL_LOG_ERROR;
}

static const struct log quiet_log = {.write = count_errors};

static int keep_found(void *user, const struct spool_found *item)
{
    (void)user;
    REQUIRE(found.count < FOUND_MAX);
    found.items[found.count++] = *item;
    return 0;
}

static int try_open(struct spool **spool, uint64_t max_bytes)
{
    ccol_error err = {0};
    const struct spool_options options = {.dir = fixture_folder,
                                          .segment_bytes = SEGMENT_BYTES,
                                          .max_bytes = max_bytes,
                                          .no_threads = true,
                                          .storages = storages,
                                          .storage_count = storage_count,
                                          .log = &quiet_log,
                                          .metrics = metrics};
    found.count = 0;
    errors_logged = 0;
    return ccol__spool_open(spool, &options, keep_found, NULL, &err);
}

static struct spool *open_spool(uint64_t max_bytes)
{
    struct spool *spool = NULL;
    REQUIRE(try_open(&spool, max_bytes) == 0);
    return spool;
}

static struct spool *fresh_spool(uint64_t max_bytes)
{
    fixture_fresh("test_spool");
    return open_spool(max_bytes);
}

static ccol_report *sealed_report(size_t bytes)
{
    ccol_report *report = fixture_report(bytes);
    report->received_us = 1700000000000000;
    REQUIRE(ccol__crash_id_make(report->id, 0, report->received_us));
    REQUIRE(ccol__record_seal(report) == 0);
    return report;
}

/* Commits so many reports at once; keeps their places, and the ids if wanted. */
static int commit(struct spool *spool, size_t count, size_t bytes, struct spool_place *places)
{
    ccol_report *reports[8];
    ccol_error err = {0};
    REQUIRE(count <= 8);
    for (size_t i = 0; i < count; i++)
        reports[i] = sealed_report(bytes);
    int code = ccol__spool_commit(spool, reports, places, count, &err);
    for (size_t i = 0; i < count; i++)
        ccol_report_unref(reports[i]);
    return code;
}

/* Overwrites bytes of a file below the folder. */
static void damage(const char *file, uint64_t offset, const void *bytes, size_t length)
{
    char path[256];
    int fd = open(fixture_path(path, file), O_WRONLY);
    REQUIRE(fd >= 0);
    REQUIRE(pwrite(fd, bytes, length, (off_t)offset) == (ssize_t)length);
    close(fd);
}

#define SEG "segments/00000001.seg"

static void reboot_machine(void)
{
    damage("segments/00000001.state", 8, "another boot", 12);
}

static void what_was_committed_is_found_again(void)
{
    struct spool_place places[3];
    struct spool *spool = fresh_spool(MANY_BYTES);
    CHECK_INT(found.count, 0);
    ccol_report *reports[3] = {sealed_report(10), sealed_report(0), sealed_report(100000)};
    CHECK_INT(ccol__spool_commit(spool, reports, places, 3, NULL), 0);
    ccol__spool_close(spool);

    spool = open_spool(MANY_BYTES);
    CHECK_INT(found.count, 3);
    CHECK_INT(errors_logged, 0);
    for (size_t i = 0; i < found.count; i++) {
        ccol_report *loaded = NULL;
        ccol_file file = {.size = sizeof file}, before = {.size = sizeof before};
        CHECK_TEXT(found.items[i].header.id, reports[i]->id);
        CHECK_INT(found.items[i].state, RECORD_PENDING);
        REQUIRE(ccol__spool_load(&found.items[i].place, NULL, &loaded, NULL) == 0);
        REQUIRE(ccol_report_file_at(loaded, 0, &file) && ccol_report_file_at(reports[i], 0, &before));
        CHECK_INT(file.length, before.length);
        CHECK(memcmp(file.data, before.data, file.length) == 0);
        CHECK(memcmp(file.sha256, before.sha256, 32) == 0);
        CHECK_TEXT(ccol_report_json(loaded, NULL), ccol_report_json(reports[i], NULL));
        ccol_report_unref(loaded);
    }
    ccol__spool_close(spool);
    for (size_t i = 0; i < 3; i++)
        ccol_report_unref(reports[i]);
}

static void states_survive_a_restart(void)
{
    struct spool_place places[5];
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 5, 10, places) == 0);
    ccol__spool_mark(spool, &places[0], RECORD_DONE, true);
    ccol__spool_mark(spool, &places[1], RECORD_SAVED, false);
    ccol__spool_mark(spool, &places[2], RECORD_DONE, false);
    ccol__spool_mark(spool, &places[3], RECORD_FAILED, true);
    ccol__spool_mark_progress(spool, &places[4], 5);
    ccol__spool_close(spool);

    spool = open_spool(MANY_BYTES);
    REQUIRE(found.count == 3);
    CHECK_INT(found.items[0].state, RECORD_SAVED);
    CHECK_INT(found.items[1].state, RECORD_DONE); /* but for a flush */
    CHECK_INT(found.items[2].state, RECORD_PENDING);
    CHECK_INT(found.items[2].progress, 5);
    ccol__spool_close(spool);
}

static void what_was_not_flushed_is_done_again_after_a_reboot(void)
{
    struct spool_place places[5];
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 5, 10, places) == 0);
    ccol__spool_mark(spool, &places[0], RECORD_DONE, true);
    ccol__spool_mark(spool, &places[1], RECORD_SAVED, true);
    ccol__spool_mark(spool, &places[2], RECORD_SAVED, false);
    ccol__spool_mark(spool, &places[3], RECORD_DONE, false);
    ccol__spool_mark_progress(spool, &places[4], 5);
    ccol__spool_close(spool);
    reboot_machine();

    spool = open_spool(MANY_BYTES);
    REQUIRE(found.count == 4);
    CHECK_INT(found.items[0].state, RECORD_SAVED);
    CHECK_INT(found.items[1].state, RECORD_PENDING);
    CHECK_INT(found.items[2].state, RECORD_PENDING);
    CHECK_INT(found.items[3].state, RECORD_PENDING);
    CHECK_INT(found.items[3].progress, 0); /* the storage that had it may have lost it */
    ccol__spool_close(spool);
}

static int save_nowhere(void *self, const ccol_report *report, ccol_error *err)
{
    (void)self;
    (void)report;
    (void)err;
    return 0;
}

/* "abc": three storages of these names, as the settings give them. */
static void use_storages(const char *names)
{
    while (storage_count)
        ccol_storage_unref(storages[--storage_count]);
    for (; names[storage_count]; storage_count++) {
        const char name[] = {names[storage_count], '\0'};
        const ccol_storage_ops ops = {.size = sizeof ops, .name = name, .save = save_nowhere};
        REQUIRE(ccol_storage_new(&storages[storage_count], &ops, NULL, NULL) == 0);
    }
}

/* What the record that the spool holds tells of the storages of these names, after a restart with them. */
static uint32_t progress_with(const char *names)
{
    use_storages(names);
    struct spool *spool = open_spool(MANY_BYTES);
    REQUIRE(found.count == 1);
    ccol__spool_close(spool);
    return found.items[0].progress;
}

static void progress_follows_the_storage(void)
{
    struct spool_place place;
    use_storages("abc");
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 1, 10, &place) == 0);
    ccol__spool_mark_progress(spool, &place, 5); /* a and c */
    ccol__spool_close(spool);
    CHECK_INT(progress_with("cba"), 5);
    CHECK_INT(progress_with("bca"), 6);
    CHECK_INT(progress_with("b"), 0);
    CHECK_INT(progress_with("xbc"), 4);
    CHECK_INT(progress_with("ca"), 3); /* also what was gone for a while */
    CHECK_INT(progress_with("aa"), 1); /* a second one of that name is another */

    use_storages("bx");
    spool = open_spool(MANY_BYTES);
    ccol__spool_mark_progress(spool, &found.items[0].place, 1);
    ccol__spool_close(spool);
    CHECK_INT(progress_with("abc"), 7);
    use_storages("abc");
}

/* More storages than a record has bits for: one that is gone gives its bit up, and whoever gets it has nothing. */
static void bits_are_used_again(void)
{
    struct spool_place place;
    char name[] = "a";
    use_storages("Z");
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 1, 10, &place) == 0);
    ccol__spool_mark_progress(spool, &place, 1);
    ccol__spool_close(spool);
    for (; name[0] <= 'z'; name[0]++)
        CHECK_INT(progress_with(name), 0);
    for (name[0] = '0'; name[0] <= '9'; name[0]++)
        CHECK_INT(progress_with(name), 0);
    CHECK_INT(progress_with("Z"), 0);
    use_storages("abc");
}

static void a_torn_last_commit_is_silent(void)
{
    for (int torn = 0; torn < 2; torn++) {
        struct spool_place first[1], last[3];
        struct spool *spool = fresh_spool(MANY_BYTES);
        REQUIRE(commit(spool, 1, 10, first) == 0);
        REQUIRE(commit(spool, 3, 10, last) == 0);
        ccol__spool_close(spool);
        /* the head of the middle one, or the payload of the last */
        damage(SEG, last[torn ? 2 : 1].offset + (torn ? 600 : 0), "torn", 4);

        spool = open_spool(MANY_BYTES);
        CHECK_INT(found.count, 3);
        CHECK_INT(errors_logged, 0);
        CHECK_INT(fixture_count("damaged"), 0);
        ccol__spool_close(spool);
    }
}

static void a_hole_is_loud_and_moved_aside(void)
{
    for (int payload = 0; payload < 2; payload++) {
        struct spool_place places[3];
        struct spool *spool = fresh_spool(MANY_BYTES);
        for (int i = 0; i < 3; i++)
            REQUIRE(commit(spool, 1, 10, &places[i]) == 0);
        ccol__spool_close(spool);
        damage(SEG, places[1].offset + (payload ? 600 : 0), "hole", 4);

        spool = open_spool(MANY_BYTES);
        CHECK_INT(found.count, 2);
        CHECK(errors_logged > 0);
        CHECK_INT(fixture_count("damaged"), 1);
        ccol__spool_close(spool);
    }
}

static void a_damaged_head_loses_nothing(void)
{
    for (int zero = 0; zero < 2; zero++) {
        struct spool_place places[2];
        struct spool *spool = fresh_spool(MANY_BYTES);
        REQUIRE(commit(spool, 2, 10, places) == 0);
        ccol__spool_close(spool);
        damage(SEG, 0, zero ? "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" : "damaged",
               zero ? 32 : 7);

        spool = open_spool(MANY_BYTES);
        CHECK_INT(found.count, 2);
        CHECK(errors_logged > 0);
        ccol__spool_close(spool);
    }
}

static void a_cut_file_keeps_what_is_whole(void)
{
    struct spool_place places[2];
    char path[256];
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 2, 5000, places) == 0);
    ccol__spool_close(spool);
    REQUIRE(truncate(fixture_path(path, SEG), (off_t)(places[1].offset + RECORD_ALIGN)) == 0);
    spool = open_spool(MANY_BYTES);
    CHECK_INT(found.count, 1);
    ccol__spool_close(spool);
}

static void damage_that_is_met_later_is_told(void)
{
    struct spool_place place;
    ccol_report *loaded = NULL;
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 1, 10, &place) == 0);
    damage(SEG, place.offset + 600, "later", 5);
    CHECK_INT(ccol__spool_load(&place, NULL, &loaded, NULL), CCOL_EFORMAT);
    CHECK(!loaded);
    ccol__spool_close(spool);
}

/* Three records of 300 kB fill a segment. */
#define THIRD 300000

static void an_earlier_generation_says_nothing(void)
{
    struct spool_place places[3], next;
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 3, THIRD, places) == 0);
    REQUIRE(commit(spool, 3, THIRD, places) == 0); /* the second segment */
    for (int i = 0; i < 3; i++)
        ccol__spool_mark(spool, &places[i], RECORD_DONE, true);
    ccol__spool_close(spool);

    spool = open_spool(MANY_BYTES); /* 1 is in use, 2 is free */
    REQUIRE(found.count == 3);
    REQUIRE(commit(spool, 1, 10, &next) == 0);
    CHECK_INT(next.segment->number, 2);
    ccol__spool_close(spool);

    spool = open_spool(MANY_BYTES);
    CHECK_INT(found.count, 4);
    CHECK_INT(errors_logged, 0);
    CHECK_INT(fixture_count("damaged"), 0);
    CHECK_INT(found.items[3].place.sequence, next.sequence);
    CHECK_INT(ccol__spool_disk_bytes(spool), 2 * SEGMENT_BYTES);
    ccol__spool_close(spool);
}

static void one_collector_per_folder(void)
{
    struct spool *spool = fresh_spool(MANY_BYTES), *second = NULL;
    CHECK_INT(try_open(&second, MANY_BYTES), -EBUSY);
    CHECK(!second);
    ccol__spool_close(spool);
}

static void a_record_larger_than_a_segment_gets_its_own(void)
{
    struct spool_place small, large;
    struct spool *spool = fresh_spool(MANY_BYTES);
    REQUIRE(commit(spool, 1, 10, &small) == 0);
    REQUIRE(commit(spool, 1, 3 * SEGMENT_BYTES, &large) == 0);
    CHECK(large.segment->bytes > 3 * SEGMENT_BYTES);
    ccol__spool_close(spool);
    spool = open_spool(MANY_BYTES);
    REQUIRE(found.count == 2);
    ccol__spool_mark(spool, &found.items[1].place, RECORD_DONE, true);
    CHECK_INT(ccol__spool_disk_bytes(spool), SEGMENT_BYTES); /* it is not kept for another */
    ccol__spool_close(spool);
}

static void a_full_spool_has_room_again(void)
{
    struct spool_place first[3], more[3], rest;
    struct spool *spool = fresh_spool(4 * SEGMENT_BYTES);
    REQUIRE(commit(spool, 3, THIRD, first) == 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(commit(spool, 3, THIRD, more) == 0);
    CHECK(ccol__spool_has_room(spool));
    CHECK_INT(commit(spool, 1, THIRD, &rest), CCOL_EFULL);
    CHECK(!rest.segment);
    CHECK(!ccol__spool_has_room(spool));
    for (int i = 0; i < 3; i++)
        ccol__spool_mark(spool, &first[i], RECORD_DONE, true);
    CHECK(ccol__spool_has_room(spool));
    CHECK_INT(commit(spool, 1, THIRD, &rest), 0);
    char trouble[200];
    ccol__spool_trouble(spool, trouble, sizeof trouble);
    CHECK_TEXT(trouble, "");
    ccol__spool_close(spool);
}

static void free_segments_give_up_their_room(void)
{
    struct spool_place places[4][3], large;
    struct spool *spool = fresh_spool(4 * SEGMENT_BYTES);
    for (int i = 0; i < 4; i++)
        REQUIRE(commit(spool, 3, THIRD, places[i]) == 0);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++)
            ccol__spool_mark(spool, &places[i][k], RECORD_DONE, true);
    }
    CHECK_INT(ccol__spool_disk_bytes(spool), 4 * SEGMENT_BYTES);
    CHECK_INT(commit(spool, 1, 3 * SEGMENT_BYTES, &large), 0);
    CHECK(ccol__spool_disk_bytes(spool) <= 4 * SEGMENT_BYTES);
    ccol__spool_close(spool);
}

/* One that does not fit into what is left does not shut out those that do. */
static void a_large_one_that_does_not_fit_is_alone_with_that(void)
{
    struct spool_place places[3], large;
    struct spool *spool = fresh_spool(4 * SEGMENT_BYTES);
    REQUIRE(commit(spool, 3, THIRD, places) == 0);
    REQUIRE(commit(spool, 3, THIRD, places) == 0);
    CHECK_INT(commit(spool, 1, 3 * SEGMENT_BYTES, &large), CCOL_EFULL);
    CHECK(ccol__spool_has_room(spool));
    CHECK_INT(commit(spool, 3, THIRD, places), 0);
    ccol__spool_close(spool);
}

static void mixed_sizes_in_one_commit(void)
{
    struct spool_place places[5];
    ccol_report *reports[5] = {sealed_report(THIRD), sealed_report(2 * SEGMENT_BYTES), sealed_report(10),
                               sealed_report(2 * SEGMENT_BYTES), sealed_report(THIRD)};
    struct spool *spool = fresh_spool(MANY_BYTES);
    CHECK_INT(ccol__spool_commit(spool, reports, places, 5, NULL), 0);
    ccol__spool_close(spool);
    spool = open_spool(MANY_BYTES);
    CHECK_INT(found.count, 5);
    for (size_t i = 0; i < found.count; i++)
        CHECK_TEXT(found.items[i].header.id, reports[i]->id);
    ccol__spool_close(spool);
    for (int i = 0; i < 5; i++)
        ccol_report_unref(reports[i]);
}

int main(void)
{
    REQUIRE(ccol__metrics_new(&metrics, NULL, NULL) == 0);
    use_storages("abc");
    RUN(what_was_committed_is_found_again);
    RUN(states_survive_a_restart);
    RUN(what_was_not_flushed_is_done_again_after_a_reboot);
    RUN(progress_follows_the_storage);
    RUN(bits_are_used_again);
    RUN(a_torn_last_commit_is_silent);
    RUN(a_hole_is_loud_and_moved_aside);
    RUN(a_damaged_head_loses_nothing);
    RUN(a_cut_file_keeps_what_is_whole);
    RUN(damage_that_is_met_later_is_told);
    RUN(an_earlier_generation_says_nothing);
    RUN(one_collector_per_folder);
    RUN(a_record_larger_than_a_segment_gets_its_own);
    RUN(a_full_spool_has_room_again);
    RUN(free_segments_give_up_their_room);
    RUN(a_large_one_that_does_not_fit_is_alone_with_that);
    RUN(mixed_sizes_in_one_commit);
    fixture_remove();
    use_storages("");
    ccol__metrics_free(metrics);
    return check_done();
}
