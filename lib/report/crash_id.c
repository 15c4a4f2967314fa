/* SPDX-License-Identifier: MIT */
#include "report/crash_id.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

#define DIGIT_AT (CRASH_ID_LENGTH - 7)

void ccol__crash_id_derive(char id[CRASH_ID_LENGTH + 1], const uint8_t digest[16], int throttle_digit, int64_t at_us)
{
    uint8_t bytes[16];
    memcpy(bytes, digest, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    char hex[2 * sizeof bytes + 1];
    ccol__hex(hex, bytes, sizeof bytes);
    struct civil day;
    ccol__clock_civil(at_us, &day);
    snprintf(id, CRASH_ID_LENGTH + 1, "%.8s-%.4s-%.4s-%.4s-%.5s%d%02u%02u%02u", hex, hex + 8, hex + 12, hex + 16,
             hex + 20, throttle_digit, (unsigned)day.year % 100u, (unsigned)day.month % 100u, (unsigned)day.day % 100u);
}

bool ccol__crash_id_make(char id[CRASH_ID_LENGTH + 1], int throttle_digit, int64_t received_us)
{
    uint8_t bytes[16];
    if (!ccol__random_bytes(bytes, sizeof bytes)) return false;
    ccol__crash_id_derive(id, bytes, throttle_digit, received_us);
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool ccol__crash_id_valid(const char *text, size_t length)
{
    if (length != CRASH_ID_LENGTH) return false;
    for (size_t i = 0; i < length; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool good = dash ? text[i] == '-' : i > DIGIT_AT ? text[i] >= '0' && text[i] <= '9' : is_hex(text[i]);
        if (!good) return false;
    }
    return text[DIGIT_AT] == '0' || text[DIGIT_AT] == '1';
}

void ccol__crash_id_date(const char *id, char date[9])
{
    date[0] = '2';
    date[1] = '0';
    memcpy(date + 2, id + CRASH_ID_LENGTH - 6, 7);
}

int ccol__crash_id_digit(const char *id)
{
    return id[DIGIT_AT] - '0';
}
