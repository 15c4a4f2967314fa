/* SPDX-License-Identifier: MIT */
/* A panic on its way into a report: as JSON, and as a copy. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "monitor/panic.h"

const char *ccol__panic_runtime_name(enum panic_runtime runtime)
{
#define PANIC_RUNTIME_NAME_(name, text) text,
    static const char *const names[] = {PANIC_RUNTIMES(PANIC_RUNTIME_NAME_)};
#undef PANIC_RUNTIME_NAME_
    return names[runtime];
}

static void write_text(struct buffer *out, const char *name, const char *value)
{
    if (!value[0]) return;
    ccol__buffer_format(out, ",\"%s\":", name);
    ccol__json_write_string(out, value, strlen(value));
}

static void write_number(struct buffer *out, const char *name, unsigned value)
{
    if (value) ccol__buffer_format(out, ",\"%s\":%u", name, value);
}

static void write_exception(struct buffer *out, const struct panic *panic, const struct panic_exception *exception)
{
    ccol__buffer_format(out, "{\"runtime\":\"%s\"", ccol__panic_runtime_name(panic->runtime));
    write_text(out, "type", exception->type);
    write_text(out, "value", exception->value);
    write_text(out, "module", exception->module);
    write_text(out, "thread", panic->thread);
    ccol__buffer_text(out, ",\"frames\":[");
    for (size_t i = 0; i < exception->frame_count; i++) {
        const struct panic_frame *frame = &exception->frames[i];
        ccol__buffer_text(out, i ? ",{\"function\":" : "{\"function\":");
        ccol__json_write_string(out, frame->function, strlen(frame->function));
        write_text(out, "module", frame->module);
        write_text(out, "file", frame->file);
        write_number(out, "line", frame->line);
        write_number(out, "column", frame->column);
        ccol__buffer_text(out, "}");
    }
    ccol__buffer_text(out, "]}");
}

bool ccol__panic_write_exceptions(struct buffer *out, const struct panic *panic)
{
    for (size_t i = 0; i < panic->exception_count; i++) {
        if (i) ccol__buffer_text(out, ",");
        write_exception(out, panic, &panic->exceptions[i]);
    }
    return !out->failed;
}

/* Sizes a copy, and fills it where there is room. */
struct copier {
    char *memory; /* NULL: only counting */
    size_t used;
};

static void *copy(struct copier *copier, const void *bytes, size_t length, size_t alignment)
{
    copier->used = (copier->used + alignment - 1) / alignment * alignment;
    char *place = copier->memory ? copier->memory + copier->used : NULL;
    if (place && length) memcpy(place, bytes, length);
    copier->used += length;
    return place;
}

static const char *copy_text(struct copier *copier, const char *text)
{
    return copy(copier, text, strlen(text) + 1, 1);
}

static const struct panic_frame *copy_frames(struct copier *copier, const struct panic_exception *exception)
{
    size_t count = exception->frame_count;
    struct panic_frame *frames = copy(copier, exception->frames, count * sizeof *frames, _Alignof(struct panic_frame));
    for (size_t i = 0; i < count; i++) {
        struct panic_frame frame = exception->frames[i];
        frame.function = copy_text(copier, frame.function);
        frame.module = copy_text(copier, frame.module);
        frame.file = copy_text(copier, frame.file);
        if (frames) frames[i] = frame;
    }
    return frames;
}

static void copy_panic(struct copier *copier, const struct panic *panic)
{
    struct panic *out = copy(copier, panic, sizeof *panic, _Alignof(struct panic));
    const char *thread = copy_text(copier, panic->thread);
    struct panic_exception *exceptions =
        copy(copier, panic->exceptions, panic->exception_count * sizeof *exceptions, _Alignof(struct panic_exception));
    for (size_t i = 0; i < panic->exception_count; i++) {
        struct panic_exception exception = panic->exceptions[i];
        exception.type = copy_text(copier, exception.type);
        exception.value = copy_text(copier, exception.value);
        exception.module = copy_text(copier, exception.module);
        exception.frames = copy_frames(copier, &exception);
        if (exceptions) exceptions[i] = exception;
    }
    if (!out) return;
    out->thread = thread;
    out->exceptions = exceptions;
}

struct panic *ccol__panic_copy(const struct panic *panic)
{
    struct copier copier = {0};
    copy_panic(&copier, panic);
    copier.memory = malloc(copier.used);
    if (!copier.memory) return NULL;
    copier.used = 0;
    copy_panic(&copier, panic);
    return (struct panic *)(void *)copier.memory;
}
