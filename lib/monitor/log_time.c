/* SPDX-License-Identifier: MIT */
#include "monitor/log_time.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

struct cursor {
    const char *text;
    size_t at, length;
};

static char peek(const struct cursor *cursor)
{
    return cursor->at < cursor->length ? cursor->text[cursor->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `digits` digits; -1: no. */
static int number(struct cursor *cursor, unsigned digits)
{
    int value = 0;
    if (cursor->length - cursor->at < digits) return -1;
    for (unsigned i = 0; i < digits; i++) {
        char c = cursor->text[cursor->at + i];
        if (!is_digit(c)) return -1;
        value = value * 10 + (c - '0');
    }
    cursor->at += digits;
    return value;
}

static bool take(struct cursor *cursor, char c)
{
    if (peek(cursor) != c) return false;
    cursor->at++;
    return true;
}

/* "HH:MM:SS" with a fraction or without; microseconds of the day, -1: no. */
static int64_t clock_time(struct cursor *cursor)
{
    int hour = number(cursor, 2), minute = -1, second = -1;
    if (hour < 0 || hour > 23 || !take(cursor, ':')) return -1;
    minute = number(cursor, 2);
    if (minute < 0 || minute > 59 || !take(cursor, ':')) return -1;
    second = number(cursor, 2);
    if (second < 0 || second > 60) return -1;
    int64_t us = ((hour * 60 + minute) * INT64_C(60) + second) * 1000000;
    char point = peek(cursor);
    if ((point != '.' && point != ',') || cursor->at + 1 >= cursor->length || !is_digit(cursor->text[cursor->at + 1]))
        return us;
    cursor->at++;
    for (int64_t unit = 100000; is_digit(peek(cursor)); unit /= 10)
        us += (cursor->text[cursor->at++] - '0') * unit;
    return us;
}

/* "Z", "+01:00", "-0530", "+01", " UTC"; false: the time does not say. *us is what to take off. */
static bool zone(struct cursor *cursor, int64_t *us)
{
    *us = 0;
    if (take(cursor, 'Z') || take(cursor, 'z')) return true;
    if (cursor->length - cursor->at >= 4 && memcmp(cursor->text + cursor->at, " UTC", 4) == 0) {
        cursor->at += 4;
        return true;
    }
    char sign = peek(cursor);
    if (sign != '+' && sign != '-') return false;
    struct cursor inner = *cursor;
    inner.at++;
    int hours = number(&inner, 2);
    if (hours < 0 || hours > 15) return false;
    take(&inner, ':');
    int minutes = is_digit(peek(&inner)) ? number(&inner, 2) : 0;
    if (minutes < 0 || minutes > 59) return false;
    *us = (hours * 60 + minutes) * INT64_C(60000000) * (sign == '-' ? -1 : 1);
    *cursor = inner;
    return true;
}

/* "YYYY-MM-DD", "YYYY/MM/DD", "YYYYMMDD"; false: no. */
static bool date(struct cursor *cursor, int64_t *days)
{
    int year = number(cursor, 4);
    char separator = peek(cursor);
    if (year < 1970) return false;
    if (separator == '-' || separator == '/') cursor->at++;
    int month = number(cursor, 2);
    if (month < 0 || ((separator == '-' || separator == '/') && !take(cursor, separator))) return false;
    int day = number(cursor, 2);
    *days = day < 0 ? INT64_MIN : ccol__clock_days(year, month, day);
    return *days != INT64_MIN;
}

/* "Nov 21 " */
static bool month_day(struct cursor *cursor)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (cursor->length - cursor->at < 7) return false;
    for (size_t i = 0; i < 36; i += 3) {
        if (memcmp(cursor->text + cursor->at, names + i, 3) != 0 || cursor->text[cursor->at + 3] != ' ') continue;
        cursor->at += 4;
        bool one = take(cursor, ' ') || cursor->text[cursor->at + 1] == ' ';
        return number(cursor, one ? 1 : 2) > 0 && take(cursor, ' ');
    }
    return false;
}

size_t ccol__log_time(const char *text, size_t length, int64_t *us)
{
    struct cursor cursor = {text, 0, length};
    int64_t days, offset;
    *us = 0;
    if (date(&cursor, &days)) {
        size_t date_only = cursor.at;
        if (!take(&cursor, 'T') && !take(&cursor, ' ') && !take(&cursor, '-')) return 0;
        int64_t clock = clock_time(&cursor);
        if (clock < 0) return text[4] == '-' || text[4] == '/' ? date_only : 0;
        if (zone(&cursor, &offset)) *us = days * INT64_C(86400000000) + clock - offset;
        return cursor.at;
    }
    cursor.at = 0;
    if (!month_day(&cursor)) cursor.at = 0;
    return clock_time(&cursor) < 0 ? 0 : cursor.at;
}

int64_t ccol__log_time_value(const char *text, size_t length)
{
    int64_t us, fraction = 0, unit = 100000;
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < length && is_digit(text[digits]) && digits < 19)
        number = number * 10 + (uint64_t)(text[digits++] - '0');
    bool point = digits < length && text[digits] == '.';
    if (digits < 9 || (digits < length && !point)) return ccol__log_time(text, length, &us) == length ? us : 0;
    for (size_t i = digits + 1; point && i < length && is_digit(text[i]); i++, unit /= 10)
        fraction += (text[i] - '0') * unit;
    int64_t whole = (int64_t)(digits <= 16 ? number : number / 1000);
    if (digits <= 11) return whole * 1000000 + fraction;
    if (digits <= 13) return whole * 1000 + fraction / 1000;
    return whole;
}
