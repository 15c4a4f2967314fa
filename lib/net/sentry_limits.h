/* SPDX-License-Identifier: MIT */
/* Until when Sentry wants to be left alone, by category, as its answers say: X-Sentry-Rate-Limits on any of them, or
 * Retry-After on a 429. No I/O, no clock; not thread-safe. */
#ifndef CCOL_NET_SENTRY_LIMITS_H
#define CCOL_NET_SENTRY_LIMITS_H

#include <stdint.h>

/* Bits. LIMIT_OTHER stands for the categories that exist and that nothing here sends. */
enum sentry_category {
    CATEGORY_ERROR = 1,
    CATEGORY_ATTACHMENT = 2,
    CATEGORY_SESSION = 4,
    CATEGORY_LOG = 8,
    CATEGORY_INTERNAL = 16, /* client reports */
    CATEGORY_OTHER = 32
};
#define CATEGORY_COUNT 6

#define SENTRY_LIMIT_MAX_S 86400u /* however long an answer says */

struct sentry_limits {
    uint64_t until_ms[CATEGORY_COUNT]; /* 0: no limit */
};

/* Takes one answer: `limits_header` and `retry_after` are its headers or NULL. Limits only grow here: of two for one
 * category the later end holds. What cannot be read is ignored. */
void ccol__sentry_limits_take(struct sentry_limits *limits, int status, const char *limits_header,
                              const char *retry_after, uint64_t now_ms);
/* Seconds to wait, rounded up, before anything of these categories may be sent; 0: now. */
unsigned ccol__sentry_limits_wait_s(const struct sentry_limits *limits, unsigned categories, uint64_t now_ms);

#endif
