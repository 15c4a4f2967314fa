/* SPDX-License-Identifier: MIT */
#include "monitor/app_notes.h"

#include <string.h>

#include "base/text.h"
#include "capture/notes.h"
#include "capture/wire.h"
#include "monitor/log_line_forms.h"

struct note_reading {
    struct app_notes *notes;
    struct arena *arena;
    struct crash_log *log;
    const struct crash_log_reader *reader;
};

/* A copy as UTF-8, or "". */
static const char *keep_text(struct arena *arena, const char *text)
{
    size_t length = strlen(text);
    char *copy = ccol__arena_alloc(arena, 3 * length + 1);
    if (!copy) return "";
    copy[ccol__text_repair(copy, text, length)] = '\0';
    return copy;
}

static void on_annotation(void *user, const char *name, const char *value)
{
    struct note_reading *reading = user;
    struct app_notes *notes = reading->notes;
    if (notes->annotation_count == APP_ANNOTATIONS_MOST) return;
    notes->annotations[notes->annotation_count++] =
        (struct app_annotation){keep_text(reading->arena, name), keep_text(reading->arena, value)};
}

static void on_breadcrumb(void *user, int64_t time_us, int level, const char *category, const char *text, size_t length)
{
    struct note_reading *reading = user;
    const struct handed_line line = {.at_us = time_us,
                                     .level = ccol__level_of_syslog((unsigned)level),
                                     .category = category[0] ? keep_text(reading->arena, category) : NULL,
                                     .is_step = true,
                                     .text = text,
                                     .length = length};
    ccol__crash_log_add_handed(reading->log, reading->reader, &line);
}

static void on_log(void *user, int64_t time_us, int level, const char *text, size_t length)
{
    struct note_reading *reading = user;
    const struct handed_line line = {
        .at_us = time_us, .level = ccol__level_of_syslog((unsigned)level), .text = text, .length = length};
    ccol__crash_log_add_handed(reading->log, reading->reader, &line);
}

static void read_message(struct note_reading *reading, const struct snapshot_view *view)
{
    const struct snapshot_section *section = ccol__snapshot_find(view, SNAPSHOT_CAPTURE, UINT32_MAX, NULL);
    struct capture_crash message;
    if (!section || section->bytes != sizeof message) return;
    memcpy(&message, ccol__snapshot_bytes(view, section), sizeof message);
    message.message[sizeof message.message - 1] = '\0';
    reading->notes->message = keep_text(reading->arena, message.message);
}

void ccol__app_notes_read(struct app_notes *notes, const struct snapshot_view *view, struct arena *arena,
                          struct crash_log *log, const struct crash_log_reader *reader)
{
    static const struct notes_events events = {on_annotation, on_breadcrumb, on_log};
    struct note_reading reading = {notes, arena, log, reader};
    *notes = (struct app_notes){.message = ""};
    const struct snapshot_section *section = ccol__snapshot_find(view, SNAPSHOT_NOTES, UINT32_MAX, NULL);
    read_message(&reading, view);
    if (!section || section->bytes > NOTES_BYTES) return;
    ccol__notes_read(ccol__snapshot_bytes(view, section), (size_t)section->bytes, &events, &reading);
    for (size_t i = 0; i < notes->annotation_count && !notes->message[0]; i++)
        if (strcmp(notes->annotations[i].name, NOTES_MESSAGE) == 0) notes->message = notes->annotations[i].value;
    ccol__crash_log_sort_crumbs(log);
}
