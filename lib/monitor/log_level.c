/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/text.h"
#include "monitor/log_line.h"

static const struct {
    const char *word;
    enum line_level level;
} words[] = {
    {"ERROR", LEVEL_ERROR}, {"INFO", LEVEL_INFO},        {"WARN", LEVEL_WARNING}, {"WARNING", LEVEL_WARNING},
    {"DEBUG", LEVEL_DEBUG}, {"TRACE", LEVEL_TRACE},      {"FATAL", LEVEL_FATAL},  {"CRITICAL", LEVEL_FATAL},
    {"ERRO", LEVEL_ERROR},  {"ERR", LEVEL_ERROR},        {"SEVERE", LEVEL_ERROR}, {"CRIT", LEVEL_FATAL},
    {"PANIC", LEVEL_FATAL}, {"ALERT", LEVEL_FATAL},      {"EMERG", LEVEL_FATAL},  {"EMERGENCY", LEVEL_FATAL},
    {"NOTICE", LEVEL_INFO}, {"INFORMATION", LEVEL_INFO}, {"INF", LEVEL_INFO},     {"WRN", LEVEL_WARNING},
    {"DBG", LEVEL_DEBUG},   {"DEBG", LEVEL_DEBUG},       {"TRCE", LEVEL_TRACE},   {"TRC", LEVEL_TRACE},
    {"FTL", LEVEL_FATAL},   {"VERBOSE", LEVEL_TRACE},    {"DPANIC", LEVEL_FATAL}, {"FINE", LEVEL_DEBUG},
    {"FINER", LEVEL_TRACE}, {"FINEST", LEVEL_TRACE},     {"CONFIG", LEVEL_DEBUG}, {"SUCCESS", LEVEL_INFO},
    {"SILLY", LEVEL_TRACE}, {"HTTP", LEVEL_DEBUG},
};

enum line_level ccol__level_of_word(const char *word, size_t length)
{
    if (length < 3 || length > 11) return LEVEL_NONE;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ccol__text_equal_nocase(word, length, words[i].word)) return words[i].level;
    return LEVEL_NONE;
}

const char *ccol__level_name(enum line_level level)
{
    static const char *const names[] = {"", "debug", "debug", "info", "warning", "error", "fatal"};
    return names[level];
}
