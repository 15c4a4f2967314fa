/* SPDX-License-Identifier: MIT */
/* Times as loggers write them. */
#ifndef CCOL_MONITOR_LOG_TIME_H
#define CCOL_MONITOR_LOG_TIME_H

#include <stddef.h>
#include <stdint.h>

/* Length of the time that text begins with, 0 if it begins with none: 2026-11-21T23:15:27.1Z and its kin with a blank,
 * slashes, a comma, an offset; Nov 21 23:15:27.088; 20261121 23:15:27; 23:15:27. *us is microseconds since 1970 where
 * date and zone are told, else 0. */
size_t ccol__log_time(const char *text, size_t length, int64_t *us);

/* The value of a member of a JSON line: a time as above, or seconds, milli-, micro- or nanoseconds since 1970. 0: none.
 */
int64_t ccol__log_time_value(const char *text, size_t length);

#endif
