/* SPDX-License-Identifier: MIT */
#include "keeper/snapshot.h"

#include <crashcollect/error.h>

#include "check.h"
#include "keeper/snapshot_build.h"

static struct snapshot_build build;

static size_t built(void)
{
    struct snapshot_module modules[2] = {{.start = 1, .end = 2}, {.start = 3, .end = 4}};
    ccol__build_start(&build);
    modules[1].path = ccol__build_string(&build, "/bin/true");
    CHECK(ccol__build_add(&build, SNAPSHOT_MODULES, 0, modules, sizeof modules, sizeof modules[0]));
    CHECK(ccol__build_add(&build, SNAPSHOT_STATUS, 0, "abc", 3, 0));
    char *room = ccol__build_reserve(&build, 100);
    REQUIRE(room);
    memcpy(room, "stack", 5);
    ccol__build_keep(&build, SNAPSHOT_MEMORY, 42, 0x7000, 5, 0);
    ccol__build_error(&build, "thread %d did not stop", 7);
    return ccol__build_finish(&build, 9, 1234);
}

static void what_is_built_is_read(void)
{
    struct snapshot_view view;
    const char *cause;
    REQUIRE(ccol__snapshot_view_init(&view, build.memory, built(), &cause) == 0);
    CHECK_INT(view.header->sequence, 9);
    CHECK_INT(view.header->captured_at_us, 1234);
    const struct snapshot_section *modules = ccol__snapshot_find(&view, SNAPSHOT_MODULES, UINT32_MAX, NULL);
    REQUIRE(modules);
    CHECK_INT(ccol__snapshot_count(modules), 2);
    struct snapshot_module module;
    ccol__snapshot_entry(&view, modules, 1, &module, sizeof module);
    CHECK_INT(module.start, 3);
    CHECK_TEXT(ccol__snapshot_string(&view, module.path), "/bin/true");
    CHECK_TEXT(ccol__snapshot_string(&view, 0), "");
    CHECK_TEXT(ccol__snapshot_string(&view, 1000000), "");
    CHECK(!ccol__snapshot_find(&view, SNAPSHOT_MODULES, UINT32_MAX, modules));
    CHECK(!ccol__snapshot_find(&view, SNAPSHOT_MEMORY, 41, NULL));
    const struct snapshot_section *memory = ccol__snapshot_find(&view, SNAPSHOT_MEMORY, 42, NULL);
    REQUIRE(memory);
    CHECK(memory->address == 0x7000 && memory->bytes == 5);
    CHECK(memcmp(ccol__snapshot_bytes(&view, memory), "stack", 5) == 0);
    const struct snapshot_section *errors = ccol__snapshot_find(&view, SNAPSHOT_ERRORS, UINT32_MAX, NULL);
    REQUIRE(errors && errors->bytes == strlen("thread 7 did not stop\n"));
}

/* A reader knows a longer or a shorter entry than the writer. */
static void entries_may_grow(void)
{
    struct snapshot_view view;
    const char *cause;
    char small[16], wide[128];
    REQUIRE(ccol__snapshot_view_init(&view, build.memory, built(), &cause) == 0);
    const struct snapshot_section *modules = ccol__snapshot_find(&view, SNAPSHOT_MODULES, UINT32_MAX, NULL);
    memset(wide, 'x', sizeof wide);
    ccol__snapshot_entry(&view, modules, 0, small, sizeof small);
    ccol__snapshot_entry(&view, modules, 0, wide, sizeof wide);
    CHECK(memcmp(small, wide, sizeof small) == 0);
    CHECK_INT(wide[sizeof wide - 1], 0);
    ccol__snapshot_entry(&view, modules, 2, small, sizeof small); /* there is no third */
    CHECK_INT(small[0], 0);
}

static void what_does_not_fit_is_told(void)
{
    char *large = calloc(1, 1 << 16);
    REQUIRE(large);
    ccol__build_start(&build);
    CHECK(!ccol__build_add(&build, SNAPSHOT_STATUS, 0, large, 1 << 16, 0));
    CHECK(build.errors_length > 0);
    for (int i = 0; i < 1000; i++)
        ccol__build_error(&build, "line %d of many that are too long for what is left of the errors", i);
    CHECK(build.errors_length <= BUILD_ERRORS_BYTES && build.errors[build.errors_length - 1] == '\n');
    for (int i = 0; i < 20000; i++)
        ccol__build_string(&build, "path");
    CHECK_INT(ccol__build_string(&build, "no more"), 0);
    for (int i = 0; i < 100; i++) /* the table has its end too, and still STRINGS and ERRORS have room */
        ccol__build_add(&build, SNAPSHOT_STATUS, 0, "x", 1, 0);
    size_t length = ccol__build_finish(&build, 1, 1);
    struct snapshot_view view;
    const char *cause;
    CHECK_INT(ccol__snapshot_view_init(&view, build.memory, length, &cause), 0);
    CHECK(ccol__snapshot_find(&view, SNAPSHOT_ERRORS, UINT32_MAX, NULL) != NULL);
    free(large);
}

static void expect_mistake(size_t length, const char *wanted)
{
    struct snapshot_view view;
    const char *cause = NULL;
    CHECK_INT(ccol__snapshot_view_init(&view, build.memory, length, &cause), CCOL_EFORMAT);
    CHECK_TEXT(cause, wanted);
}

static void damage_is_seen(void)
{
    size_t length = built();
    struct snapshot_header *header = (void *)build.memory;
    expect_mistake(10, "shorter than its header");
    expect_mistake(length - 1, "cut short");
    header->section_count = SNAPSHOT_SECTIONS_MAX;
    expect_mistake(length, "the table of sections lies outside");
    header->section_count = SNAPSHOT_SECTIONS_MAX + 1;
    expect_mistake(length, "too many sections");
    built();
    build.sections[1].bytes = UINT64_MAX - 4;
    expect_mistake(length, "a section lies outside");
    built();
    build.sections[1].offset += 1;
    expect_mistake(length, "a section lies outside");
    built();
    header->version = 2;
    expect_mistake(length, "of another version");
    built();
    header->magic[0] = 'x';
    expect_mistake(length, "no snapshot");
}

static void only_what_is_ready_is_room(void)
{
    struct snapshot_build big;
    REQUIRE(ccol__build_init(&big, (size_t)4 << 20, 2320) == 0);
    size_t all = ccol__build_room(&big);
    CHECK(all >= (size_t)4 << 20);
    ccol__build_limit(&big, true);
    size_t few = ccol__build_room(&big);
    CHECK(few > 256 << 10 && few < 1 << 20);
    ccol__build_make_ready(&big, 40);
    ccol__build_make_ready(&big, 1); /* it never becomes less */
    ccol__build_limit(&big, true);
    CHECK(ccol__build_room(&big) > few + (256 << 10) && ccol__build_room(&big) < all);
    ccol__build_make_ready(&big, SIZE_MAX);
    ccol__build_limit(&big, true);
    CHECK(ccol__build_room(&big) == all);
    ccol__build_fini(&big);
}

int main(void)
{
    REQUIRE(ccol__build_init(&build, 32768, 20) == 0);
    RUN(what_is_built_is_read);
    RUN(entries_may_grow);
    RUN(what_does_not_fit_is_told);
    RUN(damage_is_seen);
    RUN(only_what_is_ready_is_room);
    ccol__build_fini(&build);
    return check_done();
}
