/* SPDX-License-Identifier: MIT */
#include "base/ini.h"

#include <string.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static void trim(const char **text, size_t *length)
{
    while (*length && is_blank((*text)[*length - 1]))
        --*length;
    while (*length && is_blank(**text)) {
        ++*text;
        --*length;
    }
}

/* Up to a comment that follows a blank. */
static size_t without_comment(const char *text, size_t length)
{
    for (size_t i = 1; i < length; i++) {
        if ((text[i] == '#' || text[i] == ';') && is_blank(text[i - 1])) return i;
    }
    return length;
}

static void take_section(struct ini *ini, const char *line, size_t length)
{
    const char *close = memchr(line, ']', length);
    ini->section = line + 1;
    ini->section_length = close ? (size_t)(close - line) - 1 : 0; /* one without an end has no name */
    trim(&ini->section, &ini->section_length);
}

static bool take_property(const struct ini *ini, const char *line, size_t length, struct ini_property *out)
{
    const char *equals = memchr(line, '=', length);
    if (!equals || equals == line || !ini->section) return false;
    *out = (struct ini_property){.section = ini->section,
                                 .section_length = ini->section_length,
                                 .key = line,
                                 .key_length = (size_t)(equals - line),
                                 .value = equals + 1};
    size_t rest = length - out->key_length - 1;
    out->value_length = without_comment(out->value, rest);
    trim(&out->key, &out->key_length);
    trim(&out->value, &out->value_length);
    return out->key_length > 0;
}

bool ccol__ini_next(struct ini *ini, struct ini_property *out)
{
    while (ini->at < ini->end) {
        const char *line = ini->at, *newline = memchr(line, '\n', (size_t)(ini->end - line));
        size_t length = newline ? (size_t)(newline - line) : (size_t)(ini->end - line);
        ini->at = newline ? newline + 1 : ini->end;
        if (!length || is_blank(*line) || *line == '#' || *line == ';') continue;
        if (*line == '[') {
            take_section(ini, line, length);
        } else if (take_property(ini, line, length, out)) {
            return true;
        }
    }
    return false;
}
