/* SPDX-License-Identifier: MIT */
/* The parts stand one after the other as they come; the directory, which the header points to, is last. */
#include "monitor/minidump_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "monitor/minidump_context.h"
#include "monitor/minidump_private.h"

#define US_PER_SECOND   INT64_C(1000000)
#define HEADER_BYTES    32
#define ENTRY_BYTES     12
#define THREAD_BYTES    48
#define MODULE_BYTES    108
#define MEMORY_BYTES    16
#define NAME_BYTES      12
#define VERSION_BYTES   52 /* of a module, all 0 on Linux */
#define MISC_BYTES      24
#define MISC_PROCESS_ID 1
#define PLATFORM_LINUX  0x8201
#define SIGNATURE       0x504d444d /* "MDMP" */
#define VERSION         0xa793
#define BUILD_ID_MAGIC  0x4270454c /* "LEpB": CodeView of an ELF file */
#define PARAMETERS      15
#define STACK_REACH     ((uint64_t)1 << 20) /* how far above a stack pointer in the guard the stack may begin */
#define RED_ZONE        128
#define IP_BEFORE       128
#define IP_BYTES        256
#define BYTES_LEAST     ((size_t)64 << 10)
/* entries of the lists of threads, names and memories, and a name of 15 characters */
#define LEAVE_FOR_THREAD (THREAD_BYTES + NAME_BYTES + 2 * MEMORY_BYTES + 40)
#define LEAVE_FOR_MODULE (MODULE_BYTES + 256)
#define LEAVE_FOR_TEXTS  ((size_t)48 << 10) /* maps, status, limits and the like that come after the stacks */

/* What is left for stacks, as the parts after them need room too. */
static size_t room(const struct minidump_writer *writer)
{
    size_t used = writer->out->length + LEAVE_FOR_TEXTS + writer->victim->module_count * LEAVE_FOR_MODULE +
                  writer->thread_count * LEAVE_FOR_THREAD;
    return used < writer->options.bytes_most ? writer->options.bytes_most - used : 0;
}

/* Whether memory at the address was placed already; readers refuse lists that overlap. */
static bool is_placed(const struct minidump_writer *writer, uint64_t address, size_t length)
{
    for (size_t i = 0; i < writer->memory_count; i++) {
        const struct placed_memory *placed = &writer->memories[i];
        if (address < placed->address + placed->at.bytes && placed->address < address + length) return true;
    }
    return false;
}

static struct placed_memory place_memory(struct minidump_writer *writer, const struct victim_memory *memory,
                                         uint64_t from, size_t most)
{
    struct placed_memory placed = {0};
    uint64_t offset = from - memory->address;
    size_t length = memory->length - (size_t)offset;
    if (length > most) length = most;
    if (length == 0 || writer->memory_count == writer->memory_room || is_placed(writer, from, length)) return placed;
    placed.address = from;
    placed.at = ccol__minidump_put_bytes(writer->out, memory->bytes + offset, length);
    writer->memories[writer->memory_count++] = placed;
    return placed;
}

static size_t stack_most(const struct minidump_writer *writer, const struct victim_thread *thread)
{
    size_t most = writer->options.stack, left = room(writer);
    if (writer->victim->thread_count > writer->options.crowd) most = writer->options.crowded_stack;
    if (thread->seen.tid == writer->victim->crashed_tid) most = writer->options.crashed_stack;
    return most < left ? most : left;
}

static void place_stack(struct minidump_writer *writer, size_t index, unsigned *without)
{
    const struct victim_thread *thread = &writer->victim->threads[index];
    uint64_t sp = ccol__victim_sp(writer->victim, thread);
    uint64_t from = sp > RED_ZONE ? sp - RED_ZONE : sp;
    const struct victim_memory *memory = sp ? ccol__victim_memory_at(writer->victim, from, STACK_REACH) : NULL;
    if (memory) {
        if (memory->address > from) from = memory->address;
        writer->stacks[index] = place_memory(writer, memory, from, stack_most(writer, thread));
    }
    if (sp && writer->stacks[index].at.bytes == 0) (*without)++;
}

