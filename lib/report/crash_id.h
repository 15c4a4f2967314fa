/* SPDX-License-Identifier: MIT */
/* xxxxxxxx-xxxx-4xxx-yxxx-xxxxxTYYMMDD: a version 4 UUID whose last seven characters are the throttle result and the
 * UTC date of receipt. */
#ifndef CCOL_REPORT_CRASH_ID_H
#define CCOL_REPORT_CRASH_ID_H

#include <crashcollect/api.h>

#define CRASH_ID_LENGTH 36

/* false: the kernel gave no random bytes. */
bool ccol__crash_id_make(char id[CRASH_ID_LENGTH + 1], int throttle_digit, int64_t received_us);
/* The same from the digest of what makes a crash the one it is: equal digests of a day make equal ids. */
void ccol__crash_id_derive(char id[CRASH_ID_LENGTH + 1], const uint8_t digest[16], int throttle_digit, int64_t at_us);
/* As posted by clients: lower-case hex groups 8-4-4-4-6, throttle digit 0 or 1, six digits. */
bool ccol__crash_id_valid(const char *text, size_t length);
/* "20YYMMDD" of a valid id. */
void ccol__crash_id_date(const char *id, char date[9]);
/* The throttle digit of a valid id as a number. */
int ccol__crash_id_digit(const char *id);

#endif
