/* SPDX-License-Identifier: MIT */
#include "monitor/log_line.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "monitor/log_line_forms.h"
#include "monitor/pattern.h"

struct rule {
    enum line_level level;
    struct pattern pattern;
};

struct log_line_reader {
    enum level_numbers numbers;
    size_t rule_count;
    struct rule rules[];
};

static int compile_rule(struct rule *rule, const char *text, ccol_error *err)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : 0;
    rule->level = ccol__level_of_word(text, length);
    if (rule->level == LEVEL_NONE && !(length == 4 && strncmp(text, "none", 4) == 0))
        return ccol_fail(err, CCOL_EFORMAT,
                         "the level rule \"%s\" must be LEVEL=REGEX, with LEVEL one of fatal, error, "
                         "warning, info, debug, trace, none",
                         text);
    return ccol__pattern_init(&rule->pattern, equals + 1, false, err);
}

int ccol__log_line_reader_new(struct log_line_reader **out, const struct log_line_options *options, ccol_error *err)
{
    size_t count = options ? options->rule_count : 0;
    struct log_line_reader *reader = *out = calloc(1, sizeof *reader + count * sizeof reader->rules[0]);
    if (!reader) return ccol_fail(err, -ENOMEM, "no memory for the level rules");
    if (options) reader->numbers = options->numbers;
    int code = 0;
    for (; !code && reader->rule_count < count; reader->rule_count += !code)
        code = compile_rule(&reader->rules[reader->rule_count], options->rules[reader->rule_count], err);
    if (!code) return 0;
    ccol__log_line_reader_free(reader);
    *out = NULL;
    return code;
}

void ccol__log_line_reader_free(struct log_line_reader *reader)
{
    if (!reader) return;
    for (size_t i = 0; i < reader->rule_count; i++)
        ccol__pattern_fini(&reader->rules[i].pattern);
    free(reader);
}

static bool looks_continued(struct span line)
{
    static const char *const heads[] = {"Caused by: ", "at ", "goroutine ", "Traceback (", "... ", "created by ", "}"};
    if (line.length && (line.text[0] == ' ' || line.text[0] == '\t')) return true;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (ccol__span_starts(line, heads[i])) return true;
    return false;
}

static bool copy_span(struct arena *arena, struct span span, bool quoted, const char **out)
{
    char *copy = ccol__arena_copy(arena, span.text, span.length);
    if (!copy) return false;
    size_t used = 0;
    for (size_t i = 0; quoted && i < span.length; i++) { /* of the escapes only those that hide a character */
        if (copy[i] == '\\' && i + 1 < span.length && strchr("\"\\n", copy[i + 1])) i++;
        copy[used++] = copy[i] == 'n' && i && span.text[i - 1] == '\\' && span.text[i] == 'n' ? '\n' : copy[i];
    }
    if (quoted) copy[used] = '\0';
    *out = copy;
    return true;
}

bool ccol__log_line_read(const struct log_line_reader *reader, struct arena *arena, const char *text, size_t length,
                         struct log_line *out)
{
    struct span line = ccol__span(text, length);
    struct text_line found;
    *out = (struct log_line){.message = "", .logger = "", .stack = ""};
    bool is_json = line.length > 1 && line.text[0] == '{' && line.text[line.length - 1] == '}' &&
                   ccol__log_line_json(arena, text, length, reader->numbers, out);
    bool complete = true;
    if (!is_json) {
        ccol__log_line_text(line, &found);
        out->level = found.level;
        out->time_us = found.time_us;
        out->continues = found.level == LEVEL_NONE && !found.has_time && looks_continued(line);
        complete = copy_span(arena, found.message, found.quoted, &out->message) &&
                   copy_span(arena, found.logger, false, &out->logger);
    } else if (!out->message[0]) {
        complete = copy_span(arena, line, false, &out->message);
    }
    for (size_t i = 0; i < reader->rule_count; i++) {
        if (!ccol__pattern_matches(&reader->rules[i].pattern, line.text, line.length)) continue;
        out->level = reader->rules[i].level;
        break;
    }
    if (out->level != LEVEL_NONE) out->continues = false;
    return complete;
}
