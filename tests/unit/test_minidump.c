/* SPDX-License-Identifier: MIT */
/* Minidumps read back by their bytes; test_minidump_readers.py has the same dumps (test_minidump FOLDER writes them)
 * read by other people's readers. */
#include <sys/mman.h>
#include <sys/uio.h>

#include "fixture.h"
#include "snapshot_fixture.h"

#include "monitor/minidump_writer.h"

#define STREAM_THREADS   3
#define STREAM_MODULES   4
#define STREAM_MEMORY    5
#define STREAM_EXCEPTION 6
#define STREAM_SYSTEM    7
#define STREAM_MISC      15
#define STREAM_NAMES     24
#define STREAM_CRASHPAD  0x43500001
#define STREAM_ENVIRON   0x47670007
#define STREAM_MAPS      0x47670009
#define STREAM_SOFT      0x4d7a0004
#define AARCH64_SP_PLACE 31
#define THREAD_FIRST_SP  UINT64_C(0x7f0000001000)
#define THREAD_DISTANCE  UINT64_C(0x100000)
#define AARCH64_CODE     UINT64_C(0xaaaa00001000)

/* Of the machine that this runs on: places in the registers, the context's size and places in it. */
#if defined(__x86_64__)
enum { SP_PLACE = 19, PC_PLACE = 16, CONTEXT_BYTES = 1232, CONTEXT_SP = 0x98, CONTEXT_PC = 0xf8 };
#else
enum { SP_PLACE = 31, PC_PLACE = 32, CONTEXT_BYTES = 912, CONTEXT_SP = 8 + 31 * 8, CONTEXT_PC = 8 + 32 * 8 };
#endif

static const char *dump_folder;
static volatile uintptr_t nowhere = 0x10;

__attribute__((noinline)) static void leaf_crash(void)
{
    *(volatile int *)nowhere = 1;
}

static uint32_t u32(const struct buffer *dump, size_t at)
{
    uint32_t value;
    REQUIRE(at + sizeof value <= dump->length);
    memcpy(&value, dump->data + at, sizeof value);
    return value;
}

static uint64_t u64(const struct buffer *dump, size_t at)
{
    return u32(dump, at) | (uint64_t)u32(dump, at + 4) << 32;
}

/* Place of a stream's data, 0: the dump has none. */
static size_t stream(const struct buffer *dump, uint32_t type, size_t *length)
{
    size_t directory = u32(dump, 12);
    for (uint32_t i = 0; i < u32(dump, 8); i++) {
        size_t entry = directory + 12 * (size_t)i;
        if (u32(dump, entry) != type) continue;
        *length = u32(dump, entry + 4);
        REQUIRE(*length <= dump->length && u32(dump, entry + 8) <= dump->length - *length);
        return u32(dump, entry + 8);
    }
    *length = 0;
    return 0;
}

static void keep_dump(const struct buffer *dump, const char *name)
{
    char path[512];
    if (!dump_folder) return;
    snprintf(path, sizeof path, "%s/%s.dmp", dump_folder, name);
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(dump->data, 1, dump->length, file) == dump->length && fclose(file) == 0);
}

/* The snapshots are where the fuzzer's corpus comes from. */
static void keep_snapshot(const void *bytes, size_t length, const char *name)
{
    char path[512];
    if (!dump_folder) return;
    snprintf(path, sizeof path, "%s/%s.snapshot", dump_folder, name);
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, length, file) == length && fclose(file) == 0);
}

static void write_dump(struct buffer *dump, const void *bytes, size_t length, const struct minidump_options *options)
{
    static const struct minidump_annotation annotations[] = {{"CrashReason", "SIGSEGV SEGV_MAPERR 0x10"},
                                                             {"Umlaut", "\xc3\xa4"}};
    static const char *const warnings[] = {"a \"warning\""};
    struct victim victim;
    struct host host;
    ccol_error err = {0};
    ccol__host_read(&host);
    REQUIRE(ccol__victim_read_snapshot(&victim, bytes, length, &err) == 0);
    struct minidump_input input = {.victim = &victim,
                                   .host = &host,
                                   .annotations = annotations,
                                   .annotation_count = 2,
                                   .warnings = warnings,
                                   .warning_count = 1};
    CHECK_INT(ccol__minidump_write(dump, &input, options, &err), 0);
    CHECK_TEXT(err.text, "");
    ccol__host_fini(&host);
    ccol__victim_fini(&victim);
}

