/* SPDX-License-Identifier: MIT */
/* Prints the notes (capture/notes.h) that stdin holds. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/notes.h"

static void annotation(void *user, const char *name, const char *value)
{
    (void)user;
    printf("annotation %s=%s\n", name, value);
}

static void breadcrumb(void *user, int64_t time_us, int level, const char *category, const char *text, size_t length)
{
    (void)user;
    (void)length;
    if (time_us > 0) printf("breadcrumb %d %s %s\n", level, category, text);
}

static void log_line(void *user, int64_t time_us, int level, const char *text, size_t length)
{
    (void)user;
    (void)length;
    if (time_us > 0) printf("log %d %s\n", level, text);
}

int main(void)
{
    static const struct notes_events events = {annotation, breadcrumb, log_line};
    char *memory = malloc(NOTES_BYTES);
    ssize_t got = memory ? pread(0, memory, NOTES_BYTES, 0) : -1;
    int code = got < 0 ? 1 : -ccol__notes_read(memory, (size_t)got, &events, NULL);
    free(memory);
    return code;
}
