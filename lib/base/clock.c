/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

int64_t ccol__clock_now_us(void)
{
    return (int64_t)clock_us(CLOCK_REALTIME);
}

uint64_t ccol__clock_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t ccol__clock_monotonic_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000u;
}

void ccol__clock_civil(int64_t us, struct civil *out)
{
    time_t seconds = (time_t)(us / 1000000);
    int microsecond = (int)(us % 1000000);
    if (microsecond < 0) {
        microsecond += 1000000;
        seconds--;
    }
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    *out = (struct civil){.year = tm.tm_year + 1900,
                          .month = tm.tm_mon + 1,
                          .day = tm.tm_mday,
                          .hour = tm.tm_hour,
                          .minute = tm.tm_min,
                          .second = tm.tm_sec,
                          .microsecond = microsecond};
}

static int days_in_month(int year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

int64_t ccol__clock_days(int year, int month, int day)
{
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return INT64_MIN;
    /* Days before a year that starts in March, so that the leap day comes last. */
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

const char *ccol__clock_iso8601(char out[CCOL_ISO8601_SIZE], int64_t us)
{
    struct civil now;
    ccol__clock_civil(us, &now);
    int used = snprintf(out, CCOL_ISO8601_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)now.year % 10000u,
                        (unsigned)now.month % 100u, (unsigned)now.day % 100u, (unsigned)now.hour % 100u,
                        (unsigned)now.minute % 100u, (unsigned)now.second % 100u);
    if (now.microsecond)
        used += snprintf(out + used, CCOL_ISO8601_SIZE - (size_t)used, ".%06u", (unsigned)now.microsecond % 1000000u);
    snprintf(out + used, CCOL_ISO8601_SIZE - (size_t)used, "+00:00");
    return out;
}

const char *ccol__clock_rfc3339(char out[CCOL_RFC3339_SIZE], int64_t us)
{
    struct civil now;
    ccol__clock_civil(us, &now);
    snprintf(out, CCOL_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)now.year % 10000u,
             (unsigned)now.month % 100u, (unsigned)now.day % 100u, (unsigned)now.hour % 100u,
             (unsigned)now.minute % 100u, (unsigned)now.second % 100u, (unsigned)now.microsecond % 1000000u);
    return out;
}