/* No two places of the memory list overlap, as Breakpad's reader refuses those. */
static void check_memory(const struct buffer *dump)
{
    size_t length, at = stream(dump, STREAM_MEMORY, &length);
    REQUIRE(at && length >= 4);
    uint32_t count = u32(dump, at);
    CHECK(count > 0);
    CHECK_INT(length, 4 + 16 * (size_t)count);
    for (uint32_t i = 0; i < count; i++) {
        size_t one = at + 4 + 16 * (size_t)i;
        CHECK(u32(dump, one + 12) + (size_t)u32(dump, one + 8) <= dump->length);
        bool apart = true;
        for (uint32_t j = 0; j < i && apart; j++) {
            size_t other = at + 4 + 16 * (size_t)j;
            apart = u64(dump, one) >= u64(dump, other) + u32(dump, other + 8) ||
                    u64(dump, other) >= u64(dump, one) + u32(dump, one + 8);
        }
        CHECK(apart);
    }
}

static void a_real_crash_has_all_streams(void)
{
    struct buffer dump;
    size_t length;
    const void *bytes = snapshot_of(leaf_crash, &length);
    write_dump(&dump, bytes, length, NULL);
    keep_dump(&dump, "real");
    CHECK(memcmp(dump.data, "MDMP\x93\xa7\0\0", 8) == 0);
    CHECK_INT(u32(&dump, 20), 1790000000);
    size_t at = stream(&dump, STREAM_THREADS, &length);
    CHECK_INT(length, 4 + 48);
    CHECK_INT(u32(&dump, at + 4), snapshot_seen.tid);
    size_t context = u32(&dump, at + 4 + 44);
    CHECK_INT(u32(&dump, at + 4 + 40), CONTEXT_BYTES);
    CHECK(u64(&dump, context + CONTEXT_PC) == snapshot_seen.thread.pc);
    CHECK(u64(&dump, context + CONTEXT_SP) == snapshot_seen.thread.sp);
    CHECK(u64(&dump, at + 4 + 24) == snapshot_seen.stack_address);

    at = stream(&dump, STREAM_EXCEPTION, &length);
    CHECK_INT(length, 168);
    CHECK_INT(u32(&dump, at), snapshot_seen.tid);
    CHECK_INT(u32(&dump, at + 8), SIGSEGV);
    CHECK_INT(u32(&dump, at + 12), SEGV_MAPERR);
    CHECK_INT(u64(&dump, at + 24), 0x10);
    CHECK_INT(u32(&dump, at + 164), context);

    at = stream(&dump, STREAM_MODULES, &length);
    CHECK_INT(length, 4 + 108 * (size_t)u32(&dump, at));
    size_t code_view = u32(&dump, at + 4 + 80);
    CHECK_INT(u32(&dump, code_view), 0x4270454c);
    CHECK_INT(stream(&dump, STREAM_MISC, &length) ? u32(&dump, stream(&dump, STREAM_MISC, &length) + 8) : 0, getpid());
    at = stream(&dump, STREAM_NAMES, &length);
    size_t name = u32(&dump, at + 8);
    CHECK_INT(u32(&dump, name), 2 * strlen("leaf_thread"));
    CHECK(memcmp(dump.data + name + 4, "l\0e\0a\0f\0", 8) == 0);
    at = stream(&dump, STREAM_SYSTEM, &length);
    CHECK_INT(length, 56);
    CHECK(u32(&dump, at + 8) > 0); /* a kernel of version 0 is none */
    CHECK(stream(&dump, STREAM_CRASHPAD, &length) && length == 52);
    at = stream(&dump, STREAM_SOFT, &length);
    REQUIRE(at && length > 4);
    CHECK(memcmp(dump.data + at, "[\"a \\\"warning\\\"\"", 16) == 0);
    CHECK(!stream(&dump, STREAM_ENVIRON, &length));
    check_memory(&dump);
    ccol__buffer_fini(&dump);
}

