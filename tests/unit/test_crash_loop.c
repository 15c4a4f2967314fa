/* SPDX-License-Identifier: MIT */
#include "monitor/crash_loop.h"

#include <fcntl.h>

#include "fixture.h"

#define SECOND INT64_C(1000000)

static const struct crash_loop_limits limits = {.burst = 3, .first_pause_s = 60, .longest_pause_s = 3600};
static int folder_fd;

/* Due, and reported then. */
static bool crash(uint64_t kind, int64_t now_us, uint64_t *suppressed)
{
    if (!ccol__crash_loop_due(folder_fd, &limits, kind, now_us, suppressed)) return false;
    ccol__crash_loop_reported(folder_fd, &limits, kind, now_us);
    return true;
}

static void fresh(void)
{
    char path[256];
    fixture_fresh("crash_loop");
    REQUIRE(mkdir(fixture_path(path, "monitor"), 0700) == 0);
    folder_fd = open(path, O_RDONLY | O_DIRECTORY);
    REQUIRE(folder_fd >= 0);
}

static void done(void)
{
    close(folder_fd);
    fixture_remove();
}

/* A crash every second for two hours, read by another process each time as far as the file can tell. */
static void a_loop_becomes_few_reports_and_a_count(void)
{
    uint64_t reported = 0, counted = 0, suppressed;
    int64_t last = 0, pause = 0;
    fresh();
    for (int64_t now = 1000; now < 1000 + 7200; now++) {
        if (!crash(7, now * SECOND, &suppressed)) continue;
        reported++;
        counted += suppressed;
        if (reported > 4) CHECK(now - last >= pause || pause == 3600);
        if (last) pause = now - last;
        last = now;
    }
    CHECK(reported >= 8 && reported <= 12); /* 3 at once, then after 1, 2, 4, ... 32 and 60 minutes */
    CHECK(counted > 3600 && counted + reported <= 7200);
    done();
}

static void kinds_are_told_apart(void)
{
    uint64_t suppressed;
    fresh();
    for (int i = 0; i < 10; i++)
        crash(7, SECOND * i, &suppressed);
    CHECK(!crash(7, SECOND * 11, &suppressed));
    CHECK(crash(8, SECOND * 11, &suppressed));
    CHECK(ccol__crash_loop_kind("/bin/a", "SIGSEGV SEGV_MAPERR at 0x10") ==
          ccol__crash_loop_kind("/bin/a", "SIGSEGV SEGV_MAPERR at 0x20"));
    CHECK(ccol__crash_loop_kind("/bin/a", "SIGSEGV") != ccol__crash_loop_kind("/bin/b", "SIGSEGV"));
    CHECK(ccol__crash_loop_kind("/bin/a", "SIGSEGV") != ccol__crash_loop_kind("/bin/a", "SIGABRT"));
    done();
}

static void who_was_quiet_begins_anew_and_tells_the_count(void)
{
    uint64_t suppressed;
    fresh();
    for (int i = 0; i < 10; i++)
        crash(7, SECOND * i, &suppressed);
    CHECK(crash(7, SECOND * 4000, &suppressed));
    CHECK_INT(suppressed, 7);
    CHECK(crash(7, SECOND * 4001, &suppressed));
    CHECK_INT(suppressed, 0);
    done();
}

/* What could not be submitted is tried again, and is still due then. */
static void a_failed_report_is_due_again(void)
{
    uint64_t suppressed;
    fresh();
    for (int i = 0; i < 10; i++)
        CHECK(ccol__crash_loop_due(folder_fd, &limits, 7, SECOND * i, &suppressed));
    done();
}

static void without_a_file_or_a_limit_all_are_reported(void)
{
    static const struct crash_loop_limits none = {0};
    uint64_t suppressed;
    fresh();
    for (int i = 0; i < 10; i++) {
        CHECK(ccol__crash_loop_due(-1, &limits, 7, SECOND * i, &suppressed));
        CHECK(ccol__crash_loop_due(folder_fd, &none, 7, SECOND * i, &suppressed));
    }
    done();
}

int main(void)
{
    RUN(a_loop_becomes_few_reports_and_a_count);
    RUN(kinds_are_told_apart);
    RUN(who_was_quiet_begins_anew_and_tells_the_count);
    RUN(a_failed_report_is_due_again);
    RUN(without_a_file_or_a_limit_all_are_reported);
    return check_done();
}