static void place_threads(struct minidump_writer *writer)
{
    const struct victim *victim = writer->victim;
    unsigned without = 0;
    for (size_t i = 0; i < writer->thread_count; i++) {
        writer->contexts[i] = ccol__minidump_put_context(writer->out, victim->machine, &victim->threads[i]);
        if (victim->threads[i].seen.tid == victim->crashed_tid) writer->crashed_context = writer->contexts[i];
    }
    for (size_t i = 0; i < writer->thread_count; i++)
        place_stack(writer, i, &without);
    if (without) ccol__minidump_warn(writer, "threads without a stack here: %u of %zu", without, writer->thread_count);
}

static void put_threads(struct minidump_writer *writer)
{
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, (uint32_t)writer->thread_count);
    for (size_t i = 0; i < writer->thread_count; i++) {
        ccol__minidump_put_u32(writer->out, (uint32_t)writer->victim->threads[i].seen.tid);
        ccol__minidump_put_zeros(writer->out, 20); /* suspend count, priorities, thread block */
        ccol__minidump_put_u64(writer->out, writer->stacks[i].address);
        ccol__minidump_put_location(writer->out, writer->stacks[i].at);
        ccol__minidump_put_location(writer->out, writer->contexts[i]);
    }
    ccol__minidump_add_stream(writer, STREAM_THREADS, ccol__minidump_since(writer, start));
}

static void put_thread_names(struct minidump_writer *writer)
{
    auto_free uint32_t *names = calloc(writer->thread_count + 1, sizeof *names);
    if (!names) {
        writer->out->failed = true;
        return;
    }
    for (size_t i = 0; i < writer->thread_count; i++)
        names[i] = ccol__minidump_put_utf16(writer->out, writer->victim->threads[i].name);
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, (uint32_t)writer->thread_count);
    for (size_t i = 0; i < writer->thread_count; i++) {
        ccol__minidump_put_u32(writer->out, (uint32_t)writer->victim->threads[i].seen.tid);
        ccol__minidump_put_u64(writer->out, names[i]);
    }
    ccol__minidump_add_stream(writer, STREAM_THREAD_NAMES, ccol__minidump_since(writer, start));
}

/* The code around each thread's instruction pointer, for readers that look at the instruction. */
static void place_code(struct minidump_writer *writer)
{
    for (size_t i = 0; i < writer->thread_count; i++) {
        uint64_t ip = ccol__victim_ip(writer->victim, &writer->victim->threads[i]);
        const struct victim_memory *memory = ip ? ccol__victim_memory_at(writer->victim, ip, 0) : NULL;
        if (!memory || memory->address > ip) continue;
        uint64_t from = ip - memory->address > IP_BEFORE ? ip - IP_BEFORE : memory->address;
        if (room(writer) >= IP_BYTES) place_memory(writer, memory, from, IP_BYTES);
    }
}

static void put_memories(struct minidump_writer *writer)
{
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, (uint32_t)writer->memory_count);
    for (size_t i = 0; i < writer->memory_count; i++) {
        ccol__minidump_put_u64(writer->out, writer->memories[i].address);
        ccol__minidump_put_location(writer->out, writer->memories[i].at);
    }
    ccol__minidump_add_stream(writer, STREAM_MEMORY, ccol__minidump_since(writer, start));
}

/* What readers look the file up by. */
static struct location put_build_id(struct minidump_writer *writer, const struct snapshot_module *module)
{
    bool hashed = module->build_id_bytes == 0 && module->flags & SNAPSHOT_TEXT_HASH;
    if (module->build_id_bytes == 0 && !hashed) return (struct location){0, 0};
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, BUILD_ID_MAGIC);
    if (hashed)
        ccol__buffer_append(writer->out, module->text_hash, sizeof module->text_hash);
    else
        ccol__buffer_append(writer->out, module->build_id, module->build_id_bytes);
    return ccol__minidump_since(writer, start);
}

struct module_parts {
    uint32_t name;
    struct location build_id;
};

