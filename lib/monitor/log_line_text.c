/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "monitor/log_line_forms.h"
#include "monitor/log_time.h"

#define TOKENS_MAX  6
#define BRACKETS    "[]()<>|:,-"
#define IN_BRACKETS "[(<|"

/* "<3>text": kernel's, systemd's, and with a facility syslog's. */
static struct span take_priority(struct span line, enum line_level *level)
{
    uint64_t number;
    struct span rest = ccol__span_from(line, 1);
    if (!ccol__span_starts(line, "<") || !ccol__span_number(&rest, &number) || number > 191 ||
        !ccol__span_starts(rest, ">"))
        return line;
    *level = ccol__level_of_syslog((unsigned)number & 7);
    return ccol__span_from(rest, 1);
}

/* glog and klog: "E20261121 23:15:27.101498 29587 g.cc:2] failed", "E1121 23:15:27.1 1 g.go:2] failed" */
static bool take_glog(struct span line, struct text_line *out)
{
    static const char letters[] = "IWEF";
    static const enum line_level levels[] = {LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_FATAL};
    const char *letter = line.length ? memchr(letters, line.text[0], 4) : NULL;
    uint64_t number;
    struct span rest = ccol__span_from(line, 1);
    size_t before = rest.length;
    if (!letter || !ccol__span_number(&rest, &number)) return false;
    size_t digits = before - rest.length, end = ccol__span_find(ccol__span_to(rest, 200), "] ");
    int64_t us;
    if ((digits != 4 && digits != 8) || end == SIZE_MAX || !ccol__span_starts(rest, " ") ||
        !ccol__log_time(rest.text + 1, rest.length - 1, &us))
        return false;
    struct span head = ccol__span_to(rest, end);
    out->logger = ccol__span_from(head, ccol__span_find_last(head, " ") + 1);
    out->level = levels[letter - letters];
    out->message = ccol__span_from(rest, end + 2);
    out->has_time = true;
    return true;
}

/* "E/Tag(123): text" and "E Tag: text" of Android are too close to prose; in brackets a letter counts: "[E 23:15 x]".
 */
static enum line_level level_of_letter(char c)
{
    const char *at = c ? strchr("TVDIWECF", c) : NULL;
    static const enum line_level levels[] = {LEVEL_TRACE,   LEVEL_TRACE, LEVEL_DEBUG, LEVEL_INFO,
                                             LEVEL_WARNING, LEVEL_ERROR, LEVEL_FATAL, LEVEL_FATAL};
    return at ? levels[at - "TVDIWECF"] : LEVEL_NONE;
}

static bool is_upper(struct span word)
{
    for (size_t i = 0; i < word.length; i++)
        if (!isupper((unsigned char)word.text[i])) return false;
    return word.length > 0;
}

/* A blank-separated piece with the level's word in it, if it is one. */
struct token {
    struct span whole, word;
    bool opened, closed; /* a bracket before the word, and behind it */
};

static struct token split_token(struct span whole)
{
    struct token token = {.whole = whole, .word = whole};
    while (token.word.length && strchr(BRACKETS, token.word.text[0])) {
        token.opened = token.opened || strchr(IN_BRACKETS, token.word.text[0]) != NULL;
        token.word = ccol__span_from(token.word, 1);
    }
    size_t end = 0;
    while (end < token.word.length && !strchr(BRACKETS, token.word.text[end]))
        end++;
    token.closed = end < token.word.length;
    token.word = ccol__span_to(token.word, end);
    return token;
}

/* What stands in the token right behind the word. */
static char behind_word(const struct token *token)
{
    size_t at = (size_t)(token->word.text - token->whole.text) + token->word.length;
    return at < token->whole.length ? token->whole.text[at] : '\0';
}

/* A word in lower case is a level only in brackets, or where the line begins with it and a colon follows. */
static bool counts(const struct token *token, bool at_start)
{
    char behind = behind_word(token);
    if (is_upper(token->word)) return behind != '-';
    if (token->opened) return behind && strchr("])>|", behind);
    return at_start && behind == ':';
}

/* at_start: nothing but a time stands before it. */
static enum line_level level_of_token(const struct token *token, bool at_start)
{
    if (token->word.length == 1 && token->opened && isupper((unsigned char)token->word.text[0]))
        return token->closed || at_start ? level_of_letter(token->word.text[0]) : LEVEL_NONE;
    enum line_level level = ccol__level_of_word(token->word.text, token->word.length);
    return level != LEVEL_NONE && counts(token, at_start) ? level : LEVEL_NONE;
}

static bool is_separator(struct span word)
{
    return word.length == 1 && strchr("-|:", word.text[0]) != NULL;
}

/* Of "[TIME ERROR rl] text", which the level stands in the middle of. */
static bool split_bracket(struct span rest, struct text_line *out)
{
    size_t end = ccol__span_find(ccol__span_to(rest, 200), "]");
    if (end == SIZE_MAX) return false;
    out->logger = ccol__span_trim(ccol__span_to(rest, end));
    out->message = ccol__span_trim(ccol__span_from(rest, end + 1));
    return true;
}

static bool is_name(struct span word)
{
    for (size_t i = 0; i < word.length; i++)
        if (!isalnum((unsigned char)word.text[i]) && !strchr("_.:$/{}", word.text[i])) return false;
    return word.length > 0;
}

