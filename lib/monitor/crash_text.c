/* SPDX-License-Identifier: MIT */
/* The stack traces for people, and the words that reports use. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "monitor/crash.h"

#define THREADS_TOLD 256
#define FRAMES_TOLD  128
#define MESSAGE_TOLD 400

const char *ccol__crash_message(const struct crash *crash)
{
    if (crash->panic_count > 0) {
        const struct panic *last = crash->panics[crash->panic_count - 1];
        return last->exceptions[last->exception_count - 1].value;
    }
    return crash->words.message ? crash->words.message : "";
}

/* Where the kind of an exception says more than the word for it. */
static const char *exception_type(const struct crash *crash)
{
    if (crash->panic_count == 0) return "";
    const struct panic *last = crash->panics[crash->panic_count - 1];
    switch (last->runtime) {
    case PANIC_PYTHON:
    case PANIC_NODE:
    case PANIC_JAVA:
    case PANIC_CPP:
        return last->exceptions[last->exception_count - 1].type;
    default:
        return "";
    }
}

const char *ccol__crash_reason(const struct crash *crash, char *out, size_t size)
{
    const char *message = ccol__crash_message(crash), *type = exception_type(crash);
    int length = (int)strcspn(message, "\r\n");
    snprintf(out, size, "%s%s%s%s%.100s%s%.*s", crash->words.word, crash->words.detail[0] ? " " : "",
             crash->words.detail, length || *type ? " - " : "", type, length && *type ? ": " : "",
             length > MESSAGE_TOLD ? MESSAGE_TOLD : length, message);
    return out;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void put_frame(struct buffer *out, size_t index, const struct frame *frame)
{
    ccol__buffer_format(out, "  %2zu  ", index);
    if (*frame->function)
        ccol__buffer_text(out, frame->function);
    else
        ccol__buffer_format(out, "0x%" PRIx64, frame->address);
    if (frame->inlined) ccol__buffer_text(out, " (inlined)");
    if (*frame->file) {
        ccol__buffer_format(out, " at %s", frame->file);
        if (frame->line) ccol__buffer_format(out, ":%u", frame->line);
        if (frame->line && frame->column) ccol__buffer_format(out, ":%u", frame->column);
    }
    if (frame->module)
        ccol__buffer_format(out, " in %s+0x%" PRIx64, file_name(frame->module->path),
                            frame->address - frame->module->seen.start);
    if (frame->trust == FRAME_SCAN) ccol__buffer_text(out, " (a guess)");
    ccol__buffer_text(out, "\n");
}

static void put_thread(struct buffer *out, const struct crash *crash, size_t index)
{
    const struct victim_thread *thread = &crash->victim->threads[index];
    const struct thread_frames *frames = crash->traces ? &crash->traces->threads[index] : NULL;
    ccol__buffer_format(out, "\nThread %d \"%s\"%s\n", thread->seen.tid, thread->name,
                        thread->seen.tid == crash->victim->crashed_tid ? " crashed" : "");
    if (!frames || frames->count == 0) ccol__buffer_text(out, "   no frames\n");
    for (size_t i = 0; frames && i < frames->count && i < FRAMES_TOLD; i++)
        put_frame(out, i, &frames->frames[i]);
    if (frames && (frames->cut || frames->count > FRAMES_TOLD)) ccol__buffer_text(out, "   ... and more\n");
}

static void put_panic(struct buffer *out, const struct panic *panic)
{
    ccol__buffer_format(out, "\n%s%s%s\n", ccol__panic_runtime_name(panic->runtime), *panic->thread ? ", thread " : "",
                        panic->thread);
    for (size_t i = panic->exception_count; i-- > 0;) { /* what came out first, its causes below */
        const struct panic_exception *exception = &panic->exceptions[i];
        ccol__buffer_format(out, "%s%s%s%s\n", i + 1 < panic->exception_count ? "caused by " : "", exception->type,
                            *exception->value ? ": " : "", exception->value);
        for (size_t j = 0; j < exception->frame_count; j++) {
            const struct panic_frame *frame = &exception->frames[j];
            ccol__buffer_format(out, "  %2zu  %s", j, *frame->function ? frame->function : "(unknown)");
            if (*frame->file) ccol__buffer_format(out, " at %s", frame->file);
            if (frame->line) ccol__buffer_format(out, ":%u", frame->line);
            if (frame->column) ccol__buffer_format(out, ":%u", frame->column);
            ccol__buffer_text(out, "\n");
        }
    }
}

static void put_head(struct buffer *out, const struct crash *crash)
{
    char reason[1024], time[CCOL_RFC3339_SIZE];
    ccol__buffer_format(out, "%s\n", ccol__crash_reason(crash, reason, sizeof reason));
    ccol__buffer_format(out, "process %d, %s", crash->pid,
                        *crash->executable ? crash->executable : "(unknown program)");
    if (crash->crashed_us) ccol__buffer_format(out, ", at %s", ccol__clock_rfc3339(time, crash->crashed_us));
    ccol__buffer_format(out, ", on %s (%s, Linux %s)\n", crash->host->name,
                        crash->host->pretty[0] ? crash->host->pretty : "unknown distribution", crash->host->release);
    for (size_t i = 0; i < crash->note_count; i++)
        ccol__buffer_format(out, "note: %s\n", crash->notes[i]);
}

static void put_modules(struct buffer *out, const struct victim *victim)
{
    if (victim->module_count) ccol__buffer_text(out, "\nModules\n");
    for (size_t i = 0; i < victim->module_count; i++) {
        const struct snapshot_module *module = &victim->modules[i].seen;
        char build_id[2 * sizeof module->build_id + 1] = "";
        ccol__hex(build_id, module->build_id, module->build_id_bytes);
        ccol__buffer_format(out, "  0x%" PRIx64 "-0x%" PRIx64 " %s %s\n", module->start, module->end,
                            *build_id ? build_id : "-", victim->modules[i].path);
    }
}

void ccol__crash_write_text(struct buffer *out, const struct crash *crash)
{
    put_head(out, crash);
    for (size_t i = 0; i < crash->panic_count; i++)
        put_panic(out, crash->panics[i]);
    if (!crash->victim) return;
    size_t told = crash->victim->thread_count < THREADS_TOLD ? crash->victim->thread_count : THREADS_TOLD;
    for (size_t i = 0; i < told; i++)
        put_thread(out, crash, i);
    if (told < crash->victim->thread_count)
        ccol__buffer_format(out, "\n%zu more threads\n", crash->victim->thread_count - told);
    put_modules(out, crash->victim);
}
