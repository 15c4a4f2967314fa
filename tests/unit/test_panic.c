/* SPDX-License-Identifier: MIT */
/* Panic texts as real programs printed them (tests/data/log-samples): each must come out the same whole, byte by byte,
 * with CRLF, in colour, behind a logger's prefix, and with lines of other threads in between. */
#include "monitor/panic.h"
#include "samples.h"

struct sample {
    const char *name, *summary;
};

/* RUNTIME thread=NAME/ID [aborts] { TYPE: VALUE @ MODULE|FUNCTION FILE:LINE:COLUMN xFRAMES } ..., oldest first */
static const struct sample samples[] = {
#include "panic_samples.h"
};

struct result {
    struct buffer text;
    uint64_t begin, end;
};

static void summarise(void *user, const struct panic *panic)
{
    struct result *result = user;
    struct buffer *out = &result->text;
    ccol__buffer_format(out, "%s thread=%s/%llu%s", ccol__panic_runtime_name(panic->runtime), panic->thread,
                        (unsigned long long)panic->thread_id, panic->aborts ? " aborts" : "");
    for (size_t i = 0; i < panic->exception_count; i++) {
        const struct panic_exception *exception = &panic->exceptions[i];
        ccol__buffer_format(out, " { %s%s%s: %s", exception->module, exception->module[0] ? "." : "", exception->type,
                            exception->value);
        if (exception->frame_count) {
            const struct panic_frame *frame = &exception->frames[0];
            ccol__buffer_format(out, " @ %s|%s %s:%u:%u x%zu", frame->module, frame->function, frame->file, frame->line,
                                frame->column, exception->frame_count);
        }
        ccol__buffer_text(out, " }");
    }
    ccol__buffer_text(out, "\n");
    result->begin = panic->begin;
    result->end = panic->end;
}

static void run(struct result *result, const char *text, size_t length, size_t step)
{
    struct panic_reader *reader;
    *result = (struct result){0};
    ccol__buffer_init(&result->text, 1 << 20, NULL);
    ccol__buffer_text(&result->text, "");
    REQUIRE(ccol__panic_reader_new(&reader, summarise, result) == 0);
    for (size_t at = 0; at < length; at += step)
        ccol__panic_reader_feed(reader, text + at, length - at < step ? length - at : step);
    ccol__panic_reader_end(reader);
    CHECK(!ccol__panic_reader_is_open(reader));
    ccol__panic_reader_free(reader);
}

static void check_text(const struct sample *sample, const struct buffer *text, size_t step, const char *form)
{
    static char which[128];
    struct result result;
    snprintf(which, sizeof which, "%s, %s", sample->name, form);
    check_case = which;
    run(&result, text->data, text->length, step);
    CHECK_TEXT(result.text.data, sample->summary);
    ccol__buffer_fini(&result.text);
}

/* The sample with something before and behind each line. */
static void dress(struct buffer *out, const struct buffer *text, const char *before, const char *behind)
{
    ccol__buffer_init(out, 1 << 20, NULL);
    for (const char *line = text->data; *line;) {
        size_t length = strcspn(line, "\n");
        ccol__buffer_text(out, before);
        ccol__buffer_append(out, line, length);
        ccol__buffer_text(out, behind);
        ccol__buffer_text(out, "\n");
        line += length + (line[length] == '\n');
    }
}

static void check_dressed(const struct sample *sample, const struct buffer *text, const char *before,
                          const char *behind, const char *form)
{
    struct buffer dressed;
    dress(&dressed, text, before, behind);
    check_text(sample, &dressed, dressed.length, form);
    ccol__buffer_fini(&dressed);
}

static void every_sample_in_every_form(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *sample = &samples[i];
        struct buffer text;
        read_sample(&text, sample->name);
        check_text(sample, &text, text.length, "whole");
        check_text(sample, &text, 1, "byte by byte");
        check_text(sample, &text, 7, "in pieces");
        check_dressed(sample, &text, "", "\r", "CRLF");
        check_dressed(sample, &text, "\033[1;31m", "\033[0m\033(B", "coloured");
        if (!strstr(sample->name, "python-note") && !strstr(sample->name, "python-thread")) /* where would they end? */
            check_dressed(sample, &text, "", "\n2026-11-21T23:15:27Z INFO app: served in 3 ms", "interleaved");
        if (text.data[0] != 'F' && text.data[0] != 'I') /* glog's first letter is its own prefix */
            check_dressed(sample, &text, "Nov 21 23:15:27 host app[12]: ", "", "prefixed");
        ccol__buffer_fini(&text);
    }
}

static void check_summary(const char *text, const char *summary)
{
    struct result result;
    run(&result, text, strlen(text), strlen(text) + !*text);
    CHECK_TEXT(result.text.data, summary);
    ccol__buffer_fini(&result.text);
}

