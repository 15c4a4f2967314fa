/* SPDX-License-Identifier: MIT */
/* Keys of AWS: what signs a request. Shared, immutable, wiped when the last one lets go. */
#ifndef CCOL_NET_AWS_KEYS_H
#define CCOL_NET_AWS_KEYS_H

#include <stdatomic.h>

#include "base/error.h"
#include "net/sigv4.h"

struct aws_keys {
    atomic_uint references;
    struct sigv4_keys keys;         /* session_token "" where there is none */
    int64_t fetched_us, expires_us; /* expires_us 0: never */
    const char *source;             /* a static text for logs */
};

/* Copies the texts; token may be NULL. NULL: memory. */
struct aws_keys *ccol__aws_keys_new(const char *id, const char *secret, const char *token, int64_t expires_us,
                                    const char *source);
struct aws_keys *ccol__aws_keys_ref(struct aws_keys *keys);
void ccol__aws_keys_unref(struct aws_keys *keys);

/* From the JSON that instances and containers get: AccessKeyId, SecretAccessKey, Token, Expiration. -EACCES with its
 * message where it says that there are none, CCOL_EREMOTE: not of that form. */
int ccol__aws_keys_from_json(struct aws_keys **out, const char *text, size_t length, const char *source,
                             ccol_error *err);
/* From STS's XML. */
int ccol__aws_keys_from_xml(struct aws_keys **out, const char *text, size_t length, const char *source,
                            ccol_error *err);

/* Microseconds since 1970 of "2026-11-25T16:00:00Z" (a fraction is ignored), or 0: no such time. */
int64_t ccol__aws_time(const char *text);

#endif