/* What stands between the level and the message: "rl] ", "rl: ", "- ", "c.e.App - ". */
static void split_message(struct span rest, const struct token *level, struct text_line *out)
{
    rest = ccol__span_trim(rest);
    if (level->opened && !level->closed && split_bracket(rest, out)) return;
    while (rest.length > 1 && strchr("-|:]", rest.text[0]) && rest.text[1] == ' ')
        rest = ccol__span_trim(ccol__span_from(rest, 1));
    out->message = rest;
    size_t blank = ccol__span_find(rest, " ");
    struct span word = ccol__span_to(rest, blank), behind = ccol__span_from(rest, blank);
    if (!out->has_time || !behind.length || !is_name(word)) return;
    if (ccol__span_ends(word, ":") && !out->logger.length) { /* tracing */
        out->logger = ccol__span_to(word, word.length - 1);
        out->message = ccol__span_trim(behind);
    } else if (ccol__span_starts(behind, " - ")) { /* log4j */
        out->logger = word;
        out->message = ccol__span_from(behind, 3);
    }
}

/* Python's "ERROR:root:bad" */
static bool take_python(struct span line, struct text_line *out)
{
    size_t colon = ccol__span_find(ccol__span_to(line, 12), ":");
    if (colon == SIZE_MAX || !is_upper(ccol__span_to(line, colon))) return false;
    struct span rest = ccol__span_from(line, colon + 1);
    size_t end = ccol__span_find(ccol__span_to(rest, 128), ":");
    enum line_level level = ccol__level_of_word(line.text, colon);
    if (level == LEVEL_NONE || end == SIZE_MAX || end == 0 ||
        ccol__span_find(ccol__span_to(rest, end), " ") != SIZE_MAX)
        return false;
    out->level = level;
    out->logger = ccol__span_to(rest, end);
    out->message = ccol__span_trim(ccol__span_from(rest, end + 1));
    return true;
}

/* The piece before the level: the logger of "TIME - app - ERROR - text" and "[TIME] [app] [error] text". */
static void take_logger_before(const struct token *before, struct text_line *out)
{
    if (before->word.length && (before->opened || !isdigit((unsigned char)before->word.text[0])))
        out->logger = before->word;
}

static void take_level(struct span rest, struct text_line *out)
{
    struct token before = {0};
    for (unsigned i = 0; i < TOKENS_MAX; i++) {
        rest = ccol__span_trim(rest);
        if (!rest.length) return;
        size_t end = 0;
        while (end < rest.length && rest.text[end] != ' ' && rest.text[end] != '\t')
            end++;
        struct token token = split_token(ccol__span_to(rest, end));
        enum line_level level = level_of_token(&token, i == 0);
        if (level != LEVEL_NONE) {
            out->level = level;
            if (before.word.length && out->has_time) take_logger_before(&before, out);
            size_t used = (size_t)(token.word.text - rest.text) + token.word.length;
            split_message(ccol__span_from(rest, used < end && token.closed ? used + 1 : end), &token, out);
            return;
        }
        if (!is_separator(token.whole)) before = token;
        rest = ccol__span_from(rest, end);
    }
}

/* The bracket that the time opened may hold the level too: "[TIME ERROR rl] text". */
static bool take_bracket(struct span behind_time, struct text_line *out)
{
    struct span word = ccol__span_trim(behind_time);
    size_t end = 0;
    while (end < word.length && word.text[end] != ' ' && word.text[end] != ']')
        end++;
    struct token token = {.whole = ccol__span_to(word, end), .word = ccol__span_to(word, end), .opened = true};
    enum line_level level = ccol__level_of_word(token.word.text, token.word.length);
    if (level == LEVEL_NONE) return false;
    out->level = level;
    split_message(ccol__span_from(word, end), &token, out);
    return true;
}

void ccol__log_line_text(struct span line, struct text_line *out)
{
    *out = (struct text_line){.message = line};
    struct span rest = take_priority(line, &out->level);
    out->message = rest;
    if (out->level != LEVEL_NONE || take_glog(rest, out) || ccol__log_line_logfmt(rest, out) || take_python(rest, out))
        return;
    rest = ccol__span_trim(rest);
    size_t bracket = ccol__span_starts(rest, "[");
    struct span behind = ccol__span_from(rest, bracket);
    size_t time = ccol__log_time(behind.text, behind.length, &out->time_us);
    if (!time) {
        take_level(rest, out);
        return;
    }
    out->has_time = true;
    behind = ccol__span_from(behind, time);
    if (bracket && ccol__span_starts(behind, " ") && take_bracket(behind, out)) return;
    if (ccol__span_starts(behind, "]")) behind = ccol__span_from(behind, 1);
    out->message = ccol__span_trim(behind);
    take_level(behind, out);
}

bool ccol__log_line_is_record(const char *text, size_t length)
{
    struct text_line line;
    struct span span = ccol__span(text, length < 512 ? length : 512);
    if (ccol__span_starts(span, "{\"")) return true;
    if (span.length && (span.text[0] == ' ' || span.text[0] == '\t')) return false;
    ccol__log_line_text(span, &line);
    return line.has_time || line.level != LEVEL_NONE;
}
