/* SPDX-License-Identifier: MIT */
/* Notes as written, and notes that a broken program scribbled over. */
#include <errno.h>
#include <pthread.h>

#include "base/random.h"
#include "capture/notes.h"
#include "check.h"

static struct notes *new_notes(void)
{
    struct notes *notes = calloc(1, NOTES_BYTES);
    REQUIRE(notes);
    ccol__notes_init(notes, 1);
    return notes;
}

struct seen {
    size_t annotations, crumbs, lines;
    char last[NOTES_LINE_MAX + 1], value[NOTES_VALUE_MAX];
    size_t bytes;
};

static void on_annotation(void *user, const char *name, const char *value)
{
    struct seen *seen = user;
    seen->annotations++;
    seen->bytes += strlen(name) + strlen(value);
    memcpy(seen->value, value, strlen(value) + 1);
}

static void on_breadcrumb(void *user, int64_t time_us, int level, const char *category, const char *text, size_t length)
{
    struct seen *seen = user;
    (void)time_us;
    (void)level;
    seen->crumbs++;
    seen->bytes += strlen(category) + length;
    CHECK_INT(text[length], '\0');
}

static void on_log(void *user, int64_t time_us, int level, const char *text, size_t length)
{
    struct seen *seen = user;
    (void)time_us;
    (void)level;
    seen->lines++;
    memcpy(seen->last, text, length + 1);
}

static const struct notes_events events = {on_annotation, on_breadcrumb, on_log};

static struct seen *read_notes(const struct notes *notes)
{
    static struct seen seen;
    seen = (struct seen){0};
    CHECK_INT(ccol__notes_read(notes, NOTES_BYTES, &events, &seen), 0);
    return &seen;
}

static void annotations_have_limits(void)
{
    struct notes *notes = new_notes();
    char name[32], longest[NOTES_VALUE_MAX + 1];
    memset(longest, 'x', sizeof longest);
    longest[NOTES_VALUE_MAX] = '\0';
    CHECK_INT(ccol__notes_annotate(notes, "", "x"), -EINVAL);
    CHECK_INT(ccol__notes_annotate(notes, NULL, "x"), -EINVAL);
    CHECK_INT(ccol__notes_annotate(notes, "name", longest), -E2BIG);
    CHECK_INT(ccol__notes_annotate(notes, "name", longest + 1), 0);
    CHECK_INT(ccol__notes_annotate(notes, longest, "x"), -E2BIG);
    for (int i = 0; i < NOTES_ANNOTATIONS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CHECK_INT(ccol__notes_annotate(notes, name, "v"), i < NOTES_ANNOTATIONS - 1 ? 0 : -ENOSPC);
    }
    CHECK_INT(ccol__notes_annotate(notes, "name", "new"), 0); /* the same again needs no room */
    CHECK_INT(ccol__notes_annotate(notes, "nobody", NULL), 0);
    CHECK_INT(ccol__notes_annotate(notes, "n5", NULL), 0);
    CHECK_INT(read_notes(notes)->annotations, NOTES_ANNOTATIONS - 1);
    CHECK_INT(ccol__notes_annotate(notes, "another", "v"), 0);
    CHECK_INT(read_notes(notes)->annotations, NOTES_ANNOTATIONS);
    struct notes *child = new_notes();
    ccol__notes_inherit(child, notes);
    CHECK_INT(read_notes(child)->annotations, NOTES_ANNOTATIONS);
    free(child);
    free(notes);
}

static void long_lines_are_cut_and_old_ones_give_way(void)
{
    struct notes *notes = new_notes();
    char *line = malloc(10000);
    REQUIRE(line);
    memset(line, 'y', 10000);
    for (int i = 0; i < 500; i++)
        ccol__notes_log(notes, i + 1, 3, line, (size_t)(i * 20));
    ccol__notes_log(notes, 1000, 3, "", 0);
    struct seen *seen = read_notes(notes);
    CHECK(seen->lines > 25 && seen->lines < 500);
    CHECK_TEXT(seen->last, "");
    ccol__notes_breadcrumb(notes, 1, 4, "a category that is far too long for its place", "text", 4);
    ccol__notes_breadcrumb(notes, 1, 4, NULL, "text", 4);
    seen = read_notes(notes);
    CHECK_INT(seen->crumbs, 2);
    CHECK_INT(seen->bytes, 31 + 4 + 4);
    free(line);
    free(notes);
}

static void *write_lines(void *notes)
{
    char line[64];
    for (int i = 0; i < 20000; i++) {
        int length = snprintf(line, sizeof line, "thread %p line %d", (void *)pthread_self(), i);
        ccol__notes_log(notes, 1, 6, line, (size_t)length);
        ccol__notes_annotate(notes, i % 2 ? "odd" : "even", line);
    }
    return NULL;
}

static void writers_need_no_lock(void)
{
    struct notes *notes = new_notes();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, write_lines, notes) == 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct seen *seen = read_notes(notes);
    CHECK(seen->lines > 500); /* all that fit, but for one that was overtaken */
    CHECK(strstr(seen->last, "line 19999") != NULL);
    CHECK(seen->annotations >= 2 && strncmp(seen->value, "thread ", 7) == 0);
    free(notes);
}

static void scribbles_are_survived(void)
{
    uint64_t state = 7;
    struct notes *notes = new_notes();
    for (int round = 0; round < 200; round++) {
        char *bytes = (char *)notes;
        for (int i = 0; i < 50; i++)
            ccol__notes_log(notes, 1, 3, "a line that is fine", 19);
        for (int i = 0; i < 200; i++)
            bytes[12 + ccol__random_next(&state) % (NOTES_BYTES - 12)] = (char)ccol__random_next(&state);
        read_notes(notes);
    }
    CHECK_INT(ccol__notes_read(notes, 100, &events, NULL), -1);
    memset(notes, 0xff, NOTES_BYTES);
    CHECK_INT(ccol__notes_read(notes, NOTES_BYTES, &events, NULL), -1);
    free(notes);
}

int main(void)
{
    RUN(annotations_have_limits);
    RUN(long_lines_are_cut_and_old_ones_give_way);
    RUN(writers_need_no_lock);
    RUN(scribbles_are_survived);
    return check_done();
}
