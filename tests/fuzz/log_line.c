/* SPDX-License-Identifier: MIT */
/* Any bytes as a log: lines come out clean, and every one of them can be read. */
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "monitor/line_splitter.h"
#include "monitor/log_line.h"
#include "monitor/log_time.h"

struct reading {
    struct log_line_reader *reader;
    uint64_t end;
};

static void on_line(void *user, const struct log_text *text)
{
    struct reading *reading = user;
    struct arena arena;
    struct log_line line;
    int64_t us;
    PROPERTY(text->begin == reading->end && text->end > text->begin);
    reading->end = text->end;
    PROPERTY(strlen(text->text) == text->length && text->length <= 3 * LINE_MAX_BYTES);
    PROPERTY(ccol__text_is_utf8(text->text, text->length));
    for (size_t i = 0; i < text->length; i++)
        PROPERTY((unsigned char)text->text[i] >= ' ' || text->text[i] == '\t');
    ccol__arena_init(&arena, NULL);
    PROPERTY(ccol__log_line_read(reading->reader, &arena, text->text, text->length, &line));
    PROPERTY(line.level <= LEVEL_FATAL && line.message && line.logger && line.stack);
    PROPERTY(!line.continues || line.level == LEVEL_NONE);
    PROPERTY(ccol__level_name(line.level));
    ccol__log_line_is_record(text->text, text->length);
    PROPERTY(ccol__log_time(text->text, text->length, &us) <= text->length);
    ccol__log_time_value(text->text, text->length);
    ccol__arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const rules[] = {"fatal=^(a|b)*c", "none=x{3,}y"};
    static const struct log_line_options options = {.rules = rules, .rule_count = 2};
    struct line_splitter *splitter;
    struct reading reading = {0};
    PROPERTY(ccol__log_line_reader_new(&reading.reader, &options, NULL) == 0);
    PROPERTY(ccol__line_splitter_new(&splitter, on_line, &reading) == 0);
    ccol__line_splitter_feed(splitter, (const char *)data, size);
    ccol__line_splitter_end(splitter);
    PROPERTY(reading.end == size);
    ccol__line_splitter_free(splitter);
    ccol__log_line_reader_free(reading.reader);
    return 0;
}
