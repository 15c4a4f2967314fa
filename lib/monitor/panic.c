/* SPDX-License-Identifier: MIT */
#include "monitor/panic.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/line_splitter.h"
#include "monitor/log_time.h"
#include "monitor/panic_block.h"

#define HELD_MAX 4

/* In the order in which they are asked: what makes sure at once comes before what may be anything. */
static const struct {
    enum panic_runtime runtime;
    const struct panic_grammar *grammar;
} grammars[] = {
    {PANIC_RUST, &ccol__panic_rust},           {PANIC_JAVA, &ccol__panic_java}, {PANIC_PYTHON, &ccol__panic_python},
    {PANIC_SANITIZER, &ccol__panic_sanitizer}, {PANIC_CPP, &ccol__panic_cpp},   {PANIC_GLIBC, &ccol__panic_glibc},
    {PANIC_NODE, &ccol__panic_node},           {PANIC_GO, &ccol__panic_go},
};

struct panic_reader {
    panic_fn on_panic;
    void *user;
    struct line_splitter *splitter;      /* NULL until the first feed */
    const struct panic_grammar *grammar; /* of the open block; NULL: none is open */
    struct panic_block block;
    struct block_frame frames[BLOCK_FRAMES_MAX];
    uint64_t begin, end; /* of the open block */
    unsigned foreign;    /* lines since the last one of the block */
    char prefix[160];    /* what a logger put before the block's first line */
    size_t prefix_length;
    /* Rust's panics wait for what follows: another panic of that thread and an abort make them one. */
    struct panic *held[HELD_MAX];
    size_t held_count;
    /* room for what is handed over */
    struct panic_exception out_exceptions[PANIC_EXCEPTIONS_MAX];
    struct panic_frame out_frames[BLOCK_FRAMES_MAX];
};

int ccol__panic_reader_new(struct panic_reader **out, panic_fn on_panic, void *user)
{
    struct panic_reader *reader = *out = calloc(1, sizeof *reader);
    if (!reader) return -ENOMEM;
    reader->on_panic = on_panic;
    reader->user = user;
    return 0;
}

void ccol__panic_reader_free(struct panic_reader *reader)
{
    if (!reader) return;
    ccol__line_splitter_free(reader->splitter);
    if (reader->grammar) ccol__block_fini(&reader->block);
    for (size_t i = 0; i < reader->held_count; i++)
        free(reader->held[i]);
    free(reader);
}

bool ccol__panic_reader_is_open(const struct panic_reader *reader)
{
    return reader->grammar || reader->held_count;
}

static void release_held(struct panic_reader *reader)
{
    for (size_t i = 0; i < reader->held_count; i++) {
        reader->on_panic(reader->user, reader->held[i]);
        free(reader->held[i]);
    }
    reader->held_count = 0;
}

/* All that is held becomes one panic, which aborts; `last` may be NULL. */
static void merge_held(struct panic_reader *reader, const struct panic *last, uint64_t end)
{
    struct panic_exception exceptions[PANIC_EXCEPTIONS_MAX];
    struct panic merged = last ? *last : *reader->held[0];
    merged.exception_count = 0;
    merged.exceptions = exceptions;
    merged.aborts = true;
    for (size_t i = 0; i < reader->held_count; i++) {
        const struct panic *part = reader->held[i];
        for (size_t j = 0; j < part->exception_count && merged.exception_count < PANIC_EXCEPTIONS_MAX; j++)
            exceptions[merged.exception_count++] = part->exceptions[j];
        merged.truncated = merged.truncated || part->truncated;
    }
    for (size_t j = 0; last && j < last->exception_count && merged.exception_count < PANIC_EXCEPTIONS_MAX; j++)
        exceptions[merged.exception_count++] = last->exceptions[j];
    if (reader->held_count) merged.begin = reader->held[0]->begin;
    merged.end = end;
    reader->on_panic(reader->user, &merged);
    for (size_t i = 0; i < reader->held_count; i++)
        free(reader->held[i]);
    reader->held_count = 0;
}

static bool is_same_thread(const struct panic *a, const struct panic *b)
{
    return a->thread_id == b->thread_id && strcmp(a->thread, b->thread) == 0;
}

static void hand_over(struct panic_reader *reader, const struct panic *panic)
{
    if (panic->runtime != PANIC_RUST) {
        release_held(reader);
        reader->on_panic(reader->user, panic);
        return;
    }
    if (reader->held_count && !is_same_thread(reader->held[0], panic)) release_held(reader);
    if (panic->aborts) {
        merge_held(reader, panic, panic->end);
        return;
    }
    if (reader->held_count == HELD_MAX) release_held(reader);
    struct panic *copy = ccol__panic_copy(panic);
    if (copy) {
        reader->held[reader->held_count++] = copy;
    } else {
        reader->on_panic(reader->user, panic);
    }
}

static void fill_exception(struct panic_reader *reader, size_t index)
{
    const struct panic_block *block = &reader->block;
    const struct block_exception *from = &block->exceptions[index];
    const char *texts = block->text.data;
    for (size_t i = from->first; i < from->first + from->count; i++) {
        const struct block_frame *frame = &block->frames[i];
        reader->out_frames[i] = (struct panic_frame){texts + frame->function, texts + frame->module,
                                                     texts + frame->file, frame->line, frame->column};
    }
    reader->out_exceptions[index] = (struct panic_exception){.type = from->type ? texts + from->type : "exception",
                                                             .value = from->value.length ? from->value.data : "",
                                                             .module = texts + from->module,
                                                             .frames = reader->out_frames + from->first,
                                                             .frame_count = from->count};
}

