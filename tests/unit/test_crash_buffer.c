/* SPDX-License-Identifier: MIT */
/* The memory of reports, and large ones as files: what they hold, what they are charged to, what the spool reads back.
 */
#include <errno.h>
#include <fcntl.h>

#include "fixture.h"
#include "queue/spool.h"
#include "report/record.h"
#include "report/report.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct crash_pool *large_pool(uint64_t above, uint64_t most)
{
    fixture_fresh("test_crash_buffer");
    struct crash_pool *pool = ccol__crash_pool_new(8 * MIB);
    int fd = open(fixture_folder, O_RDONLY | O_DIRECTORY);
    REQUIRE(pool && fd >= 0);
    ccol__crash_pool_spill(pool, fd, above, most);
    return pool;
}

static uint64_t charged(struct crash_pool *pool)
{
    return atomic_load(&ccol__crash_pool_budget(pool)->used);
}

static void append_numbers(struct crash_buffer *buffer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)i;
        REQUIRE(ccol__crash_buffer_append(buffer, &number, sizeof number) == 0);
    }
}

static bool holds_numbers(const struct crash_buffer *buffer, size_t count)
{
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        memcpy(&number, buffer->data + i * sizeof number, sizeof number);
        right += number == i;
    }
    return right == count && buffer->length == count * sizeof(uint32_t);
}

static void a_large_one_is_no_memory(void)
{
    struct crash_pool *pool = large_pool(64 * KIB, 64 * MIB);
    struct crash_buffer buffer = {.pool = pool};
    append_numbers(&buffer, 64 * KIB / 4);
    CHECK(!buffer.file);
    CHECK_INT(charged(pool), 64 * KIB);
    append_numbers(&buffer, 0);
    uint32_t next = 64 * KIB / 4;
    REQUIRE(ccol__crash_buffer_append(&buffer, &next, sizeof next) == 0);
    CHECK(buffer.file);
    CHECK_INT(charged(pool), 0);
    CHECK(holds_numbers(&buffer, 64 * KIB / 4 + 1));
    buffer.length = 0;
    append_numbers(&buffer, MIB);
    CHECK(holds_numbers(&buffer, MIB));
    ccol__crash_buffer_release(&buffer);
    CHECK(holds_numbers(&buffer, MIB));
    REQUIRE(ccol__crash_buffer_pad(&buffer) == 0);
    CHECK_INT(buffer.capacity % CRASH_BUFFER_ALIGN, 0);
    int fd = buffer.file - 1;
    ccol__crash_buffer_fini(&buffer);
    CHECK(fcntl(fd, F_GETFD) == -1);
    CHECK_INT(fixture_count("."), 0);
    ccol__crash_pool_unref(pool);
}

static void large_ones_have_a_ceiling(void)
{
    struct crash_pool *pool = large_pool(64 * KIB, 2 * MIB);
    struct crash_buffer first = {.pool = pool}, second = {.pool = pool};
    CHECK_INT(ccol__crash_buffer_reserve(&first, MIB), 0);
    CHECK_INT(ccol__crash_buffer_reserve(&first, 3 * MIB), -ENOMEM);
    CHECK_INT(first.capacity, MIB);
    CHECK_INT(ccol__crash_buffer_reserve(&second, MIB), 0);
    CHECK_INT(ccol__crash_buffer_append(&first, "x", 1), 0);
    CHECK_INT(ccol__crash_buffer_reserve(&second, MIB + 1), -ENOMEM);
    ccol__crash_buffer_fini(&first);
    CHECK_INT(ccol__crash_buffer_reserve(&second, MIB + 1), 0);
    ccol__crash_buffer_fini(&second);
    ccol__crash_pool_unref(pool);
}

/* /proc has no files of anybody's own. */
static void without_unnamed_files_it_is_memory(void)
{
    struct crash_pool *pool = ccol__crash_pool_new(8 * MIB);
    struct crash_buffer buffer = {.pool = pool};
    ccol__crash_pool_spill(pool, open("/proc", O_RDONLY | O_DIRECTORY), KIB, MIB);
    append_numbers(&buffer, MIB / 4);
    CHECK(!buffer.file && charged(pool) >= MIB);
    CHECK(holds_numbers(&buffer, MIB / 4));
    ccol__crash_buffer_fini(&buffer);
    ccol__crash_pool_unref(pool);
}

static ccol_report *sealed(struct crash_pool *pool, size_t bytes)
{
    ccol_report *report = ccol__report_new(pool);
    REQUIRE(report && ccol__report_file_begin(report, "dump") == 0);
    append_numbers(&report->bytes, 1);
    for (size_t i = 0; i < bytes / KIB; i++) {
        unsigned char piece[KIB];
        memset(piece, (int)(i % 251), sizeof piece);
        REQUIRE(ccol__report_file_append(report, piece, sizeof piece) == 0);
    }
    REQUIRE(ccol__report_file_end(report) == 0);
    report->received_us = 1700000000000000;
    REQUIRE(ccol__crash_id_make(report->id, 0, report->received_us));
    REQUIRE(ccol__record_seal(report) == 0);
    return report;
}

static int refuse_found(void *user, const struct spool_found *item)
{
    (void)user;
    (void)item;
    return -EEXIST;
}

/* Large and small ones of one commit lie one after another, as their places say. */
static void the_spool_takes_them_with_others(void)
{
    static const size_t sizes[] = {KIB, 6 * MIB, 2 * KIB, 3 * KIB, 5 * MIB, 0};
    struct crash_pool *pool = large_pool(MIB, 64 * MIB);
    const struct spool_options options = {
        .dir = fixture_folder, .segment_bytes = 32 * MIB, .max_bytes = 128 * MIB, .no_threads = true};
    struct spool *spool = NULL;
    struct spool_place places[6];
    ccol_report *reports[6];
    REQUIRE(ccol__spool_open(&spool, &options, refuse_found, NULL, NULL) == 0);
    for (int i = 0; i < 6; i++)
        reports[i] = sealed(pool, sizes[i]);
    CHECK(!reports[0]->bytes.file && reports[1]->bytes.file && reports[4]->bytes.file);
    REQUIRE(ccol__spool_commit(spool, reports, places, 6, NULL) == 0);
    for (int i = 0; i < 6; i++) {
        ccol_report *read = NULL;
        REQUIRE(ccol__spool_load(&places[i], pool, &read, NULL) == 0);
        CHECK_TEXT(read->id, reports[i]->id);
        CHECK_INT(read->bytes.file != 0, reports[i]->bytes.file != 0);
        CHECK_INT(read->bytes.length, reports[i]->bytes.length);
        CHECK(memcmp(read->bytes.data, reports[i]->bytes.data, read->bytes.length) == 0);
        ccol_report_unref(read);
        ccol_report_unref(reports[i]);
    }
    ccol__spool_close(spool);
    ccol__crash_pool_unref(pool);
}

int main(void)
{
    RUN(a_large_one_is_no_memory);
    RUN(large_ones_have_a_ceiling);
    RUN(without_unnamed_files_it_is_memory);
    RUN(the_spool_takes_them_with_others);
    fixture_remove();
    return check_done();
}
