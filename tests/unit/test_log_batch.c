/* SPDX-License-Identifier: MIT */
/* Lines in, batches out: when they are handed over, what a flood leaves, what is kept while nobody takes them. */
#include "check.h"
#include "monitor/log_batch.h"

#include "base/json.h"

struct seen {
    struct log_batch *batch;
    struct log_line_reader *reader;
    struct redactor *redactor;
    struct buffer text; /* "(DROPPED)MESSAGE|MESSAGE|" of each batch */
    uint64_t now_ms, position;
    unsigned batches;
    bool refuses;
};

static bool on_lines(void *user, const struct log_lines *lines)
{
    static const struct json_limits limits = {.depth = 8, .number_length = 32};
    struct seen *seen = user;
    struct arena arena;
    struct json *json;
    if (seen->refuses) return false;
    ccol__arena_init(&arena, NULL);
    REQUIRE(ccol__json_parse(&arena, lines->json, lines->length, &limits, &json, NULL) == 0);
    const struct json *dropped = ccol__json_member(json, "dropped"), *list = ccol__json_member(json, "lines");
    ccol__buffer_format(&seen->text, "(%s)", dropped->text);
    for (const struct json *one = list->first; one; one = one->next)
        ccol__buffer_format(&seen->text, "%s|", ccol__json_member(one, "message")->text);
    ccol__arena_fini(&arena);
    seen->batches++;
    return true;
}

static void start(struct seen *seen, unsigned rate)
{
    const struct log_batch_options options = {.least = LEVEL_INFO, .rate = rate, .trace_id = "0"};
    struct log_batch_options given = options;
    *seen = (struct seen){.now_ms = 1000000};
    ccol__buffer_init(&seen->text, 1 << 20, NULL);
    ccol__buffer_text(&seen->text, "");
    REQUIRE(ccol__log_line_reader_new(&seen->reader, NULL, NULL) == 0);
    REQUIRE(ccol__redactor_new(&seen->redactor, NULL, NULL) == 0);
    given.redactor = seen->redactor;
    REQUIRE(ccol__log_batch_new(&seen->batch, &given, seen->reader, on_lines, seen) == 0);
}

static void feed(struct seen *seen, const char *text)
{
    const struct log_piece piece = {
        .stream = RING_STDOUT, .at_us = 1, .position = seen->position, .bytes = text, .length = strlen(text)};
    seen->position += 100;
    ccol__log_batch_feed(seen->batch, &piece, seen->now_ms);
}

static void feed_numbers(struct seen *seen, unsigned count)
{
    char text[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%u\n", i);
        feed(seen, text);
    }
}

static void end(struct seen *seen)
{
    ccol__log_batch_free(seen->batch);
    ccol__log_line_reader_free(seen->reader);
    ccol__redactor_free(seen->redactor);
    ccol__buffer_fini(&seen->text);
}

static void after_a_time(void)
{
    struct seen seen;
    start(&seen, 100);
    feed(&seen, "one\ntwo\n  goes on\nDEBUG: no\n  nor this\nhalf a li");
    CHECK(ccol__log_batch_is_open(seen.batch));
    ccol__log_batch_look(seen.batch, seen.now_ms + BATCH_MS - 1);
    CHECK_TEXT(seen.text.data, "");
    ccol__log_batch_look(seen.batch, seen.now_ms + BATCH_MS);
    CHECK_TEXT(seen.text.data, "(0)one|two\n  goes on|");
    CHECK(!ccol__log_batch_is_open(seen.batch));
    feed(&seen, "ne");
    ccol__log_batch_look(seen.batch, UINT64_MAX);
    CHECK_TEXT(seen.text.data, "(0)one|two\n  goes on|(0)half a line|");
    end(&seen);
}

static void when_it_is_full(void)
{
    struct seen seen;
    start(&seen, 1000);
    feed_numbers(&seen, 2 * BATCH_LINES_MOST + 1);
    CHECK_INT(seen.batches, 2);
    ccol__log_batch_look(seen.batch, UINT64_MAX);
    CHECK_INT(seen.batches, 3);
    CHECK_INT(ccol__log_batch_dropped(seen.batch), 0);
    end(&seen);
}

static void a_flood_is_cut(void)
{
    struct seen seen;
    start(&seen, 1);
    feed_numbers(&seen, 50);
    CHECK_INT(ccol__log_batch_dropped(seen.batch), 45);
    seen.now_ms += BATCH_MS; /* the next window */
    feed(&seen, "after it\n");
    ccol__log_batch_look(seen.batch, seen.now_ms);
    CHECK_TEXT(seen.text.data, "(45)0|1|2|3|4|after it|");
    CHECK_INT(ccol__log_batch_dropped(seen.batch), 45);
    end(&seen);
}

static void what_nobody_takes_waits(void)
{
    struct seen seen;
    start(&seen, 1000);
    seen.refuses = true;
    feed_numbers(&seen, BATCH_LINES_MOST + 20);
    CHECK_INT(ccol__log_batch_dropped(seen.batch), 20);
    seen.refuses = false;
    ccol__log_batch_look(seen.batch, seen.now_ms);
    CHECK_INT(seen.batches, 1);
    CHECK(strncmp(seen.text.data, "(20)0|1|2|", 10) == 0);
    feed(&seen, "next\n");
    ccol__log_batch_look(seen.batch, UINT64_MAX);
    CHECK(strstr(seen.text.data, "|99|(0)next|") != NULL);
    end(&seen);
}

int main(void)
{
    RUN(after_a_time);
    RUN(when_it_is_full);
    RUN(a_flood_is_cut);
    RUN(what_nobody_takes_waits);
    return check_done();
}
