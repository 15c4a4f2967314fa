/* SPDX-License-Identifier: MIT */
/* One pass over the text, word by word. A word that is a token by its form goes; behind a word that names a secret the
 * value goes; behind "://" the password goes. Every look ahead is bounded or skips what it looked at. */
#include "monitor/redact.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/panic_block.h"
#include "monitor/pattern.h"
#include "monitor/redact_words.h"

#define KEY_BEGIN "-----BEGIN "
#define KEY_END   "-----END "
#define KEY_KIND  "PRIVATE KEY"
#define URL_MAX   ((size_t)1024) /* of what stands between "://" and '@' */

struct redactor {
    bool off;
    size_t pattern_count;
    struct pattern patterns[];
};

int ccol__redactor_new(struct redactor **out, const struct redact_options *options, ccol_error *err)
{
    size_t count = options && !options->off ? options->pattern_count : 0;
    struct redactor *redactor = *out = calloc(1, sizeof *redactor + count * sizeof redactor->patterns[0]);
    if (!redactor) return ccol_fail(err, -ENOMEM, "no memory for the redaction patterns");
    redactor->off = options && options->off;
    int code = 0;
    for (; !code && redactor->pattern_count < count; redactor->pattern_count += !code)
        code = ccol__pattern_init(&redactor->patterns[redactor->pattern_count],
                                  options->patterns[redactor->pattern_count], true, err);
    if (!code) return 0;
    ccol__redactor_free(redactor);
    *out = NULL;
    return code;
}

void ccol__redactor_free(struct redactor *redactor)
{
    if (!redactor) return;
    for (size_t i = 0; i < redactor->pattern_count; i++)
        ccol__pattern_fini(&redactor->patterns[i]);
    free(redactor);
}

/* One line on its way out: what lies before `kept` is written. */
struct pass {
    struct buffer *out;
    struct span line;
    size_t kept, at;
};

static void hide(struct pass *pass, size_t start, size_t end)
{
    if (start < pass->kept) start = pass->kept;
    ccol__buffer_append(pass->out, pass->line.text + pass->kept, start - pass->kept);
    ccol__buffer_text(pass->out, REDACTED);
    pass->kept = end;
    pass->at = end;
}

static char at(const struct span *line, size_t place)
{
    return place < line->length ? line->text[place] : '\0';
}

static bool ends_value(char c)
{
    return c == '\0' || strchr(" \t\"'`&,;|<>(){}[]", c) != NULL;
}

/* Passes over backslashes: quotes in JSON inside of JSON have them. */
static size_t skip_escapes(const struct span *line, size_t place)
{
    while (at(line, place) == '\\')
        place++;
    return place;
}

/* End of a quoted value; `place` is behind the quote, `escapes` how many backslashes stood before that. */
static size_t quoted_end(const struct span *line, size_t place, char quote, size_t escapes)
{
    size_t backslashes = 0;
    for (; place < line->length; place++) {
        if (line->text[place] == quote && backslashes <= escapes) return place - backslashes;
        backslashes = line->text[place] == '\\' ? backslashes + 1 : 0;
    }
    return place;
}

/* The secret behind "Bearer ", "Basic " and what else a header's value may begin with. */
static size_t plain_end(const struct span *line, size_t place, bool whole_header)
{
    size_t end = place;
    while (end < line->length && (whole_header ? !strchr("\"'`\\", line->text[end]) : !ends_value(line->text[end])))
        end++;
    return end;
}

/* Whether a separator follows at `place`; *value is where the value begins. */
static bool find_value(const struct span *line, size_t place, size_t *value)
{
    size_t from = place;
    place = skip_escapes(line, place);
    if (at(line, place) == '"' || at(line, place) == '\'') {
        place++; /* "password": ... */
    } else {
        place = from;
    }
    while (at(line, place) == ' ' && place < from + 4)
        place++;
    if ((at(line, place) == '=' && at(line, place + 1) == '>') ||
        (at(line, place) == ':' && at(line, place + 1) == '=')) {
        place += 2;
    } else if (at(line, place) == '=' || at(line, place) == ':') {
        place++;
    } else {
        return false;
    }
    if (at(line, place) == '=' || at(line, place) == ':') return false; /* ==, :: */
    while (at(line, place) == ' ' || at(line, place) == '\t')
        place++;
    *value = place;
    return place < line->length;
}

static bool is_one_of(struct span word, const char *const *list)
{
    for (; *list; list++)
        if (ccol__word_is(word, *list)) return true;
    return false;
}

/* End of an unquoted value: a word, two if the first names the scheme ("Bearer"), the whole rest of a header. `start`
 * if it says that there is none. */
static size_t unquoted_end(const struct span *line, size_t start, bool whole_header)
{
    static const char *const nothing[] = {"null", "none", "nil", "true", "false", REDACTED, NULL};
    static const char *const schemes[] = {"bearer", "basic", "token", "negotiate", "digest", NULL};
    size_t end = plain_end(line, start, whole_header);
    struct span word = ccol__span(line->text + start, end - start);
    if (is_one_of(word, nothing)) return start;
    return is_one_of(word, schemes) && at(line, end) == ' ' ? plain_end(line, end + 1, false) : end;
}

