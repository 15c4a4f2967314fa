/* SPDX-License-Identifier: MIT */
/* A crash in this process, seen from a copy: frames, names, lines, inlined functions. */
#include <sys/mman.h>
#include <sys/uio.h>

#include "snapshot_fixture.h"

#include "monitor/symbol_names.h"
#include "monitor/unwind.h"

static volatile uintptr_t nowhere = 0x10;
static volatile int deep;

__attribute__((noinline)) static void leaf_crash(void)
{
    *(volatile int *)nowhere = 1;
    deep++;
}

static inline __attribute__((always_inline)) void inlined_middle(void)
{
    deep++;
    leaf_crash();
    deep++;
}

__attribute__((noinline)) static void outer(void)
{
    inlined_middle();
    deep++;
}

__attribute__((noinline)) static void calls_nowhere(void)
{
    void (*volatile target)(void) = NULL;
    target();
    deep++;
}

#ifdef CCOL_HAVE_LIBDW
static const struct frame *find(const struct thread_frames *thread, const char *function)
{
    for (size_t i = 0; i < thread->count; i++) {
        if (strcmp(thread->frames[i].function, function) == 0) return &thread->frames[i];
    }
    return NULL;
}
#endif

static void check_crash(const struct unwind_options *options, void (*crash)(void),
                        void (*check)(const struct stack_traces *))
{
    size_t length;
    struct victim victim;
    struct stack_traces traces;
    ccol_error err = {0};
    const void *bytes = snapshot_of(crash, &length);
    CHECK_INT(ccol__victim_read_snapshot(&victim, bytes, length, &err), 0);
    CHECK_TEXT(victim.name, "victim");
    CHECK(victim.has_address && victim.has_code);
    CHECK_INT(ccol__unwind(&traces, &victim, options, &err), 0);
    CHECK_INT(traces.thread_count, 1);
    check(&traces);
    ccol__stack_traces_fini(&traces);
    ccol__victim_fini(&victim);
}

static void check_names(const struct stack_traces *traces)
{
    const struct thread_frames *thread = &traces->threads[0];
    CHECK(thread->count > 4);
    REQUIRE(thread->count > 4);
#ifdef CCOL_HAVE_LIBDW
    CHECK_TEXT(thread->frames[0].function, "leaf_crash");
    CHECK_INT(thread->frames[0].trust, FRAME_CONTEXT);
    CHECK(strstr(thread->frames[0].file, "test_unwind.c") != NULL);
    CHECK_TEXT(thread->frames[1].function, "inlined_middle");
    CHECK(thread->frames[1].inlined);
    CHECK_INT(thread->frames[1].trust, FRAME_CFI);
    CHECK_TEXT(thread->frames[2].function, "outer");
    CHECK(!thread->frames[2].inlined && thread->frames[2].line > thread->frames[1].line);
    CHECK(find(thread, "main") != NULL);
#endif
}

static void a_crash_has_its_frames(void)
{
    check_crash(NULL, outer, check_names);
}

static void check_addresses(const struct stack_traces *traces)
{
    const struct thread_frames *thread = &traces->threads[0];
    CHECK(thread->count > 4);
    for (size_t i = 0; i < thread->count; i++)
        CHECK_TEXT(thread->frames[i].function, "");
    CHECK(thread->frames[0].module && strstr(thread->frames[0].module->path, "test_unwind") != NULL);
}

static void without_symbols_there_are_addresses(void)
{
    check_crash(&(struct unwind_options){.no_symbols = true}, outer, check_addresses);
}

static void check_nowhere(const struct stack_traces *traces)
{
    const struct thread_frames *thread = &traces->threads[0];
    REQUIRE(thread->count > 2);
    CHECK_INT(thread->frames[0].address, 0);
    CHECK(!thread->frames[0].module);
#ifdef CCOL_HAVE_LIBDW
    CHECK_TEXT(thread->frames[1].function, "calls_nowhere");
    CHECK(find(thread, "main") != NULL);
#endif
}