static void prose_is_no_panic(void)
{
    static const char *const texts[] = {
        "the thread 'main' panicked at the sight of it\n",
        "gcc: x.c:1:10: fatal error: foo.h: No such file or directory\nok\nmore\n",
        "panic: not yet\nDone.\n",
        "/srv/app/a.js:6\nnot a caret\nhello\n",
        "I will call free(): it is time\n",
        "*** Welcome ***\n",
        "an Exception in thread pools\n",
        "  File \"x.py\", line 3\nno marker\n",
        "malloc is slow\nTraceback of the year\n",
        "terminate the call\n",
        "==5== not AddressSanitizer\n",
        "F2026 no glog\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_summary(texts[i], "");
}

static void cut_off_blocks_are_kept(void)
{
    check_summary("thread 'main' panicked at src/a.rs:1:2:\nboom\nstack backtrace:\n   0: rust_begin_unwind\n      ",
                  "rust thread=main/0 { panic: boom @ |rust_begin_unwind :0:0 x1 }\n");
    check_summary("Traceback (most recent call last):\n  File \"/a.py\", line 6, in f\n    g()\n",
                  "python thread=/0 { exception:  @ |f /a.py:6:0 x1 }\n");
    check_summary("terminate called after throwing an instance of 'X'", "cpp thread=/0 aborts { X:  }\n");
    check_summary("panic: boom\n\ngoroutine 7 [running]:\nmain.f(0x1, {0x2",
                  "go thread=goroutine 7/7 aborts { panic: boom }\n");
    /* the beginning is what was lost */
    check_summary("   3: p::inner\n             at ./p.rs:2:34\nnote: Some details are omitted\n", "");
}

static void offsets_are_those_of_the_stream(void)
{
    static const char text[] = "hello\nthread 'main' panicked at src/a.rs:1:2:\nboom\n"
                               "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\nbye\n";
    struct result result;
    run(&result, text, strlen(text), 5);
    CHECK_INT(result.begin, 6);
    CHECK_INT(result.end, strlen(text) - 4);
    ccol__buffer_fini(&result.text);
}

static void headers_that_no_sample_has(void)
{
    check_summary("thread 'tokio-runtime-worker' panicked at src/main.rs:10:5:\none\ntwo\n"
                  "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
                  "rust thread=tokio-runtime-worker/0 { panic: one\ntwo @ | src/main.rs:10:5 x1 }\n");
    check_summary("thread 'main' panicked at 'it's \"one\"\nand two', src/main.rs:1:2\n",
                  "rust thread=main/0 { panic: it's \"one\"\nand two @ | src/main.rs:1:2 x1 }\n");
    check_summary("[2026-11-21T23:15:27Z ERROR log_panics] thread 'main' panicked at 'boom': src/main.rs:5\n",
                  "rust thread=main/0 { panic: boom @ | src/main.rs:5:0 x1 }\n");
    check_summary("libc++abi: terminating due to uncaught exception of type std::runtime_error: boom\n",
                  "cpp thread=/0 aborts { std::runtime_error: boom }\n");
    check_summary("*** stack smashing detected ***: terminated\n",
                  "glibc thread=/0 aborts { stack smashing detected: *** stack smashing detected ***: terminated }\n");
    check_summary("app-1  | malloc(): corrupted top size\n",
                  "glibc thread=/0 aborts { heap corruption: malloc(): corrupted top size }\n");
    check_summary(
        "SIGSEGV: segmentation violation\nPC=0x46a5a0 m=0 sigcode=1\nsignal arrived during cgo execution\n\n"
        "goroutine 1 [syscall]:\nruntime.cgocall(0x1, 0x2)\n\t/go/cgocall.go:157 +0x5c\nmain.main()\n\t/a.go:9 +0x17\n",
        "go thread=goroutine 1/1 aborts { SIGSEGV: segmentation violation\nsignal arrived during cgo execution @ "
        "runtime|cgocall /go/cgocall.go:157:0 x2 }\n");
}

/* Two panics of one thread are one only if an abort follows. */
static void panics_merge_only_into_an_abort(void)
{
    static const char two[] = "thread 'w' panicked at a.rs:1:1:\none\nnote: run with `RUST_BACKTRACE=1` environment\n"
                              "thread 'w' panicked at a.rs:2:2:\ntwo\nnote: run with `RUST_BACKTRACE=1` environment\n";
    char text[512];
    check_summary(two,
                  "rust thread=w/0 { panic: one @ | a.rs:1:1 x1 }\nrust thread=w/0 { panic: two @ | a.rs:2:2 x1 }\n");
    snprintf(text, sizeof text, "%sthread panicked while processing panic. aborting.\n", two);
    check_summary(text, "rust thread=w/0 aborts { panic: one @ | a.rs:1:1 x1 } { panic: two @ | a.rs:2:2 x1 }\n");
    snprintf(text, sizeof text, "%sgoing on\nthread panicked while processing panic. aborting.\n", two);
    check_summary(text,
                  "rust thread=w/0 { panic: one @ | a.rs:1:1 x1 }\nrust thread=w/0 { panic: two @ | a.rs:2:2 x1 }\n");
}

static void deep_recursion_keeps_the_innermost(void)
{
    struct buffer text;
    struct result result;
    ccol__buffer_init(&text, 1 << 20, NULL);
    ccol__buffer_text(&text, "Traceback (most recent call last):\n");
    for (int i = 0; i < 3000; i++)
        ccol__buffer_format(&text, "  File \"/srv/app/deep.py\", line %d, in f%d\n    f()\n", i + 1, i % 3);
    ccol__buffer_text(&text, "RecursionError: maximum recursion depth exceeded\n");
    run(&result, text.data, text.length, text.length);
    CHECK_TEXT(result.text.data, "python thread=/0 { RecursionError: maximum recursion depth exceeded @ "
                                 "|f2 /srv/app/deep.py:3000:0 x256 }\n");
    ccol__buffer_fini(&result.text);
    ccol__buffer_fini(&text);
}

static void hostile_input_stays_bounded(void)
{
    struct buffer text;
    struct result result;
    ccol__buffer_init(&text, 16 << 20, NULL);
    ccol__buffer_text(&text, "thread 'main' panicked at a.rs:1:1:\n");
    for (int i = 0; i < 100000; i++)
        ccol__buffer_text(&text, "message goes on and on\n");
    for (int i = 0; i < 5000; i++)
        ccol__buffer_text(&text, "Traceback (most recent call last):\n");
    for (int i = 0; i < 4 << 20; i++)
        ccol__buffer_append(&text, "':", 2); /* one line of 8 MiB */
    run(&result, text.data, text.length, 65536);
    CHECK(strncmp(result.text.data, "rust thread=main/0 { panic: message", 35) == 0);
    CHECK(result.text.length < 100000);
    ccol__buffer_fini(&result.text);
    ccol__buffer_fini(&text);
}

static void an_idle_stream_ends_a_block(void)
{
    static const char head[] = "thread 'main' panicked at a.rs:1:1:\nboom\n", tail[] = "Listening on 8000\n";
    struct panic_reader *reader;
    struct result result = {0};
    ccol__buffer_init(&result.text, 4096, NULL);
    REQUIRE(ccol__panic_reader_new(&reader, summarise, &result) == 0);
    ccol__panic_reader_feed(reader, head, strlen(head));
    CHECK(ccol__panic_reader_is_open(reader));
    CHECK_INT(result.text.length, 0);
    ccol__panic_reader_idle(reader);
    ccol__panic_reader_feed(reader, tail, strlen(tail));
    ccol__panic_reader_end(reader);
    CHECK_TEXT(result.text.data, "rust thread=main/0 { panic: boom @ | a.rs:1:1 x1 }\n");
    ccol__panic_reader_free(reader);
    ccol__buffer_fini(&result.text);
}

static void write_json(void *user, const struct panic *panic)
{
    struct panic *copy = ccol__panic_copy(panic);
    REQUIRE(copy);
    CHECK(ccol__panic_write_exceptions(user, copy));
    free(copy);
}

static void json_has_what_reports_need(void)
{
    static const char text[] = "thread 'w \"1\"' panicked at a.rs:1:2:\nboom\n";
    struct panic_reader *reader;
    struct buffer json;
    ccol__buffer_init(&json, 4096, NULL);
    REQUIRE(ccol__panic_reader_new(&reader, write_json, &json) == 0);
    ccol__panic_reader_feed(reader, text, strlen(text));
    ccol__panic_reader_end(reader);
    CHECK_TEXT(json.data,
               "{\"runtime\":\"rust\",\"type\":\"panic\",\"value\":\"boom\",\"thread\":\"w \\\"1\\\"\",\"frames\":["
               "{\"function\":\"\",\"file\":\"a.rs\",\"line\":1,\"column\":2}]}");
    ccol__panic_reader_free(reader);
    ccol__buffer_fini(&json);
}

int main(void)
{
    RUN(every_sample_in_every_form);
    RUN(prose_is_no_panic);
    RUN(cut_off_blocks_are_kept);
    RUN(offsets_are_those_of_the_stream);
    RUN(headers_that_no_sample_has);
    RUN(panics_merge_only_into_an_abort);
    RUN(deep_recursion_keeps_the_innermost);
    RUN(hostile_input_stays_bounded);
    RUN(an_idle_stream_ends_a_block);
    RUN(json_has_what_reports_need);
    return check_done();
}
