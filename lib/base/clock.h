/* SPDX-License-Identifier: MIT */
#ifndef CCOL_BASE_CLOCK_H
#define CCOL_BASE_CLOCK_H

#include <stdint.h>

int64_t ccol__clock_now_us(void); /* microseconds since 1970-01-01 UTC */
uint64_t ccol__clock_monotonic_ms(void);
uint64_t ccol__clock_monotonic_us(void);

/* A UTC calendar day without timegm's global state. */
struct civil {
    int year, month, day, hour, minute, second, microsecond;
};
void ccol__clock_civil(int64_t us, struct civil *out);
/* Days since 1970-01-01, or INT64_MIN when year-month-day is no date. */
int64_t ccol__clock_days(int year, int month, int day);
/* "2026-11-23T20:15:00.123456+00:00"; microseconds are left out when 0, as Python's isoformat does. */
#define CCOL_ISO8601_SIZE 40
const char *ccol__clock_iso8601(char out[CCOL_ISO8601_SIZE], int64_t us);
/* "2026-11-23T20:15:00.123456Z": of one length, so that texts sort as times do. */
#define CCOL_RFC3339_SIZE 32
const char *ccol__clock_rfc3339(char out[CCOL_RFC3339_SIZE], int64_t us);

#endif
