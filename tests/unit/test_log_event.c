/* SPDX-License-Identifier: MIT */
/* Lines in, events out: what is an event, what belongs to it, what a flood leaves of it. */
#include "check.h"
#include "monitor/log_event.h"

#include "base/buffer.h"

#define SECOND INT64_C(1000000)

struct seen {
    struct log_events *events;
    struct buffer text; /* "LEVEL LOGGER|MESSAGE +SUPPRESSED @POSITION.BEGIN;" each */
    struct log_line_reader *reader;
    int64_t now_us;
    uint64_t position;
    bool refuses;
};

static bool on_event(void *user, const struct log_event *event)
{
    struct seen *seen = user;
    ccol__buffer_format(&seen->text, "%s %s|%s", ccol__level_name(event->level), event->logger, event->message);
    if (event->suppressed) ccol__buffer_format(&seen->text, " +%llu", (unsigned long long)event->suppressed);
    ccol__buffer_format(&seen->text, " @%llu.%llu;", (unsigned long long)event->position,
                        (unsigned long long)event->begin);
    return !seen->refuses;
}

static void start(struct seen *seen, enum line_level least)
{
    const struct log_event_options options = {
        .least = least, .each = {.burst = 2, .interval_ms = 1000}, .total = {.burst = 10, .interval_ms = 100}};
    *seen = (struct seen){.now_us = 1000 * SECOND};
    ccol__buffer_init(&seen->text, 1 << 20, NULL);
    ccol__buffer_text(&seen->text, "");
    REQUIRE(ccol__log_line_reader_new(&seen->reader, NULL, NULL) == 0);
    REQUIRE(ccol__log_events_new(&seen->events, &options, seen->reader, on_event, seen) == 0);
}

static void feed(struct seen *seen, enum ring_stream stream, const char *text)
{
    struct log_piece piece = {.stream = stream,
                              .at_us = seen->now_us,
                              .position = seen->position,
                              .end = seen->position + 100,
                              .bytes = text,
                              .length = strlen(text)};
    seen->position += 100;
    ccol__log_events_feed(seen->events, &piece);
}

static void check_events(struct seen *seen, const char *expected)
{
    ccol__log_events_idle(seen->events);
    CHECK(!ccol__log_events_is_open(seen->events));
    CHECK_TEXT(seen->text.data, expected);
    ccol__log_events_free(seen->events);
    ccol__log_line_reader_free(seen->reader);
    ccol__buffer_fini(&seen->text);
}

static void errors_are_events(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    feed(&seen, RING_STDERR, "INFO fine\nERROR one\nWARN careful\nFATAL two\nno error found\n");
    check_events(&seen, "error |one @0.10;fatal |two @0.33;");
}

static void least_level_is_a_choice(void)
{
    struct seen seen;
    start(&seen, LEVEL_FATAL);
    feed(&seen, RING_STDERR, "ERROR one\nFATAL two\n");
    check_events(&seen, "fatal |two @0.10;");
    start(&seen, LEVEL_WARNING);
    feed(&seen, RING_STDOUT, "WARN one\n");
    check_events(&seen, "warning |one @0.0;");
    start(&seen, LEVEL_NONE);
    feed(&seen, RING_STDOUT, "FATAL one\n");
    check_events(&seen, "");
}

static void lines_that_go_on_belong_to_it(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    feed(&seen, RING_STDERR, "ERROR one\n  at f\nCaused by: x\n\tat g\nplain\n  not of it\n");
    check_events(&seen, "error |one\n  at f\nCaused by: x\n\tat g @0.0;");
}

static void streams_are_told_apart(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    feed(&seen, RING_STDERR, "ERR");
    feed(&seen, RING_STDOUT, "nothing\nERROR ou");
    feed(&seen, RING_STDERR, "OR err\n");
    feed(&seen, RING_STDOUT, "t\n");
    feed(&seen, RING_KEEPER, "ERROR of the keeper\n");
    check_events(&seen, "error |out @100.8;error |err @0.0;");
}

static void panics_are_left_to_their_own_reports(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    /* logging.exception: one report, not two */
    feed(&seen, RING_STDERR,
         "2026-11-21 23:15:27,412 - app - ERROR - with trace\n"
         "Traceback (most recent call last):\n  File \"/a.py\", line 6, in f\n    g()\nKeyError: 'k'\n"
         "ERROR after\n");
    /* log-panics */
    feed(&seen, RING_STDERR,
         "[2026-11-21T23:15:27Z ERROR log_panics] thread 'main' panicked at 'boom': src/main.rs:5\n");
    feed(&seen, RING_STDERR, "INFO go on\n");
    /* no panic after all */
    feed(&seen, RING_STDERR, "ERROR handler panic: not one\nINFO go on\n");
    check_events(&seen, "error |after @0.137;error |handler panic: not one @300.0;");
}

