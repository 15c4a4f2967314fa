/* SPDX-License-Identifier: MIT */
#include "keeper/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "check.h"
#include "keeper/facts.h"

static void stat_with_a_strange_name(void)
{
    struct proc_stat stat;
    char text[4096];
    CHECK(ccol__proc_stat_parse(
        "7 (a) b) c) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2 3 4 5 140000 6 7 8 9 "
        "10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 100 200 300 400 0",
        &stat));
    CHECK(stat.state == 'S' && stat.parent == 1 && stat.group == 2 && stat.session == 3);
    CHECK(stat.started_ticks == 12345 && stat.stack_start == 140000);
    CHECK(stat.arg_start == 100 && stat.arg_end == 200 && stat.env_start == 300 && stat.env_end == 400);
    CHECK(!ccol__proc_stat_parse("7 (cut) S 1 2", &stat));
    CHECK(!ccol__proc_stat_parse("", &stat));
    REQUIRE(ccol__proc_read_of(getpid(), "stat", text, sizeof text, NULL) > 0);
    REQUIRE(ccol__proc_stat_parse(text, &stat));
    CHECK_INT(stat.parent, getppid());
    CHECK(stat.arg_start < stat.env_end);
}

static void own_maps(void)
{
    static char text[1 << 20];
    bool cut, has_stack = false, has_own_code = false;
    struct proc_map map;
    uint64_t end = 0;
    REQUIRE(ccol__proc_read_of(0, "maps", text, sizeof text, &cut) > 0 && !cut);
    for (const char *at = text; ccol__proc_map_next(&at, &map);) {
        CHECK(map.start < map.end && map.start >= end);
        end = map.end;
        has_stack |= map.start <= (uintptr_t)&map && (uintptr_t)&map < map.end && map.writable;
        has_own_code |=
            map.start <= (uintptr_t)own_maps && (uintptr_t)own_maps < map.end && map.executable && map.path[0] == '/';
    }
    CHECK(has_stack && has_own_code);
}

static void own_modules_have_build_ids(void)
{
    static struct process_facts facts;
    static struct facts_scratch scratch;
    unsigned executables = 0, with_id = 0;
    ccol__facts_read(&facts, getpid(), &scratch);
    ccol__facts_read_modules(&facts, getpid(), -1, &scratch);
    for (size_t i = 0; i < facts.modules.count; i++) {
        const struct snapshot_module *module = &facts.modules.list[i];
        executables += module->flags & SNAPSHOT_EXECUTABLE;
        with_id += module->build_id_bytes == 20;
        CHECK(i == 0 || module->start >= facts.modules.list[i - 1].end);
    }
    CHECK_INT(executables, 1);
    CHECK(with_id >= 3); /* this program, libc, the loader */
    CHECK(facts.has_stat && facts.started_at_us > 0);
}

/* As a keeper reads them that must take no memory. */
static void modules_from_maps_that_are_open(void)
{
    static struct process_facts facts;
    struct facts_scratch *scratch = ccol__facts_scratch_map();
    REQUIRE(scratch);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 2; i++) { /* again from the start */
        facts.modules.count = 0;
        scratch->takes_no_memory = i;
        size_t length = ccol__facts_read_modules(&facts, getpid(), fd, scratch);
        CHECK(length > 0 && length == strlen(scratch->text) && length < FACTS_READY_BYTES);
        CHECK(facts.modules.count >= 3);
    }
    close(fd);
    CHECK_INT(ccol__facts_read_modules(&facts, getpid(), fd, scratch), 0);
    munmap(scratch, sizeof *scratch);
}

static void names_of_threads(void)
{
    char name[16] = "0123456789abcde";
    ccol__facts_read_name(getpid(), 0, name);
    CHECK_TEXT(name, "0123456789abcde"); /* there is no such thread: it stays */
    prctl(PR_SET_NAME, "short");
    ccol__facts_read_name(getpid(), getpid(), name);
    CHECK(memcmp(name, "short\0\0\0\0\0\0\0\0\0\0", sizeof name) == 0); /* nothing else leaves in it */
}

static void cut_and_missing_files(void)
{
    char text[8];
    bool cut;
    CHECK_INT(ccol__proc_read("/proc/self/status", text, sizeof text, &cut), 7);
    CHECK(cut);
    CHECK_INT(ccol__proc_read("/proc/self/absent", text, sizeof text, &cut), -ENOENT);
    CHECK(!ccol__proc_link(0, "exe", text, sizeof text));
}

static void signal_sets(void)
{
    const char *status = "Name:\tx\nSigQ:\t1/2\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000400\n";
    CHECK(ccol__proc_catches(status, SIGSEGV) && !ccol__proc_catches(status, SIGBUS));
    CHECK(ccol__proc_ignores(status, SIGPIPE) && !ccol__proc_ignores(status, SIGSEGV));
    CHECK(!ccol__proc_catches("", SIGSEGV));
}

static void expect_cgroup(const char *text, const char *path, bool v2)
{
    char out[64];
    bool is_v2;
    ccol__facts_memory_cgroup(text, out, sizeof out, &is_v2);
    CHECK_TEXT(out, path);
    CHECK_INT(is_v2, v2);
}

static void memory_cgroups(void)
{
    expect_cgroup("0::/user.slice\n", "/user.slice", true);
    expect_cgroup("9:name=systemd:/\n8:pids:/x\n4:memory:/docker/abc\n0::/\n", "/docker/abc", false);
    expect_cgroup("4:cpu,memory:/both\n", "/both", false);
    expect_cgroup("4:cpu:/x\n", "", false);
    expect_cgroup("nonsense", "", false);
    expect_cgroup("", "", false);
}

int main(void)
{
    RUN(stat_with_a_strange_name);
    RUN(own_maps);
    RUN(own_modules_have_build_ids);
    RUN(modules_from_maps_that_are_open);
    RUN(names_of_threads);
    RUN(cut_and_missing_files);
    RUN(signal_sets);
    RUN(memory_cgroups);
    return check_done();
}