/* Hides the value at `value`, if it has at least `least` bytes. */
static bool hide_value(struct pass *pass, size_t value, bool whole_header, size_t least)
{
    const struct span *line = &pass->line;
    size_t start = skip_escapes(line, value), end;
    char quote = at(line, start);
    if (quote == '"' || quote == '\'' || quote == '`') {
        end = quoted_end(line, start + 1, quote, start - value);
        start++;
    } else {
        start = value;
        end = unquoted_end(line, start, whole_header);
    }
    if (end < start + least) return false;
    hide(pass, start, end);
    return true;
}

/* "NAME=VALUE" and its kin, if the name is one of a secret. */
static bool hide_named(struct pass *pass, struct span name, size_t end)
{
    size_t value;
    bool header = false;
    if (!find_value(&pass->line, end, &value)) return false;
    if (ccol__word_names_secret(name, &header)) return hide_value(pass, value, header, 1);
    return ccol__word_is(name, "sig") &&
           hide_value(pass, value, false, 20); /* of a shared URL, not a signal's number */
}

/* "Bearer TOKEN" and "Basic TOKEN" wherever they stand. */
static bool hide_scheme(struct pass *pass, struct span word, size_t end)
{
    const struct span *line = &pass->line;
    bool basic = ccol__word_is(word, "basic");
    if (at(line, end) != ' ' || (!basic && !ccol__word_is(word, "bearer"))) return false;
    size_t start = end + 1, stop = start, digits = 0;
    while (stop < line->length && (isalnum((unsigned char)line->text[stop]) || strchr("._~+/=-", line->text[stop]))) {
        digits += isdigit((unsigned char)line->text[stop]) || isupper((unsigned char)line->text[stop]);
        stop++;
    }
    if (stop - start < (basic ? 12U : 8U) || digits == 0) return false; /* prose */
    hide(pass, start, stop);
    return true;
}