static void a_flood_is_held_back_and_counted(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    for (int i = 0; i < 1000; i++) {
        char line[64];
        snprintf(line, sizeof line, "ERROR request %d of 'u%d' failed\n", i, i);
        feed(&seen, RING_STDERR, line);
    }
    ccol__log_events_idle(seen.events);
    CHECK_INT(ccol__log_events_suppressed(seen.events), 998);
    seen.now_us += 1000 * SECOND;
    feed(&seen, RING_STDERR, "ERROR request 1 of 'x' failed\n");
    check_events(&seen, "error |request 0 of 'u0' failed @0.0;error |request 1 of 'u1' failed @100.0;"
                        "error |request 1 of 'x' failed +998 @100000.0;");
}

static void the_end_of_a_flood_tells_the_count(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    for (int i = 0; i < 1000; i++) {
        char line[64]; /* a kind of its own now and then, more of them than are told apart */
        snprintf(line, sizeof line, i % 3 ? "ERROR request %d failed\n" : "ERROR kind %c%c\n", 'a' + i % 26,
                 'a' + i / 26 % 26);
        feed(&seen, RING_STDERR, line);
    }
    ccol__log_events_finish(seen.events);
    ccol__log_events_finish(seen.events); /* says it once */
    CHECK_INT(ccol__log_events_suppressed(seen.events), 1000 - 11);
    size_t events = 0;
    for (const char *at = seen.text.data; (at = strchr(at, ';')); at++)
        events++;
    CHECK_INT(events, 11);
    CHECK(strstr(seen.text.data, " +989 @99900.0;"));
    ccol__buffer_clear(&seen.text);
    ccol__buffer_text(&seen.text, "");
    check_events(&seen, "");
}

static void a_told_count_is_not_told_again(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    for (int i = 0; i < 12; i++) {
        if (i == 10) seen.now_us += SECOND;
        feed(&seen, RING_STDERR, "ERROR one\n");
    }
    ccol__log_events_finish(seen.events);
    check_events(&seen, "error |one @0.0;error |one @100.0;error |one +7 @900.0;error |one +1 @1100.0;");
}

static void the_total_is_bounded_too(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    for (char c = 'a'; c <= 'z'; c++) {
        char line[64];
        snprintf(line, sizeof line, "ERROR kind %c\n", c);
        feed(&seen, RING_STDERR, line);
    }
    ccol__log_events_idle(seen.events);
    CHECK_INT(ccol__log_events_suppressed(seen.events), 16);
    size_t events = 0;
    for (const char *at = seen.text.data; (at = strchr(at, ';')); at++)
        events++;
    CHECK_INT(events, 10);
    seen.now_us += SECOND / 10; /* one more */
    feed(&seen, RING_STDERR, "ERROR new kind\nERROR newer kind\n");
    ccol__log_events_idle(seen.events);
    CHECK_INT(ccol__log_events_suppressed(seen.events), 17);
    CHECK(strstr(seen.text.data, "|new kind") && !strstr(seen.text.data, "|newer kind"));
    ccol__buffer_clear(&seen.text);
    ccol__buffer_text(&seen.text, "");
    check_events(&seen, "");
}

static void what_is_refused_is_counted(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    seen.refuses = true;
    feed(&seen, RING_STDERR, "ERROR one\n");
    ccol__log_events_idle(seen.events);
    CHECK_INT(ccol__log_events_suppressed(seen.events), 1);
    check_events(&seen, "error |one @0.0;");
}

static void records_are_bounded(void)
{
    struct seen seen;
    start(&seen, LEVEL_ERROR);
    feed(&seen, RING_STDERR, "ERROR one\n");
    for (int i = 0; i < 10000; i++)
        feed(&seen, RING_STDERR, "   continued, and continued, and continued, and continued, and continued\n");
    ccol__log_events_idle(seen.events);
    CHECK(seen.text.length > 1000 && seen.text.length < EVENT_MESSAGE_MAX + 1000);
    ccol__buffer_clear(&seen.text);
    ccol__buffer_text(&seen.text, "");
    check_events(&seen, "");
}

static void kinds(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"request 1 failed", "request 23 failed", true},
        {"user 'joe' gone", "user 'ann b' gone", true},
        {"at 0xdeadbeef1", "at 0x12", true},
        {"id 6f1c5e1e-8c1e-4a0e-9a39-1f2b8a3f0e11", "id 00000000-8c1e-4a0e-9a39-1f2b8a3f0e11", true},
        {"can't open", "can't close", false},
        {"one failed", "two failed", false},
        {"", "x", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CHECK_INT(ccol__flood_kind("", pairs[i].a) == ccol__flood_kind("", pairs[i].b), pairs[i].same);
    CHECK(ccol__flood_kind("a", "x") != ccol__flood_kind("b", "x"));
}

int main(void)
{
    RUN(errors_are_events);
    RUN(least_level_is_a_choice);
    RUN(lines_that_go_on_belong_to_it);
    RUN(streams_are_told_apart);
    RUN(panics_are_left_to_their_own_reports);
    RUN(a_flood_is_held_back_and_counted);
    RUN(the_end_of_a_flood_tells_the_count);
    RUN(a_told_count_is_not_told_again);
    RUN(the_total_is_bounded_too);
    RUN(what_is_refused_is_counted);
    RUN(records_are_bounded);
    RUN(kinds);
    return check_done();
}
