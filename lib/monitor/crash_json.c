/* SPDX-License-Identifier: MIT */
/* stacktrace_json, version 1: what storages make their own forms from. Members that are not known are left out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json_build.h"
#include "monitor/crash.h"

#define TREE_MOST       ((size_t)128 << 20)
#define EXCEPTIONS_MOST ((size_t)8 << 20)

static const char *const x86_64_names[] = {
    "r15", "r14",      "r13", "r12", "rbp",    "rbx", "r11", "r10",     "r9",      "r8", "rax", "rcx", "rdx", "rsi",
    "rdi", "orig_rax", "rip", "cs",  "eflags", "rsp", "ss",  "fs_base", "gs_base", "ds", "es",  "fs",  "gs"};

static void put_hex(struct json_builder *builder, struct json *object, const char *key, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, number);
    ccol__json_put_text(builder, object, key, text);
}

static void put_time(struct json_builder *builder, struct json *object, const char *key, int64_t us)
{
    char text[CCOL_RFC3339_SIZE];
    if (us) ccol__json_put_text(builder, object, key, ccol__clock_rfc3339(text, us));
}

static void put_crash(struct json_builder *builder, struct json *whole, const struct crash *crash)
{
    const struct victim *victim = crash->victim;
    struct json *object = ccol__json_put_object(builder, whole, "crash");
    ccol__json_put_text(builder, object, "reason", crash->words.word);
    ccol__json_put_text(builder, object, "detail", crash->words.detail);
    ccol__json_put_text(builder, object, "message", ccol__crash_message(crash));
    if (!victim || !victim->reason.signal) return;
    ccol__json_put_number(builder, object, "signal", victim->reason.signal);
    if (victim->has_code) {
        ccol__json_put_number(builder, object, "code", victim->code);
        ccol__json_put_text(builder, object, "code_name", ccol__signal_code_name(victim->reason.signal, victim->code));
    }
    if (victim->has_address) put_hex(builder, object, "address", victim->address);
    if (victim->crashed_tid) ccol__json_put_number(builder, object, "thread", victim->crashed_tid);
}

static void put_system(struct json_builder *builder, struct json *whole, const struct crash *crash)
{
    struct json *object = ccol__json_put_object(builder, whole, "system");
    const char *arch = "x86_64";
#if defined(__aarch64__)
    arch = "aarch64";
#endif
    if (crash->victim) arch = crash->victim->machine == SNAPSHOT_AARCH64 ? "aarch64" : "x86_64";
    ccol__json_put_text(builder, object, "os", "Linux");
    ccol__json_put_text(builder, object, "os_version", crash->host->release);
    ccol__json_put_text(builder, object, "os_pretty", crash->host->pretty);
    ccol__json_put_text(builder, object, "arch", arch);
    ccol__json_put_number(builder, object, "cpus", crash->host->cpus);
}

static void put_modules(struct json_builder *builder, struct json *whole, const struct victim *victim)
{
    struct json *list = ccol__json_put_array(builder, whole, "modules");
    for (size_t i = 0; victim && i < victim->module_count; i++) {
        const struct snapshot_module *module = &victim->modules[i].seen;
        struct json *object = ccol__json_new(builder, JSON_OBJECT);
        char build_id[2 * sizeof module->build_id + 1] = "";
        ccol__hex(build_id, module->build_id, module->build_id_bytes);
        ccol__json_put_text(builder, object, "path", victim->modules[i].path);
        put_hex(builder, object, "address", module->start);
        ccol__json_put_number(builder, object, "size", (int64_t)(module->end - module->start));
        ccol__json_put_text(builder, object, "build_id", build_id);
        if (module->flags & SNAPSHOT_TEXT_HASH) {
            char text_hash[2 * sizeof module->text_hash + 1];
            ccol__hex(text_hash, module->text_hash, sizeof module->text_hash);
            ccol__json_put_text(builder, object, "text_hash", text_hash);
        }
        ccol__json_push(builder, list, object);
    }
}

static struct json *new_frame(struct json_builder *builder, const struct victim *victim, const struct frame *frame)
{
    struct json *object = ccol__json_new(builder, JSON_OBJECT);
    put_hex(builder, object, "address", frame->address);
    if (frame->module) ccol__json_put_number(builder, object, "module", frame->module - victim->modules);
    ccol__json_put_text(builder, object, "function", frame->function);
    ccol__json_put_text(builder, object, "file", frame->file);
    if (frame->line) ccol__json_put_number(builder, object, "line", frame->line);
    if (frame->column) ccol__json_put_number(builder, object, "column", frame->column);
    if (frame->inlined) ccol__json_put_bool(builder, object, "inlined", true);
    ccol__json_put_text(builder, object, "trust", ccol__frame_trust_name(frame->trust));
    return object;
}

static void put_registers(struct json_builder *builder, struct json *thread, const struct victim *victim,
                          const uint64_t *registers)
{
    static const char *const last[] = {"sp", "pc", "pstate"};
    struct json *object = ccol__json_put_object(builder, thread, "registers");
    if (victim->machine == SNAPSHOT_X86_64) {
        for (size_t i = 0; i < sizeof x86_64_names / sizeof x86_64_names[0]; i++)
            put_hex(builder, object, x86_64_names[i], registers[i]);
        return;
    }
    for (size_t i = 0; i < SNAPSHOT_REGISTERS_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%u", (unsigned)i & 0xffu);
        put_hex(builder, object, i >= AARCH64_SP ? last[i - AARCH64_SP] : name, registers[i]);
    }
}

static struct json *new_thread(struct json_builder *builder, const struct crash *crash, size_t index)
{
    const struct victim *victim = crash->victim;
    const struct victim_thread *thread = &victim->threads[index];
    const struct thread_frames *frames = crash->traces ? &crash->traces->threads[index] : NULL;
    struct json *object = ccol__json_new(builder, JSON_OBJECT);
    bool crashed = thread->seen.tid == victim->crashed_tid;
    ccol__json_put_number(builder, object, "id", thread->seen.tid);
    ccol__json_put_text(builder, object, "name", thread->name);
    if (crashed) ccol__json_put_bool(builder, object, "crashed", true);
    if (crashed && thread->seen.flags & SNAPSHOT_REGISTERS)
        put_registers(builder, object, victim, thread->seen.registers);
    struct json *list = ccol__json_put_array(builder, object, "frames");
    for (size_t i = 0; frames && i < frames->count; i++)
        ccol__json_push(builder, list, new_frame(builder, victim, &frames->frames[i]));
    return object;
}

static void put_threads(struct json_builder *builder, struct json *whole, const struct crash *crash)
{
    struct json *list = ccol__json_put_array(builder, whole, "threads");
    for (size_t i = 0; crash->victim && i < crash->victim->thread_count; i++)
        ccol__json_push(builder, list, new_thread(builder, crash, i));
}

static void put_exceptions(struct json_builder *builder, struct json *whole, const struct crash *crash)
{
    static const struct json_limits limits = {.depth = 16, .number_length = 32};
    struct buffer text;
    struct json *list = NULL;
    ccol__buffer_init(&text, EXCEPTIONS_MOST, NULL);
    ccol__buffer_text(&text, "[");
    for (size_t i = 0; i < crash->panic_count; i++) {
        if (i) ccol__buffer_text(&text, ",");
        ccol__panic_write_exceptions(&text, crash->panics[i]);
    }
    ccol__buffer_text(&text, "]");
    if (text.failed || ccol__json_parse(builder->arena, text.data, text.length, &limits, &list, NULL) != 0)
        list = ccol__json_new(builder, JSON_ARRAY); /* more than fits: the text for people has it */
    ccol__json_put(builder, whole, "exceptions", list);
    ccol__buffer_fini(&text);
}

