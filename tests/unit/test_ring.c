/* SPDX-License-Identifier: MIT */
#include "keeper/ring.h"

#include <errno.h>
#include <fcntl.h>

#include "fixture.h"
#include <crashcollect/error.h>

static struct ring ring;
static struct ring_view view;
static int folder_fd;

static void open_ring(uint64_t capacity)
{
    char path[256];
    fixture_fresh("ring");
    folder_fd = open(fixture_path(path, ""), O_RDONLY | O_DIRECTORY);
    REQUIRE(ccol__ring_create(&ring, folder_fd, "log", capacity) == 0);
    REQUIRE(ccol__ring_view_open(&view, folder_fd, "log") == 0);
}

static void close_ring(void)
{
    ccol__ring_view_close(&view);
    ccol__ring_close(&ring);
    close(folder_fd);
    fixture_remove();
}

static void what_is_written_is_read(void)
{
    uint64_t position = 0, lost = 0;
    struct ring_record record;
    char text[64];
    open_ring(1);
    CHECK_INT(view.capacity, RING_CAPACITY_LEAST);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost), 0);
    ccol__ring_append(&ring, RING_STDOUT, "one", 3, 7);
    ccol__ring_append(&ring, RING_STDERR, "twotwotwo", 9, 8);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost), 1);
    CHECK(record.length == 3 && record.stream == RING_STDOUT && record.at_us == 7 && memcmp(text, "one", 3) == 0);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, 4, &lost), 1);
    CHECK(record.length == 9 && record.stream == RING_STDERR && memcmp(text, "twot", 4) == 0);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost), 0);
    CHECK_INT(lost, 0);
    CHECK_INT(ring.header->bytes[RING_STDOUT - 1], 3);
    close_ring();
}

/* Records of all lengths, for many times the ring's size: a reader that keeps up sees each, whole and in order. */
static void a_reader_that_keeps_up_loses_nothing(void)
{
    uint64_t position = 0, lost = 0;
    struct ring_record record;
    static char text[RING_RECORD_MAX], wanted[RING_RECORD_MAX];
    bool right = true;
    open_ring(1);
    for (unsigned i = 0; i < 2000; i++) {
        size_t length = (i * 7919) % 5000 + 1;
        memset(wanted, (int)('a' + i % 26), length);
        ccol__ring_append(&ring, RING_STDOUT, wanted, length, i);
        right &= ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost) == 1 &&
                 record.length == length && record.at_us == (int64_t)i && memcmp(text, wanted, length) == 0;
    }
    CHECK(right);
    CHECK_INT(lost, 0);
    close_ring();
}

static void who_is_overtaken_goes_on_at_the_oldest(void)
{
    uint64_t position = 0, lost = 0;
    struct ring_record record;
    static char text[RING_RECORD_MAX];
    unsigned count = 0;
    int64_t expected = -1;
    open_ring(1);
    ccol__ring_append(&ring, RING_STDOUT, "first", 5, -1);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost), 1);
    for (unsigned i = 0; i < 1000; i++)
        ccol__ring_append(&ring, RING_STDOUT, text, 1000, i);
    while (ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost) == 1) {
        if (expected < 0) expected = record.at_us;
        CHECK_INT(record.at_us, expected++);
        count++;
    }
    CHECK_INT(expected, 1000);
    CHECK_INT(count, RING_CAPACITY_LEAST / 1016);
    CHECK_INT(lost + count * 1016, 1000 * 1016);
    close_ring();
}

static void a_long_piece_becomes_several_records(void)
{
    uint64_t position = 0, lost = 0;
    struct ring_record record;
    static char long_text[RING_RECORD_MAX + 10], text[RING_RECORD_MAX];
    open_ring(1 << 20);
    memset(long_text, 'x', sizeof long_text);
    ccol__ring_append(&ring, RING_STDOUT, long_text, sizeof long_text, 1);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost), 1);
    CHECK_INT(record.length, RING_RECORD_MAX);
    CHECK_INT(ccol__ring_view_next(&view, &position, &record, text, sizeof text, &lost), 1);
    CHECK_INT(record.length, 10);
    close_ring();
}

static void what_is_no_ring_is_refused(void)
{
    char path[256];
    open_ring(1);
    struct ring_view other;
    CHECK_INT(ccol__ring_view_open(&other, folder_fd, "absent"), -ENOENT);
    memcpy(ring.header->magic, "nonsense", 8);
    CHECK_INT(ccol__ring_view_open(&other, folder_fd, "log"), CCOL_EFORMAT);
    memcpy(ring.header->magic, RING_MAGIC, 8);
    ring.header->capacity = UINT64_C(1) << 40; /* more than the file holds */
    CHECK_INT(ccol__ring_view_open(&other, folder_fd, "log"), CCOL_EFORMAT);
    ring.header->capacity = RING_CAPACITY_LEAST;
    REQUIRE(truncate(fixture_path(path, "log"), 100) == 0);
    CHECK_INT(ccol__ring_view_open(&other, folder_fd, "log"), CCOL_EFORMAT);
    REQUIRE(truncate(fixture_path(path, "log"), RING_HEADER_BYTES + (off_t)RING_CAPACITY_LEAST) == 0);
    close_ring();
}

int main(void)
{
    RUN(what_is_written_is_read);
    RUN(a_reader_that_keeps_up_loses_nothing);
    RUN(who_is_overtaken_goes_on_at_the_oldest);
    RUN(a_long_piece_becomes_several_records);
    RUN(what_is_no_ring_is_refused);
    return check_done();
}
