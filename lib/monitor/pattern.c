/* SPDX-License-Identifier: MIT */
#include "monitor/pattern.h"

#include <string.h>

static bool refers_back(const char *text)
{
    for (; *text; text++)
        if (*text == '\\' && *++text >= '1' && *text <= '9')
            return true;
        else if (!*text)
            return false;
    return false;
}

int ccol__pattern_init(struct pattern *pattern, const char *text, bool wants_place, ccol_error *err)
{
    char cause[128];
    if (!*text) return ccol_fail(err, CCOL_EFORMAT, "an empty pattern would match everything");
    if (refers_back(text)) return ccol_fail(err, CCOL_EFORMAT, "the pattern \"%s\" has a back-reference", text);
    int code = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NEWLINE | (wants_place ? 0 : REG_NOSUB));
    if (code == 0) {
        pattern->groups = pattern->regex.re_nsub > 0;
        return 0;
    }
    regerror(code, &pattern->regex, cause, sizeof cause);
    return ccol_fail(err, CCOL_EFORMAT, "the pattern \"%s\" is wrong: %s", text, cause);
}

bool ccol__pattern_matches(const struct pattern *pattern, const char *text, size_t length)
{
    char piece[PATTERN_PIECE + 1];
    size_t used = length < PATTERN_PIECE ? length : PATTERN_PIECE;
    memcpy(piece, text, used);
    piece[used] = '\0';
    return regexec(&pattern->regex, piece, 0, NULL, 0) == 0;
}

bool ccol__pattern_find(const struct pattern *pattern, const char *text, bool at_start, size_t *start, size_t *end)
{
    regmatch_t matches[2];
    if (regexec(&pattern->regex, text, pattern->groups ? 2 : 1, matches, at_start ? 0 : REG_NOTBOL)) return false;
    const regmatch_t *match = pattern->groups && matches[1].rm_so >= 0 ? &matches[1] : &matches[0];
    *start = (size_t)match->rm_so;
    *end = (size_t)match->rm_eo;
    return true;
}

void ccol__pattern_fini(struct pattern *pattern)
{
    regfree(&pattern->regex);
}
