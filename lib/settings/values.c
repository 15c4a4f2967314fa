/* SPDX-License-Identifier: MIT */
#include "settings/values.h"

#include "base/text.h"

#include <signal.h>
#include <string.h>

#define BLANKS " \t"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits at the start of text, end to *rest. */
static bool digits(const char *text, const char **rest, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (unsigned)(*at - '0'), &value))
            return false;
    }
    *rest = at;
    *out = value;
    return at != text;
}

static bool with_unit(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    const char *rest;
    uint64_t value;
    if (!digits(text, &rest, &value)) return false;
    rest += strspn(rest, BLANKS);
    for (size_t i = 0; i < count; i++) {
        if (ccol__text_equal_nocase(rest, strlen(rest), units[i].name))
            return !__builtin_mul_overflow(value, units[i].factor, out);
    }
    return false;
}

bool ccol__value_number(const char *text, uint64_t *out)
{
    const char *rest;
    return digits(text, &rest, out) && !*rest;
}

bool ccol__value_size(const char *text, uint64_t *out)
{
    static const struct unit units[] = {{"", 1},
                                        {"kib", UINT64_C(1) << 10},
                                        {"mib", UINT64_C(1) << 20},
                                        {"gib", UINT64_C(1) << 30},
                                        {"tib", UINT64_C(1) << 40}};
    return with_unit(text, units, sizeof units / sizeof units[0], out);
}

bool ccol__value_time(const char *text, uint64_t *out)
{
    static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    return with_unit(text, units, sizeof units / sizeof units[0], out);
}

bool ccol__value_switch(const char *text, bool *out)
{
    unsigned index;
    char lower[8];
    size_t length = strlen(text);
    if (length >= sizeof lower) return false;
    for (size_t i = 0; i <= length; i++)
        lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    if (!ccol__value_choice("off|on|false|true|no|yes|0|1", lower, length, &index)) return false;
    *out = index % 2;
    return true;
}

bool ccol__value_choice(const char *choices, const char *word, size_t length, unsigned *index)
{
    unsigned at = 0;
    for (const char *choice = choices; length; at++) {
        size_t span = strcspn(choice, "|");
        if (span == length && memcmp(choice, word, length) == 0) {
            *index = at;
            return true;
        }
        if (!choice[span]) break;
        choice += span + 1;
    }
    return false;
}

/* Number of a signal by its name, or 0. */
static int signal_named(const char *name, size_t length)
{
    if (length > 3 && memcmp(name, "SIG", 3) == 0) {
        name += 3;
        length -= 3;
    }
    for (int number = 1; number < SIGRTMIN; number++) {
        const char *known = sigabbrev_np(number);
        if (known && strlen(known) == length && memcmp(known, name, length) == 0) return number;
    }
    return 0;
}

bool ccol__value_signals(const char *text, uint64_t *mask)
{
    const char *word;
    size_t length;
    *mask = 0;
    for (const char *at = text; (word = ccol__value_next_word(&at, &length));) {
        int number = signal_named(word, length);
        if (!number) return false;
        *mask |= UINT64_C(1) << (number - 1);
    }
    return *mask != 0;
}

const char *ccol__value_next_word(const char **at, size_t *length)
{
    const char *word = *at + strspn(*at, BLANKS ",");
    size_t span = strcspn(word, ",");
    *at = word + span;
    while (span && strchr(BLANKS, word[span - 1]))
        span--;
    *length = span;
    return span ? word : NULL;
}

size_t ccol__value_fds(const char *text, int *fds, size_t most)
{
    if (strncmp(text, "fd:", 3) != 0) return 0;
    size_t count = 0;
    for (const char *at = text + 3;; at++) {
        uint64_t fd;
        if (!digits(at, &at, &fd) || fd > 1000000 || count == most) return 0;
        fds[count++] = (int)fd;
        if (!*at) return count;
        if (*at != ',') return 0;
    }
}

bool ccol__value_address(const char *text)
{
    int fds[64];
    if (strncmp(text, "unix:", 5) == 0) return text[5] != '\0';
    if (strncmp(text, "fd:", 3) == 0) return ccol__value_fds(text, fds, sizeof fds / sizeof fds[0]) > 0;
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || colon == text || !ccol__value_number(colon + 1, &port) || port > 65535) return false;
    if (text[0] == '[') return colon > text + 2 && colon[-1] == ']';
    return strchr(text, ':') == colon && !strpbrk(text, BLANKS "/");
}