static void put_module(struct minidump_writer *writer, const struct snapshot_module *module,
                       const struct module_parts *parts)
{
    uint64_t size = module->end - module->start;
    ccol__minidump_put_u64(writer->out, module->start);
    ccol__minidump_put_u32(writer->out, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size);
    ccol__minidump_put_zeros(writer->out, 8); /* checksum, time */
    ccol__minidump_put_u32(writer->out, parts->name);
    ccol__minidump_put_zeros(writer->out, VERSION_BYTES);
    ccol__minidump_put_location(writer->out, parts->build_id);
    ccol__minidump_put_zeros(writer->out, 8 + 16); /* misc record, reserved */
}

/* Readers take the first module for the executable. */
static size_t executable_index(const struct victim *victim)
{
    for (size_t i = 0; i < victim->module_count; i++) {
        if (victim->modules[i].seen.flags & SNAPSHOT_EXECUTABLE) return i;
    }
    return 0;
}

static void put_modules(struct minidump_writer *writer)
{
    const struct victim *victim = writer->victim;
    size_t count = victim->module_count, first = executable_index(victim);
    auto_free struct module_parts *parts = calloc(count + 1, sizeof *parts);
    if (!parts) {
        writer->out->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i].name = ccol__minidump_put_utf16(writer->out, victim->modules[i].path);
        parts[i].build_id = put_build_id(writer, &victim->modules[i].seen);
    }
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, (uint32_t)count);
    if (count) put_module(writer, &victim->modules[first].seen, &parts[first]);
    for (size_t i = 0; i < count; i++) {
        if (i != first) put_module(writer, &victim->modules[i].seen, &parts[i]);
    }
    ccol__minidump_add_stream(writer, STREAM_MODULES, ccol__minidump_since(writer, start));
}

/* Readers want a thread to begin with. After a SIGKILL, when no thread stands out, it is the first one. */
static void put_exception(struct minidump_writer *writer)
{
    const struct victim *victim = writer->victim;
    if (victim->reason.signal == 0 || writer->thread_count == 0) return;
    const struct victim_thread *thread = ccol__victim_crashed(victim);
    struct location context = thread ? writer->crashed_context : writer->contexts[0];
    if (!thread) thread = &victim->threads[0];
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, (uint32_t)thread->seen.tid);
    ccol__minidump_put_u32(writer->out, 0);
    ccol__minidump_put_u32(writer->out, (uint32_t)victim->reason.signal);
    ccol__minidump_put_u32(writer->out, (uint32_t)victim->code);
    ccol__minidump_put_u64(writer->out, 0); /* no further exception */
    ccol__minidump_put_u64(writer->out, victim->has_address ? victim->address : 0);
    ccol__minidump_put_zeros(writer->out, 8 + PARAMETERS * 8);
    ccol__minidump_put_location(writer->out, context);
    ccol__minidump_add_stream(writer, STREAM_EXCEPTION, ccol__minidump_since(writer, start));
}

static void put_system(struct minidump_writer *writer)
{
    const struct host *host = writer->input->host;
    char text[256];
    snprintf(text, sizeof text, "Linux %s %s", host->release, host->version);
    uint32_t version = ccol__minidump_put_utf16(writer->out, text);
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_cpu(writer->out, writer->victim->machine, host);
    for (size_t i = 0; i < 3; i++)
        ccol__minidump_put_u32(writer->out, host->numbers[i]);
    ccol__minidump_put_u32(writer->out, PLATFORM_LINUX);
    ccol__minidump_put_u32(writer->out, version);
    ccol__minidump_put_u32(writer->out, 0); /* suites, reserved */
    ccol__minidump_put_cpu_features(writer->out, writer->victim->machine, host);
    ccol__minidump_add_stream(writer, STREAM_SYSTEM, ccol__minidump_since(writer, start));
}

static void put_misc(struct minidump_writer *writer)
{
    const struct snapshot_process *process = &writer->victim->process;
    ccol__minidump_align(writer->out);
    uint32_t start = (uint32_t)writer->out->length;
    ccol__minidump_put_u32(writer->out, MISC_BYTES);
    ccol__minidump_put_u32(writer->out, MISC_PROCESS_ID);
    ccol__minidump_put_u32(writer->out, (uint32_t)process->pid);
    ccol__minidump_put_zeros(writer->out, 12); /* times, which the flags leave out */
    ccol__minidump_add_stream(writer, STREAM_MISC, ccol__minidump_since(writer, start));
}