/* The open block is complete: hands it over, if it is one. */
static void close_block(struct panic_reader *reader)
{
    struct panic_block *block = &reader->block;
    const struct panic_grammar *grammar = reader->grammar;
    if (!grammar) return;
    reader->grammar = NULL;
    if (block->confirmed && block->exception_count && block->text.length) {
        if (grammar->finish) grammar->finish(block);
        for (size_t i = 0; i < block->exception_count; i++)
            fill_exception(reader, i);
        struct panic panic = {.runtime = block->runtime,
                              .thread = block->text.data + block->thread,
                              .thread_id = block->thread_id,
                              .exceptions = reader->out_exceptions,
                              .exception_count = block->exception_count,
                              .begin = reader->begin,
                              .end = reader->end,
                              .aborts = block->aborts,
                              .truncated = block->truncated};
        if (panic.exception_count) hand_over(reader, &panic);
    }
    ccol__block_fini(block);
}

static void drop_block(struct panic_reader *reader)
{
    reader->grammar = NULL;
    ccol__block_fini(&reader->block);
}

/* Takes off the line what the logger puts before each: equal to the first line's but for its digits. */
static bool take_prefix(const struct panic_reader *reader, struct span *line)
{
    if (!reader->prefix_length || line->length < reader->prefix_length) return false;
    for (size_t i = 0; i < reader->prefix_length; i++) {
        char a = reader->prefix[i], b = line->text[i];
        if (a != b && !(isdigit((unsigned char)a) && isdigit((unsigned char)b))) return false;
    }
    *line = ccol__span_from(*line, reader->prefix_length);
    return true;
}

/* A line that begins with a time is a log record, of whichever thread, and no part of a block. */
static bool is_record(struct span line)
{
    int64_t us;
    if (ccol__span_starts(line, "[")) line = ccol__span_from(line, 1);
    return ccol__log_time(line.text, line.length, &us) > 0;
}

static bool open_block(struct panic_reader *reader, struct span line, uint64_t begin, uint64_t end)
{
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        const struct panic_grammar *grammar = grammars[i].grammar;
        size_t at = grammar->find(line);
        if (at == SIZE_MAX) continue;
        reader->grammar = grammar;
        reader->begin = begin;
        reader->end = end;
        reader->foreign = 0;
        reader->prefix_length = at <= sizeof reader->prefix ? at : 0;
        memcpy(reader->prefix, line.text, reader->prefix_length);
        ccol__block_init(&reader->block, grammars[i].runtime, reader->frames);
        enum panic_verdict verdict = grammar->begin(&reader->block, ccol__span_from(line, at));
        if (verdict == PANIC_LAST) close_block(reader);
        if (verdict == PANIC_NONE) drop_block(reader);
        if (verdict != PANIC_NONE) return true;
    }
    return false;
}

/* true: the line is done with. */
static bool continue_block(struct panic_reader *reader, struct span line, bool record, uint64_t end, bool *taken)
{
    enum panic_verdict verdict = PANIC_FOREIGN;
    reader->block.interrupted = reader->block.interrupted || record;
    if (!record) verdict = reader->grammar->take(&reader->block, line);
    *taken = verdict == PANIC_PART || verdict == PANIC_LAST;
    if (*taken) {
        reader->end = end;
        reader->foreign = 0;
        if (verdict == PANIC_LAST) close_block(reader);
        return true;
    }
    if (verdict == PANIC_FOREIGN && ccol__span_is_blank(line)) return true;
    if (verdict == PANIC_FOREIGN && ++reader->foreign > BLOCK_FOREIGN_LINES) verdict = PANIC_OVER;
    if (verdict == PANIC_OVER) close_block(reader);
    if (verdict == PANIC_NONE) drop_block(reader);
    return false;
}

/* Whether a line in the middle of a block begins another one. */
static bool begins_another(struct span line)
{
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++)
        if (grammars[i].grammar->find(line) != SIZE_MAX) return true;
    return false;
}

bool ccol__panic_reader_line(struct panic_reader *reader, const char *text, size_t length, uint64_t begin, uint64_t end)
{
    struct span line = ccol__span(text, length), inner = line;
    bool taken = false, record = !take_prefix(reader, &inner) && is_record(line);
    if (reader->grammar && continue_block(reader, inner, record, end, &taken)) return taken;
    if (reader->grammar) { /* a line of somebody else's in between */
        if (!begins_another(line)) return false;
        close_block(reader);
    }
    if (reader->held_count && ccol__panic_rust_aborts(inner)) {
        merge_held(reader, NULL, end);
        return true;
    }
    if (open_block(reader, line, begin, end)) return true;
    if (!ccol__span_is_blank(inner) && !record) release_held(reader);
    return false;
}

static void take_line(void *user, const struct log_text *line)
{
    ccol__panic_reader_line(user, line->text, line->length, line->begin, line->end);
}

void ccol__panic_reader_feed(struct panic_reader *reader, const char *data, size_t length)
{
    if (!reader->splitter && ccol__line_splitter_new(&reader->splitter, take_line, reader)) return;
    ccol__line_splitter_feed(reader->splitter, data, length);
}

void ccol__panic_reader_idle(struct panic_reader *reader)
{
    close_block(reader);
    release_held(reader);
}

void ccol__panic_reader_end(struct panic_reader *reader)
{
    if (reader->splitter) ccol__line_splitter_end(reader->splitter);
    ccol__panic_reader_idle(reader);
}
