/* SPDX-License-Identifier: MIT */
/* What S3 says when it refuses, and what a person can do about it. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/xml.h"
#include "storage/s3.h"

#define FIELD_MAX ((size_t)4096)

static void read_field(char *out, size_t size, const struct http_response *response, const char *name)
{
    struct buffer text;
    ccol__buffer_init(&text, FIELD_MAX, NULL);
    ccol__xml_find(&text, response->body.data, response->body.length, name);
    ccol__text_for_log(out, size, text.data ? text.data : "", text.failed ? 0 : text.length);
    ccol__buffer_fini(&text);
}

void ccol__s3_refusal_read(struct s3_refusal *out, const struct http_response *response)
{
    out->status = response->status;
    read_field(out->code, sizeof out->code, response, "Code");
    read_field(out->message, sizeof out->message, response, "Message");
}

static bool is(const struct s3_refusal *refusal, const char *code)
{
    return strcmp(refusal->code, code) == 0;
}

bool ccol__s3_refusal_is_skew(const struct s3_refusal *refusal)
{
    return is(refusal, "RequestTimeTooSkewed") || is(refusal, "RequestExpired");
}

bool ccol__s3_refusal_is_expired(const struct s3_refusal *refusal)
{
    return is(refusal, "ExpiredToken") || is(refusal, "TokenRefreshRequired") || is(refusal, "InvalidToken") ||
           is(refusal, "InvalidAccessKeyId");
}

bool ccol__s3_refusal_may_pass(const struct s3_refusal *refusal)
{
    switch (refusal->status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return true;
    default: /* damaged on its way, or cut off */
        return is(refusal, "XAmzContentSHA256Mismatch") || is(refusal, "BadDigest") || is(refusal, "RequestTimeout") ||
               is(refusal, "IncompleteBody");
    }
}

/* Causes by S3's code, or by the status where the answer has no body. */
static const struct cure {
    const char *code;
    int status;
    const char *text;
} cures[] = {
    {"SignatureDoesNotMatch", 0, "the secret key does not belong to the access key id: mend it"},
    {"InvalidAccessKeyId", 0, "the server does not know the access key id: is it the right one, and of this server?"},
    {"RequestTimeTooSkewed", 0, "this machine's clock is wrong: set it, by NTP best"},
    {"RequestExpired", 0, "this machine's clock is wrong: set it, by NTP best"},
    {"ExpiredToken", 0, "the session token has expired: give new keys"},
    {"InvalidToken", 0, "the session token is not valid: give new keys"},
    {"NoSuchBucket", 0, "there is no such bucket: make it, or mend its name"},
    {"AccessDenied", 0, "are the keys right? they need s3:PutObject there, and s3:ListBucket to look at it"},
    {"AuthorizationHeaderMalformed", 0, "is the region right?"},
    {"PermanentRedirect", 0, "is the region, or the endpoint, right?"},
    {"InvalidBucketName", 0, "mend the bucket's name"},
    {"KMS.DisabledException", 0, "the KMS key is disabled"},
    {"SlowDown", 0, ""},
    {"", 403, "is it the right bucket and region, are the keys right, and may they use it (s3:ListBucket)?"},
    {"", 404, "there is no such bucket: make it, or mend its name"},
    {"", 301, "is the region right?"},
    {"", 400, "is the region right?"},
};

static const char *cure_of(const struct s3_refusal *refusal)
{
    for (size_t i = 0; i < sizeof cures / sizeof cures[0]; i++) {
        if (!is(refusal, cures[i].code)) continue;
        if (refusal->code[0] || refusal->status == cures[i].status) return cures[i].text;
    }
    return refusal->message;
}

static int code_of(const struct s3_refusal *refusal)
{
    if (is(refusal, "NoSuchKey")) return -ENOENT;
    if (is(refusal, "EntityTooLarge") || refusal->status == 413) return CCOL_ETOOLARGE;
    return CCOL_EREMOTE;
}

int ccol__s3_refusal_tell(const struct s3 *s3, const struct s3_call *call, const struct s3_refusal *refusal,
                          unsigned retry_after_s, ccol_error *err)
{
    const char *cure = cure_of(refusal);
    int code = code_of(refusal);
    ccol_fail(err, CCOL_EREMOTE, "bucket %s: %s %.80s: answered %d%s%s%s%s", s3->bucket, call->method,
              call->key ? call->key : "", refusal->status, refusal->code[0] ? " " : "", refusal->code,
              cure[0] ? ": " : "", cure);
    if (err) {
        err->code = code;
        err->retry_after_s = retry_after_s;
    }
    return code;
}

/* Names of regions have letters, digits and dashes. */
static bool take_region(char out[S3_REGION_MAX + 1], const char *text, size_t length, const char *region)
{
    if (!length || length > S3_REGION_MAX) return false;
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        bool fine = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                    byte == '-' || byte == '_';
        if (!fine) return false;
    }
    memcpy(out, text, length);
    out[length] = '\0';
    return strcmp(out, region) != 0;
}

bool ccol__s3_answer_region(char out[S3_REGION_MAX + 1], const struct http_response *response, const char *region)
{
    const char *header = ccol__http_response_header(response, "x-amz-bucket-region");
    if (header) return take_region(out, header, strlen(header), region);
    struct buffer text;
    ccol__buffer_init(&text, FIELD_MAX, NULL);
    ccol__xml_find(&text, response->body.data, response->body.length, "Region");
    bool named = text.data && !text.failed && take_region(out, text.data, text.length, region);
    ccol__buffer_fini(&text);
    return named;
}

int64_t ccol__s3_answer_skew_us(const struct http_response *response)
{
    const char *date = ccol__http_response_header(response, "Date");
    time_t theirs = date ? curl_getdate(date, NULL) : -1;
    return theirs < 0 ? 0 : (int64_t)theirs * 1000000 - ccol__clock_now_us();
}