/* A process with many threads that never was. */
static const void *make_crowd(size_t threads, size_t stack_bytes, size_t *length)
{
    struct snapshot_build *build = snapshot_begin();
    struct snapshot_thread *list = calloc(threads, sizeof *list);
    char *stack = calloc(1, stack_bytes);
    REQUIRE(list && stack);
    for (size_t i = 0; i < threads; i++) {
        list[i].tid = (int32_t)(1000 + i);
        list[i].flags = SNAPSHOT_REGISTERS | (i ? 0 : SNAPSHOT_CRASHED);
        snprintf(list[i].name, sizeof list[i].name, "worker-%u", (unsigned)i % 10000);
        list[i].registers[SP_PLACE] = list[i].sp = THREAD_FIRST_SP + i * THREAD_DISTANCE;
        list[i].registers[PC_PLACE] = list[i].pc = AARCH64_CODE + 128;
    }
    struct snapshot_reason reason = {.event = SNAPSHOT_FATAL_SIGNAL,
                                     .flags = SNAPSHOT_SIGINFO,
                                     .signal = SIGABRT,
                                     .tid = 1000,
                                     .thread_count = (uint32_t)threads,
                                     .happened_at_us = INT64_C(1790000000000000)};
    struct snapshot_process process = {.pid = 1000};
    struct snapshot_module module = {.start = AARCH64_CODE - 0x1000,
                                     .end = AARCH64_CODE + 0x1000,
                                     .flags = SNAPSHOT_EXECUTABLE,
                                     .build_id_bytes = 20,
                                     .build_id = {1, 2, 3},
                                     .path = ccol__build_string(build, "/bin/crowd")};
    snapshot_add(SNAPSHOT_REASON, 0, &reason, sizeof reason, sizeof reason);
    snapshot_add(SNAPSHOT_PROCESS, 0, &process, sizeof process, sizeof process);
    snapshot_add(SNAPSHOT_THREADS, 0, list, threads * sizeof *list, sizeof *list);
    snapshot_add(SNAPSHOT_MODULES, 0, &module, sizeof module, sizeof module);
    snapshot_add_memory(0, AARCH64_CODE, stack, 256);
    for (size_t i = 0; i < threads && ccol__build_room(build) > stack_bytes; i++)
        snapshot_add_memory((uint32_t)list[i].tid, list[i].sp, stack, stack_bytes);
    *length = ccol__build_finish(build, 1, reason.happened_at_us);
    free(list);
    free(stack);
    return build->memory;
}

static void check_crowd(size_t threads, size_t stack_bytes, size_t most, const char *name)
{
    struct buffer dump;
    size_t length;
    const void *bytes = make_crowd(threads, stack_bytes, &length);
    write_dump(&dump, bytes, length, NULL);
    keep_snapshot(bytes, length, name);
    keep_dump(&dump, name);
    CHECK(dump.length <= most);
    check_memory(&dump);
    size_t at = stream(&dump, STREAM_THREADS, &length);
    CHECK(u32(&dump, at) >= (threads < 300 ? threads : 300));
    CHECK(u32(&dump, at + 4 + 32) == stack_bytes); /* of the crashed one */
    ccol__buffer_fini(&dump);
}

static void many_threads_stay_within_the_plan(void)
{
    check_crowd(7, (size_t)16 << 10, (size_t)200 << 10, "seven");
    check_crowd(102, (size_t)8 << 10, (size_t)650 << 10, "hundred");
    check_crowd(2000, (size_t)8 << 10, (size_t)2 << 20, "two_thousand");
}

