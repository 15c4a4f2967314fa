/* SPDX-License-Identifier: MIT */
/* Snapshots from hell: what is read of one points into it, overlaps nowhere, and becomes a minidump and stack traces
 * without names in bounded time. */
#include <string.h>

#include "fuzz.h"
#include "monitor/death.h"
#include "monitor/minidump_writer.h"
#include "monitor/unwind.h"

#define DUMP_MOST ((size_t)256 << 10)

static void check_memories(const struct victim *victim, const char *bytes, size_t size)
{
    uint64_t end = 0;
    for (size_t i = 0; i < victim->memories.count; i++) {
        const struct victim_memory *memory = &victim->memories.list[i];
        const char *at = (const char *)memory->bytes;
        PROPERTY(memory->address >= end && memory->length > 0 && memory->length <= size);
        PROPERTY(at >= bytes && at <= bytes + size - memory->length);
        end = memory->address + memory->length;
    }
}

static void write_dump(const struct victim *victim)
{
    struct buffer dump;
    const struct host host = {.cpus = 1};
    const struct minidump_input input = {.victim = victim, .host = &host};
    ccol_error err = {0};
    int code = ccol__minidump_write(&dump, &input, &(struct minidump_options){.bytes_most = DUMP_MOST}, &err);
    PROPERTY(code == 0 || code == CCOL_ETOOLARGE);
    ccol__buffer_fini(&dump);
}

static void unwind(const struct victim *victim)
{
    struct stack_traces traces;
    ccol_error err = {0};
    const struct unwind_options options = {
        .no_symbols = true, .deadline_ms = 100, .frames_most = 64, .frames_most_else = 16};
    PROPERTY(ccol__unwind(&traces, victim, &options, &err) == 0);
    PROPERTY(traces.thread_count == victim->thread_count);
    for (size_t i = 0; i < traces.thread_count; i++)
        PROPERTY(traces.threads[i].count <= 64);
    ccol__stack_traces_fini(&traces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct victim victim;
    struct oom_verdict verdict;
    struct death_words words;
    ccol_error err = {0};
    char *bytes = aligned_alloc(8, (size + 8) & ~(size_t)7);
    PROPERTY(bytes);
    memcpy(bytes, data, size);
    int code = ccol__victim_read_snapshot(&victim, bytes, size, &err);
    PROPERTY(code == 0 || (code == CCOL_EFORMAT && err.text[0]));
    if (code == 0) {
        check_memories(&victim, bytes, size);
        ccol__oom_judge(&verdict, &victim, NULL);
        ccol__death_describe(&words, &victim, &verdict);
        PROPERTY(words.word[0]);
        if (victim.thread_count <= 64) {
            write_dump(&victim);
            unwind(&victim);
        }
    }
    ccol__victim_fini(&victim);
    free(bytes);
    return 0;
}
