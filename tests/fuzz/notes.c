/* SPDX-License-Identifier: MIT */
/* Real notes with the input's bytes laid over them: three bytes of place, one of length, the bytes, and so on. */
#include <string.h>

#include "capture/notes.h"
#include "fuzz.h"

static void annotation(void *user, const char *name, const char *value)
{
    PROPERTY(name[0] && strlen(name) < NOTES_NAME_MAX && strlen(value) < NOTES_VALUE_MAX);
    ++*(size_t *)user;
}

static void breadcrumb(void *user, int64_t time_us, int level, const char *category, const char *text, size_t length)
{
    (void)time_us;
    (void)level;
    PROPERTY(strlen(category) < 32 && length <= NOTES_LINE_MAX && text[length] == '\0');
    ++*(size_t *)user;
}

static void log_line(void *user, int64_t time_us, int level, const char *text, size_t length)
{
    breadcrumb(user, time_us, level, "", text, length);
}

static void fill(struct notes *notes)
{
    ccol__notes_init(notes, 1);
    ccol__notes_annotate(notes, "Name", "value");
    for (int i = 0; i < 40; i++) {
        ccol__notes_breadcrumb(notes, i + 1, 3, "category", "a step", 6);
        ccol__notes_log(notes, i + 1, 6, "a line of a log", 15);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct notes_events events = {annotation, breadcrumb, log_line};
    size_t seen = 0;
    char *memory = calloc(1, NOTES_BYTES);
    PROPERTY(memory);
    fill((struct notes *)(void *)memory);
    PROPERTY(ccol__notes_read(memory, NOTES_BYTES, &events, &seen) == 0 && seen == 81);
    while (size > 4) {
        size_t place = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % (NOTES_BYTES - 256), length = data[3];
        data += 4;
        size -= 4;
        if (length > size) length = size;
        memcpy(memory + place, data, length);
        data += length;
        size -= length;
    }
    ccol__notes_read(memory, NOTES_BYTES, &events, &seen);
    PROPERTY(seen < 81 + 64 + 2 * 8192);
    free(memory);
    return 0;
}