static void put_directory(struct minidump_writer *writer)
{
    ccol__minidump_align(writer->out);
    uint32_t directory = (uint32_t)writer->out->length;
    for (size_t i = 0; i < writer->stream_count; i++) {
        ccol__minidump_put_u32(writer->out, writer->streams[i].type);
        ccol__minidump_put_location(writer->out, writer->streams[i].at);
    }
    int64_t at = writer->victim->reason.happened_at_us / US_PER_SECOND;
    const uint32_t head[] = {SIGNATURE, VERSION, (uint32_t)writer->stream_count, directory, 0, (uint32_t)at, 0, 0};
    for (uint32_t i = 0; i < sizeof head / sizeof head[0]; i++)
        ccol__minidump_set_u32(writer->out, (uint32_t)(i * sizeof head[0]), head[i]);
}

static void set_defaults(struct minidump_options *options)
{
    if (!options->crashed_stack) options->crashed_stack = (size_t)64 << 10;
    if (!options->stack) options->stack = (size_t)16 << 10;
    if (!options->crowded_stack) options->crowded_stack = (size_t)4 << 10;
    if (!options->crowd) options->crowd = 20;
    if (!options->threads_most) options->threads_most = 512;
    if (!options->bytes_most) options->bytes_most = (size_t)2 << 20;
    if (options->bytes_most < BYTES_LEAST) options->bytes_most = BYTES_LEAST;
    if (options->bytes_most > UINT32_MAX / 2) options->bytes_most = UINT32_MAX / 2;
}

/* At most half of the dump goes into registers and names. */
static size_t threads_that_fit(const struct minidump_writer *writer)
{
    size_t each = ccol__minidump_context_bytes(writer->victim->machine) + LEAVE_FOR_THREAD;
    size_t most = writer->options.bytes_most / 2 / each, count = writer->victim->thread_count;
    if (most > writer->options.threads_most) most = writer->options.threads_most;
    return count < most ? count : most;
}

static void write_parts(struct minidump_writer *writer)
{
    ccol__minidump_put_zeros(writer->out, HEADER_BYTES);
    place_threads(writer);
    place_code(writer);
    put_threads(writer);
    put_thread_names(writer);
    put_modules(writer);
    put_memories(writer);
    put_exception(writer);
    put_system(writer);
    put_misc(writer);
    ccol__minidump_put_annotations(writer);
    ccol__minidump_put_texts(writer);
    ccol__minidump_put_soft_errors(writer);
    put_directory(writer);
}

int ccol__minidump_write(struct buffer *out, const struct minidump_input *input, const struct minidump_options *options,
                         ccol_error *err)
{
    struct minidump_writer writer = {.out = out, .input = input, .victim = input->victim};
    if (options) writer.options = *options;
    set_defaults(&writer.options);
    /* The cap is met by leaving things out; the ceiling is for what was misjudged. */
    ccol__buffer_init(out, writer.options.bytes_most + BYTES_LEAST, NULL);
    size_t seen = input->victim->reason.thread_count;
    writer.thread_count = threads_that_fit(&writer);
    if (seen < input->victim->thread_count) seen = input->victim->thread_count;
    if (writer.thread_count < seen)
        ccol__minidump_warn(&writer, "threads not written: %zu of %zu", seen - writer.thread_count, seen);
    writer.memory_room = 2 * writer.thread_count;
    auto_free struct placed_memory *memories = calloc(writer.memory_room + 1, sizeof *memories);
    auto_free struct placed_memory *stacks = calloc(writer.thread_count + 1, sizeof *stacks);
    auto_free struct location *contexts = calloc(writer.thread_count + 1, sizeof *contexts);
    if (!memories || !stacks || !contexts) return ccol_fail(err, -ENOMEM, "no memory for a minidump");
    writer.memories = memories;
    writer.stacks = stacks;
    writer.contexts = contexts;
    write_parts(&writer);
    for (size_t i = 0; i < writer.warning_count; i++)
        free(writer.warnings[i]);
    if (!out->failed) return 0;
    return ccol_fail(err, CCOL_ETOOLARGE, "a minidump of %zu modules and %zu threads has no room in %zu bytes",
                     input->victim->module_count, writer.thread_count, writer.options.bytes_most);
}