static void what_was_cut_is_told(void)
{
    struct buffer dump;
    size_t length;
    const void *bytes = make_crowd(2000, 1024, &length);
    write_dump(&dump, bytes, length, &(struct minidump_options){.threads_most = 100});
    size_t at = stream(&dump, STREAM_SOFT, &length);
    REQUIRE(at && memmem(dump.data + at, length, "threads not written: 1900 of 2000", 33));
    ccol__buffer_fini(&dump);
    write_dump(&dump, bytes, snapshot_fixture.used, &(struct minidump_options){.bytes_most = 1});
    CHECK(dump.length <= (size_t)128 << 10);
    at = stream(&dump, STREAM_SOFT, &length);
    REQUIRE(at && memmem(dump.data + at, length, "threads without a stack here", 28));
    ccol__buffer_fini(&dump);
}

static void an_aarch64_dump_has_its_context(void)
{
    struct buffer dump;
    size_t length;
    struct snapshot_build *build = snapshot_begin();
    struct snapshot_thread thread = {.tid = 77, .flags = SNAPSHOT_REGISTERS | SNAPSHOT_CRASHED, .name = "main"};
    for (size_t i = 0; i < SNAPSHOT_REGISTERS_MAX; i++)
        thread.registers[i] = 0x1000 + i;
    thread.registers[AARCH64_SP_PLACE] = thread.sp = THREAD_FIRST_SP;
    thread.registers[AARCH64_SP_PLACE + 1] = thread.pc = AARCH64_CODE + 16;
    uint64_t stack[512] = {THREAD_FIRST_SP + 64, AARCH64_CODE + 32};
    thread.registers[29] = THREAD_FIRST_SP;
    struct snapshot_reason reason = {.event = SNAPSHOT_FATAL_SIGNAL, .signal = SIGSEGV, .tid = 77, .thread_count = 1};
    struct snapshot_process process = {.pid = 77};
    struct snapshot_module module = {.start = AARCH64_CODE,
                                     .end = AARCH64_CODE + 0x1000,
                                     .path = ccol__build_string(build, "/bin/arm"),
                                     .build_id_bytes = 16};
    uint8_t floats[528];
    memset(floats, 0x5a, sizeof floats);
    snapshot_add(SNAPSHOT_REASON, 0, &reason, sizeof reason, sizeof reason);
    snapshot_add(SNAPSHOT_PROCESS, 0, &process, sizeof process, sizeof process);
    snapshot_add(SNAPSHOT_THREADS, 0, &thread, sizeof thread, sizeof thread);
    snapshot_add(SNAPSHOT_FP, 77, floats, sizeof floats, 0);
    snapshot_add(SNAPSHOT_MODULES, 0, &module, sizeof module, sizeof module);
    snapshot_add_memory(77, THREAD_FIRST_SP, stack, sizeof stack);
    length = ccol__build_finish(build, 1, 0);
    struct snapshot_header *header = (void *)build->memory;
    header->machine = SNAPSHOT_AARCH64;
    write_dump(&dump, build->memory, length, NULL);
    keep_snapshot(build->memory, length, "aarch64");
    keep_dump(&dump, "aarch64");
    size_t at = stream(&dump, STREAM_THREADS, &length), context = u32(&dump, at + 4 + 44);
    CHECK_INT(u32(&dump, at + 4 + 40), 912);
    CHECK_INT(u32(&dump, context), 0x400007);
    CHECK_INT(u64(&dump, context + 8), 0x1000);
    CHECK(u64(&dump, context + 8 + 31 * 8) == THREAD_FIRST_SP);
    CHECK(u64(&dump, context + 8 + 32 * 8) == AARCH64_CODE + 16);
    CHECK_INT(u32(&dump, context + 8 + 33 * 8), 0x5a5a5a5a);
    at = stream(&dump, STREAM_SYSTEM, &length);
    CHECK_INT(u32(&dump, at) & 0xffff, 12);
    ccol__buffer_fini(&dump);
}

int main(int argc, char **argv)
{
    if (argc > 1) dump_folder = argv[1];
    RUN(a_real_crash_has_all_streams);
    RUN(many_threads_stay_within_the_plan);
    RUN(what_was_cut_is_told);
    RUN(an_aarch64_dump_has_its_context);
    ccol__build_fini(&snapshot_fixture);
    return check_done();
}