static void a_call_to_nowhere_has_its_caller(void)
{
    check_crash(NULL, calls_nowhere, check_nowhere);
}

static void check_cut(const struct stack_traces *traces)
{
    CHECK_INT(traces->threads[0].count, 2);
    CHECK(traces->threads[0].cut);
}

static void frames_have_a_ceiling(void)
{
    check_crash(&(struct unwind_options){.frames_most = 2}, outer, check_cut);
}

/* A module whose file is another one by now: no names, no wrong names either. */
static void replaced_files_give_no_names(void)
{
    size_t length;
    struct victim victim;
    struct stack_traces traces;
    ccol_error err = {0};
    const void *bytes = snapshot_of(outer, &length);
    REQUIRE(ccol__victim_read_snapshot(&victim, bytes, length, &err) == 0);
    REQUIRE(victim.modules[0].seen.build_id_bytes > 0);
    for (size_t i = 0; i < victim.module_count; i++)
        victim.modules[i].seen.build_id[0] ^= 0xff;
    CHECK_INT(ccol__unwind(&traces, &victim, NULL, &err), 0);
    CHECK(traces.threads[0].count > 1);
    for (size_t i = 0; i < traces.threads[0].count; i++)
        CHECK_TEXT(traces.threads[0].frames[i].function, "");
    CHECK_INT(traces.threads[0].frames[1].trust, FRAME_SCAN);
    CHECK(traces.note[0] != '\0');
    ccol__stack_traces_fini(&traces);
    ccol__victim_fini(&victim);
}

/* Only what leads to code without its signature had one. */
static void return_addresses_lose_their_signature(void)
{
    struct victim_module module = {.seen = {.start = 0x5500000000, .end = 0x5500030000}};
    struct victim victim = {
        .machine = SNAPSHOT_AARCH64, .modules = &module, .module_count = 1, .address_bits = 0x7fffffffff};
    CHECK_INT(ccol__victim_return_address(&victim, 0x3a005500002c48), 0x5500002c48);
    CHECK_INT(ccol__victim_return_address(&victim, 0x5500002c48), 0x5500002c48);
    CHECK_INT(ccol__victim_return_address(&victim, 0x3a005500030000), 0x3a005500030000);
    CHECK_INT(ccol__victim_return_address(&victim, 0x3a), 0x3a);
    victim.machine = SNAPSHOT_X86_64;
    CHECK_INT(ccol__victim_return_address(&victim, 0x3a005500002c48), 0x3a005500002c48);
}

#ifdef CCOL_HAVE_LIBDW
static void simple_linker_names_are_read(void)
{
    static const char *const names[][2] = {
        {"main", "main"},
        {"_ZN3foo3barEv", "foo::bar"},
        {"_ZNK3foo3barEv", "foo::bar"},
        {"_ZSt9terminatev", "std::terminate"},
        {"_ZNSt6thread4joinEv", "std::thread::join"},
        {"_Z5leaf2i", "leaf2"},
        {"_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"},
        {"_ZN33_$LT$T$u20$as$u20$core..Debug$GT$3fmt17h0123456789abcdefE", "<T as core::Debug>::fmt"},
        {"_ZN3fooIiE3barEv", "_ZN3fooIiE3barEv"},
        {"_ZN99foo", "_ZN99foo"},
        {"_Z", "_Z"},
        {"", ""},
    };
    struct arena arena;
    ccol__arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK_TEXT(ccol__symbol_name(&arena, names[i][0]), names[i][1]);
    ccol__arena_fini(&arena);
}
#endif

int main(void)
{
    RUN(a_crash_has_its_frames);
    RUN(without_symbols_there_are_addresses);
    RUN(a_call_to_nowhere_has_its_caller);
    RUN(frames_have_a_ceiling);
    RUN(replaced_files_give_no_names);
    RUN(return_addresses_lose_their_signature);
#ifdef CCOL_HAVE_LIBDW
    RUN(simple_linker_names_are_read);
#endif
    ccol__build_fini(&snapshot_fixture);
    return check_done();
}
