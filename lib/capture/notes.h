/* SPDX-License-Identifier: MIT */
/* What a program tells about itself while it runs, in memory shared with its keeper, which has it even after a SIGKILL:
 * annotations, breadcrumbs, and log lines that would else sit in an asynchronous logger. The writer is lock-free, works
 * in a signal handler, and never waits. The reader trusts nothing: the program may have scribbled over it. */
#ifndef CCOL_CAPTURE_NOTES_H
#define CCOL_CAPTURE_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTES_BYTES       ((size_t)512 << 10)
#define NOTES_NAME_MAX    64   /* of an annotation, NUL included */
#define NOTES_VALUE_MAX   1984 /* of an annotation, NUL included */
#define NOTES_ANNOTATIONS 64
#define NOTES_MESSAGE     "AbortMessage" /* annotation with what ccol_capture_message was given */
#define NOTES_LINE_MAX    4096           /* of a breadcrumb or log line */

struct notes;

/* Turns NOTES_BYTES of zeroed, shared memory into empty notes. */
void ccol__notes_init(struct notes *notes, int32_t pid);
/* 0; -EINVAL: no name; -E2BIG: too long; -ENOSPC: no free place; -EBUSY: the same name is being written right now. A
 * value of NULL takes the annotation away. */
int ccol__notes_annotate(struct notes *notes, const char *name, const char *value);
/* Copies the annotations of another process's notes (after fork). */
void ccol__notes_inherit(struct notes *notes, const struct notes *from);
/* level is one of syslog's numbers; a longer text is cut. The oldest give way. */
void ccol__notes_breadcrumb(struct notes *notes, int64_t time_us, int level, const char *category, const char *text,
                            size_t length);
void ccol__notes_log(struct notes *notes, int64_t time_us, int level, const char *text, size_t length);

/* The read side. memory is aligned to 8. What is handed to a callback lives until it returns and is NUL-terminated.
 * Oldest first. */
struct notes_events {
    void (*annotation)(void *user, const char *name, const char *value);
    void (*breadcrumb)(void *user, int64_t time_us, int level, const char *category, const char *text, size_t length);
    void (*log)(void *user, int64_t time_us, int level, const char *text, size_t length);
};
/* -1: these bytes are no notes. Entries that were being written, or that make no sense, are left out. The memory may
 * change meanwhile. Members of events may be NULL. */
int ccol__notes_read(const void *memory, size_t length, const struct notes_events *events, void *user);

#endif