/* "://USER:PASSWORD@", "://:PASSWORD@", "://KEY@" */
static void hide_password(struct pass *pass, size_t colon)
{
    const struct span *line = &pass->line;
    size_t start = colon + 3, end = start, last_at = 0, first_colon = 0;
    size_t webhook = ccol__word_token(ccol__span_from(*line, start), 0);
    if (webhook) {
        hide(pass, start, start + webhook);
        return;
    }
    while (end < line->length && end < start + URL_MAX && !strchr("/?# \t\"'<>\\", line->text[end])) {
        if (line->text[end] == '@') last_at = end;
        if (line->text[end] == ':' && !first_colon && !last_at) first_colon = end;
        end++;
    }
    pass->at = end;
    if (!last_at) return;
    if (first_colon) {
        if (ccol__word_is_key(ccol__span(line->text + start, first_colon - start))) first_colon = start - 1; /* a DSN */
        hide(pass, first_colon + 1, last_at);
    } else if (ccol__word_is_key(ccol__span(line->text + start, last_at - start))) {
        hide(pass, start, last_at);
    } else {
        pass->at = last_at + 1;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '+';
}

static void take_word(struct pass *pass)
{
    const struct span *line = &pass->line;
    size_t start = pass->at, end = start;
    while (end < line->length && is_word(line->text[end]))
        end++;
    pass->at = end;
    struct span word = ccol__span(line->text + start, end - start);
    size_t token = ccol__word_token(ccol__span_from(*line, start), word.length);
    if (token) {
        hide(pass, start, start + token);
        return;
    }
    if (hide_named(pass, word, end)) return;
    if (hide_scheme(pass, word, end)) return;
    if (at(line, end) == ':' && at(line, end + 1) == '/' && at(line, end + 2) == '/') hide_password(pass, end);
}

static void redact_builtin(struct buffer *out, struct span line)
{
    struct pass pass = {.out = out, .line = line};
    while (pass.at < line.length) {
        if (is_word(line.text[pass.at])) {
            take_word(&pass);
        } else {
            pass.at++;
        }
    }
    ccol__buffer_append(out, line.text + pass.kept, line.length - pass.kept);
}

/* Replaces the matches of one pattern in a piece of a line. */
static void redact_piece(const struct pattern *pattern, struct buffer *out, const char *piece, size_t length,
                         bool first)
{
    size_t place = 0, start, end;
    while (place < length && ccol__pattern_find(pattern, piece + place, first && place == 0, &start, &end)) {
        if (end == start) { /* an empty match: go on by one byte */
            ccol__buffer_append(out, piece + place, start + 1 < length - place ? start + 1 : length - place);
            place += start + 1;
            continue;
        }
        ccol__buffer_append(out, piece + place, start);
        ccol__buffer_text(out, REDACTED);
        place += end;
    }
    if (place < length) ccol__buffer_append(out, piece + place, length - place);
}

static void redact_pattern(const struct pattern *pattern, struct buffer *out, struct span line)
{
    char piece[PATTERN_PIECE + 1];
    for (size_t start = 0; start < line.length; start += PATTERN_PIECE) {
        struct span rest = ccol__span_to(ccol__span_from(line, start), PATTERN_PIECE);
        memcpy(piece, rest.text, rest.length);
        piece[rest.length] = '\0';
        redact_piece(pattern, out, piece, strlen(piece), start == 0);
    }
}

/* The user's patterns come first, so that they see the text as it was. */
static void redact_one(const struct redactor *redactor, struct buffer *out, struct span line)
{
    struct buffer buffers[2];
    if (!redactor->pattern_count) {
        redact_builtin(out, line);
        return;
    }
    ccol__buffer_init(&buffers[0], out->ceiling, out->budget);
    ccol__buffer_init(&buffers[1], out->ceiling, out->budget);
    for (size_t i = 0; i < redactor->pattern_count; i++) {
        struct buffer *next = &buffers[i % 2];
        ccol__buffer_clear(next);
        redact_pattern(&redactor->patterns[i], next, line);
        if (next->failed) out->failed = true;
        line = ccol__span(next->data ? next->data : "", next->length);
    }
    redact_builtin(out, line);
    ccol__buffer_fini(&buffers[0]);
    ccol__buffer_fini(&buffers[1]);
}

bool ccol__redact_line(const struct redactor *redactor, struct buffer *out, const char *text, size_t length,
                       bool *in_key)
{
    struct span line = ccol__span(text, length);
    if (redactor->off) return ccol__buffer_append(out, text, length);
    size_t begin = ccol__span_find(line, KEY_BEGIN);
    if (*in_key) {
        size_t end = ccol__span_find(line, KEY_END);
        if (end == SIZE_MAX) return !out->failed;
        *in_key = false;
        line = ccol__span_from(line, end);
        begin = SIZE_MAX;
    }
    if (begin == SIZE_MAX || ccol__span_find(ccol__span_from(line, begin), KEY_KIND) == SIZE_MAX) {
        redact_one(redactor, out, line);
        return !out->failed;
    }
    redact_one(redactor, out, ccol__span_to(line, begin));
    struct span key = ccol__span_from(line, begin);
    size_t end = ccol__span_find(key, KEY_END); /* all in one line, with \n written out */
    *in_key = end == SIZE_MAX;
    ccol__buffer_text(out, KEY_BEGIN KEY_KIND "-----" REDACTED);
    if (end != SIZE_MAX) redact_one(redactor, out, ccol__span_from(key, end));
    return !out->failed;
}

bool ccol__redact_text(const struct redactor *redactor, struct buffer *out, const char *text, size_t length)
{
    bool in_key = false;
    while (length) {
        const char *newline = memchr(text, '\n', length);
        size_t piece = newline ? (size_t)(newline - text) : length;
        ccol__redact_line(redactor, out, text, piece, &in_key);
        if (newline && !in_key) ccol__buffer_append(out, "\n", 1);
        text += piece + (newline != NULL);
        length -= piece + (newline != NULL);
    }
    return !out->failed;
}

/* Whether the next argument is the value of this one: "--password", "-u" with a name and a password. */
static bool names_next(struct span argument, bool *after_colon)
{
    bool header;
    *after_colon = ccol__span_equals(argument, "-u") || ccol__span_equals(argument, "--user") ||
                   ccol__span_equals(argument, "--proxy-user") || ccol__span_equals(argument, "-U");
    if (*after_colon) return true;
    return ccol__span_starts(argument, "-") && ccol__span_find(argument, "=") == SIZE_MAX &&
           ccol__word_names_secret(argument, &header);
}

static void write_argument(const struct redactor *redactor, struct buffer *out, struct span argument)
{
    bool in_key = false, quoted = !argument.length;
    for (size_t i = 0; i < argument.length; i++)
        quoted = quoted || !(isalnum((unsigned char)argument.text[i]) || strchr("_-+=/.,:@%^~", argument.text[i]));
    if (quoted) ccol__buffer_text(out, "'");
    ccol__redact_line(redactor, out, argument.text, argument.length, &in_key);
    if (quoted) ccol__buffer_text(out, "'");
}

bool ccol__redact_command(const struct redactor *redactor, struct buffer *out, const char *arguments, size_t length)
{
    bool is_value = false, after_colon = false;
    for (size_t start = 0; start < length;) {
        size_t used = strnlen(arguments + start, length - start);
        struct span argument = ccol__span(arguments + start, used);
        size_t colon = ccol__span_find(argument, ":");
        if (start) ccol__buffer_text(out, " ");
        if (is_value && !redactor->off && (!after_colon || colon != SIZE_MAX) && !ccol__span_starts(argument, "-")) {
            if (after_colon) ccol__buffer_append(out, argument.text, colon + 1);
            ccol__buffer_text(out, REDACTED);
            is_value = false;
        } else {
            write_argument(redactor, out, argument);
            is_value = names_next(argument, &after_colon);
        }
        start += used + 1;
    }
    return !out->failed;
}
