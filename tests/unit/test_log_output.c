/* SPDX-License-Identifier: MIT */
/* The log file: whole lines, rotation, two programs with one file, a full disk. */
#include "monitor/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "check.h"
#include "fixture.h"

static struct log_line_reader *reader;

static struct log_output *new_output(const char *path, bool json, uint64_t bytes, unsigned files)
{
    const struct log_output_options options = {.path = path, .json = json, .bytes_most = bytes, .files_most = files};
    struct log_output *output;
    ccol_error err = {0};
    REQUIRE(ccol__log_output_new(&output, &options, reader, &err) == 0);
    return output;
}

static void feed(struct log_output *output, enum ring_stream stream, const char *text)
{
    struct log_piece piece = {
        .stream = stream, .at_us = INT64_C(1795302927000000), .bytes = text, .length = strlen(text)};
    ccol__log_output_feed(output, &piece);
}

static void check_file(const char *path, const char *expected)
{
    struct buffer text;
    int code = ccol__file_read(AT_FDCWD, path, 1 << 20, &text, NULL);
    if (!expected) {
        CHECK_INT(code, -ENOENT);
    } else {
        CHECK_INT(code, 0);
        CHECK_TEXT(text.data ? text.data : "", expected);
    }
    ccol__buffer_fini(&text);
}

static void lines_of_streams_stay_whole(void)
{
    char path[256];
    struct log_output *output = new_output(fixture_path(path, "whole.log"), false, 0, 0);
    feed(output, RING_STDOUT, "one ");
    feed(output, RING_STDERR, "other\nunfinished");
    CHECK(!ccol__log_output_is_even(output));
    feed(output, RING_STDOUT, "two\n\033[1mcoloured\033[0m\n");
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    check_file(path, "other\none two\n\033[1mcoloured\033[0m\n");
    ccol__log_output_finish(output);
    CHECK(ccol__log_output_is_even(output));
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    check_file(path, "other\none two\n\033[1mcoloured\033[0m\nunfinished\n");
    struct stat status;
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
    ccol__log_output_free(output);
}

static void json_lines(void)
{
    char path[256];
    struct log_output *output = new_output(fixture_path(path, "json.log"), true, 0, 0);
    feed(output, RING_STDERR, "2026-11-21 23:15:27,412 - app - ERROR - \"x\"\nplain \xff\n");
    ccol__log_output_note(output, INT64_C(1795302927000000), "a note");
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    check_file(path,
               "{\"time\":\"2026-11-21T23:15:27.000000Z\",\"stream\":\"stderr\",\"level\":\"error\",\"logger\":\"app\","
               "\"message\":\"2026-11-21 23:15:27,412 - app - ERROR - \\\"x\\\"\"}\n"
               "{\"time\":\"2026-11-21T23:15:27.000000Z\",\"stream\":\"stderr\",\"message\":\"plain \\ufffd\"}\n"
               "{\"time\":\"2026-11-21T23:15:27.000000Z\",\"stream\":\"crashcollect\",\"message\":\"a note\"}\n");
    ccol__log_output_free(output);
}

static void files_are_rotated(void)
{
    char path[256], first[256], second[256], third[256];
    struct log_output *output = new_output(fixture_path(path, "rotated.log"), false, 12, 2);
    fixture_path(first, "rotated.log.1");
    fixture_path(second, "rotated.log.2");
    fixture_path(third, "rotated.log.3");
    feed(output, RING_STDOUT, "line 1\nline 2\nline 3\n");
    feed(output, RING_STDOUT, "a line that is longer than a file\nline 5\n");
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    check_file(path, "line 5\n");
    check_file(first, "a line that is longer than a file\n");
    check_file(second, "line 3\n");
    check_file(third, NULL);
    ccol__log_output_free(output);
}

static void programs_may_share_a_file(void)
{
    char path[256], first[256];
    struct log_output *one = new_output(fixture_path(path, "shared.log"), false, 14, 1);
    struct log_output *two = new_output(path, false, 14, 1);
    fixture_path(first, "shared.log.1");
    feed(one, RING_STDOUT, "of one\n");
    CHECK_INT(ccol__log_output_flush(one, NULL), 0);
    feed(two, RING_STDOUT, "of two\n");
    CHECK_INT(ccol__log_output_flush(two, NULL), 0);
    feed(one, RING_STDOUT, "full\n"); /* rotates */
    CHECK_INT(ccol__log_output_flush(one, NULL), 0);
    feed(two, RING_STDOUT, "after\n"); /* finds the new one */
    CHECK_INT(ccol__log_output_flush(two, NULL), 0);
    check_file(first, "of one\nof two\n");
    check_file(path, "full\nafter\n");
    ccol__log_output_free(one);
    ccol__log_output_free(two);
}

static void what_was_taken_away_is_made_again(void)
{
    char path[256], moved[256];
    struct log_output *output = new_output(fixture_path(path, "moved.log"), false, 0, 1);
    fixture_path(moved, "elsewhere.log");
    feed(output, RING_STDOUT, "one\n");
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    REQUIRE(rename(path, moved) == 0); /* logrotate */
    feed(output, RING_STDOUT, "two\n");
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    check_file(path, "two\n");
    check_file(moved, "one\n");
    ccol__log_output_free(output);
}

static void losses_are_told(void)
{
    ccol_error err = {0};
    struct log_output *output = new_output("/dev/full", false, 100, 1);
    feed(output, RING_STDOUT, "lost\n");
    CHECK_INT(ccol__log_output_flush(output, &err), -ENOSPC);
    CHECK(strstr(err.text, "5 bytes") && strstr(err.text, "/dev/full"));
    CHECK_INT(ccol__log_output_flush(output, &err), 0);
    ccol__log_output_free(output);
    const struct log_output_options nowhere = {.path = "/nonexistent/x.log"};
    CHECK_INT(ccol__log_output_new(&output, &nowhere, reader, &err), -ENOENT);
    CHECK(output == NULL && strstr(err.text, "/nonexistent/x.log"));
}

static void endless_lines_are_broken(void)
{
    char path[256];
    struct log_output *output = new_output(fixture_path(path, "endless.log"), false, 0, 0);
    char *text = malloc(300001);
    REQUIRE(text);
    memset(text, 'x', 300000);
    text[300000] = '\0';
    feed(output, RING_STDOUT, text);
    CHECK_INT(ccol__log_output_flush(output, NULL), 0);
    struct stat status;
    CHECK(stat(path, &status) == 0 && status.st_size >= 4 * 65536);
    ccol__log_output_free(output);
    free(text);
}

int main(void)
{
    fixture_fresh("log_output");
    REQUIRE(ccol__log_line_reader_new(&reader, NULL, NULL) == 0);
    RUN(lines_of_streams_stay_whole);
    RUN(json_lines);
    RUN(files_are_rotated);
    RUN(programs_may_share_a_file);
    RUN(what_was_taken_away_is_made_again);
    RUN(losses_are_told);
    RUN(endless_lines_are_broken);
    ccol__log_line_reader_free(reader);
    fixture_remove();
    return check_done();
}
