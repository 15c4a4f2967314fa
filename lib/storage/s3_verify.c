/* SPDX-License-Identifier: MIT */
/* Whether the bucket can be used: at start thoroughly, later by a look. */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "storage/s3.h"

#define CHECK_MS 10000

static int look_at_bucket(struct s3 *s3, struct s3_refusal *refusal, bool at_start, ccol_error *err)
{
    const struct s3_call head = {.method = "HEAD", .total_ms = CHECK_MS, .no_clock_correction = at_start};
    return ccol__s3_call(s3, &head, NULL, refusal, err);
}

/* As Antenna names it. Nobody removes it: that would take one more permission. */
static int write_test_object(struct s3 *s3, struct s3_refusal *refusal, ccol_error *err)
{
    uint8_t bytes[16];
    char hex[2 * sizeof bytes + 1], key[S3_KEY_SIZE];
    if (!ccol__random_bytes(bytes, sizeof bytes)) memset(bytes, 0, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    ccol__hex(hex, bytes, sizeof bytes);
    snprintf(key, sizeof key, "test/testfile-%.8s-%.4s-%.4s-%.4s-%s.txt", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    const struct s3_call call = {
        .method = "PUT", .key = key, .body = "test", .length = 4, .total_ms = CHECK_MS, .no_clock_correction = true};
    return ccol__s3_call(s3, &call, NULL, refusal, err);
}

/* A refusal of HEAD has no body and so no cause; that of the PUT that follows has one. */
int ccol__s3_verify(void *self, ccol_error *err)
{
    struct s3 *s3 = self;
    struct s3_refusal refusal;
    ccol_error looked = {0};
    int head = look_at_bucket(s3, &refusal, true, &looked);
    if (head && !refusal.status) { /* nobody answers there */
        if (err) *err = looked;
        return head;
    }
    bool forbidden = head && refusal.status == 403;
    int code = write_test_object(s3, &refusal, err);
    if (code) return code;
    if (head && !forbidden) return look_at_bucket(s3, &refusal, true, err);
    atomic_store(&s3->cannot_head, forbidden);
    if (forbidden)
        ccol__log(&s3->log, CCOL_LOG_WARNING, "storage.s3", "",
                  "the keys may write into bucket %s, but not look at it: allow s3:ListBucket too", s3->bucket);
    return 0;
}

int ccol__s3_check(void *self, ccol_error *err)
{
    struct s3 *s3 = self;
    struct s3_refusal refusal;
    int code = look_at_bucket(s3, &refusal, false, err);
    return code && refusal.status == 403 && atomic_load(&s3->cannot_head) ? 0 : code;
}