void ccol__crash_put_crumbs(struct json_builder *builder, struct json *whole, const struct crash_log *log)
{
    struct json *list = ccol__json_put_array(builder, whole, "breadcrumbs");
    for (size_t i = 0; log && i < log->crumb_count; i++) {
        const struct crumb *crumb = &log->crumbs[i];
        struct json *object = ccol__json_new(builder, JSON_OBJECT);
        put_time(builder, object, "time", crumb->at_us);
        ccol__json_put_text(builder, object, "category",
                            crumb->category ? crumb->category : ccol__ring_stream_name(crumb->stream));
        ccol__json_put_text(builder, object, "level",
                            crumb->level == LEVEL_NONE ? "info" : ccol__level_name(crumb->level));
        ccol__json_put_text(builder, object, "message", crumb->message);
        ccol__json_push(builder, list, object);
    }
}

static void put_notes(struct json_builder *builder, struct json *whole, const struct crash *crash)
{
    struct json *list = ccol__json_put_array(builder, whole, "notes");
    for (size_t i = 0; i < crash->note_count; i++)
        ccol__json_push(builder, list, ccol__json_new_text(builder, crash->notes[i], strlen(crash->notes[i])));
}

void ccol__crash_write_json(struct buffer *out, const struct crash *crash)
{
    struct arena arena;
    struct budget budget = {.limit = TREE_MOST};
    ccol__arena_init(&arena, &budget);
    struct json_builder builder = {.arena = &arena};
    struct json *whole = ccol__json_new(&builder, JSON_OBJECT);
    ccol__json_put_number(&builder, whole, "version", 1);
    if (crash->pid) ccol__json_put_number(&builder, whole, "pid", crash->pid);
    ccol__json_put_text(&builder, whole, "executable", crash->executable);
    put_time(&builder, whole, "started_at", crash->started_us);
    put_time(&builder, whole, "crashed_at", crash->crashed_us);
    put_crash(&builder, whole, crash);
    put_system(&builder, whole, crash);
    put_modules(&builder, whole, crash->victim);
    put_threads(&builder, whole, crash);
    put_exceptions(&builder, whole, crash);
    ccol__crash_put_crumbs(&builder, whole, crash->log);
    put_notes(&builder, whole, crash);
    if (builder.failed || !ccol__json_write(out, whole)) out->failed = true;
    ccol__arena_fini(&arena);
}
