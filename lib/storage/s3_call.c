/* SPDX-License-Identifier: MIT */
/* One request to S3: signed, corrected, tried again.
 *
 * What is tried again here is what costs a server little and passes soon: an overloaded moment (503 SlowDown, 500) and
 * a connection that broke, twice more within half a second, so that one hiccup among the requests of a report does not
 * send the others again. All else is the save queue's: it pauses longer, and stops asking a server that fails one
 * report after the other. So a server that does not answer, cannot be reached or says when to come back is not asked
 * again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/uri.h"
#include "storage/s3.h"

#define ATTEMPTS       3
#define PAUSE_FIRST_MS 100u
#define URL_MAX        ((size_t)8192)
#define MIB            ((size_t)1 << 20)

/* A call on its way through attempts and corrections. */
struct way {
    struct s3 *s3;
    const struct s3_call *call;
    char region[S3_REGION_MAX + 1];
    char hash[2 * SHA256_BYTES + 1];
    struct buffer url;
    bool moved, clock_set, renewed; /* each correction happens once */
    struct aws_keys *keys;
};

static void use_region(struct way *way)
{
    pthread_mutex_lock(&way->s3->lock);
    memcpy(way->region, way->s3->region, sizeof way->region);
    pthread_mutex_unlock(&way->s3->lock);
}

static int set_url(struct way *way)
{
    ccol__buffer_clear(&way->url);
    ccol__s3_url(way->s3, &way->url, way->region, way->call->key, way->call->query);
    return way->url.failed ? -ENOMEM : 0;
}

/* A body that TLS protects is hashed only if that costs nothing. */
static bool set_hash(struct way *way)
{
    const struct s3_call *call = way->call;
    if (call->sha256)
        ccol__hex(way->hash, call->sha256, SHA256_BYTES);
    else if (!call->length || way->s3->always_hash || !way->s3->is_https)
        return ccol__sigv4_payload_hash(way->hash, call->body, call->length);
    else
        snprintf(way->hash, sizeof way->hash, "%s", SIGV4_UNSIGNED_PAYLOAD);
    return true;
}

static unsigned deadline_ms(const struct way *way)
{
    unsigned total = way->call->total_ms ? way->call->total_ms : way->s3->total_ms;
    size_t more = way->call->length / MIB * 1000 + way->call->response_max / MIB * 1000;
    return more > (size_t)(UINT32_MAX / 2) ? UINT32_MAX / 2 : total + (unsigned)more;
}

static int send_once(struct way *way, struct http_response *response, ccol_error *err)
{
    const struct s3 *s3 = way->s3;
    const struct s3_call *call = way->call;
    bool is_put = strcmp(call->method, "PUT") == 0;
    struct sigv4_headers headers;
    struct sigv4_request sign = {.method = call->method,
                                 .url = way->url.data,
                                 .region = way->region,
                                 .service = "s3",
                                 .headers = is_put ? s3->put_headers : NULL,
                                 .header_count = is_put ? s3->put_header_count : 0,
                                 .payload_hash = way->hash,
                                 .now_us = ccol__clock_now_us() + atomic_load(&s3->skew_us),
                                 .path_as_is = true,
                                 .payload_header = true};
    int code = ccol__sigv4_sign(&way->s3->signer, &sign, &way->keys->keys, &headers);
    if (code) return ccol_fail(err, code, "bucket %s: cannot sign a request", s3->bucket);
    const struct http_piece body = {call->body, call->length};
    struct http_request request = {.method = call->method,
                                   .url = way->url.data,
                                   .headers = headers.list,
                                   .header_count = headers.count,
                                   .body = &body,
                                   .body_count = is_put ? 1 : 0,
                                   .connect_ms = s3->connect_ms,
                                   .total_ms = deadline_ms(way),
                                   .response_max = call->response_max};
    code = ccol__http_client_perform(s3->http, &request, response, err);
    ccol__sigv4_headers_fini(&headers);
    return code;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 307 || status == 308;
}

/* The bucket is in another region: for good. */
static bool move_region(struct way *way, const struct http_response *response)
{
    char named[S3_REGION_MAX + 1];
    if (!ccol__s3_answer_region(named, response, way->region)) return false;
    pthread_mutex_lock(&way->s3->lock);
    memcpy(way->s3->region, named, sizeof named);
    pthread_mutex_unlock(&way->s3->lock);
    memcpy(way->region, named, sizeof named);
    ccol__log(&way->s3->log, CCOL_LOG_WARNING, "storage.s3", "", "bucket %s is in the region %s: set that",
              way->s3->bucket, named);
    return true;
}

/* Another server will take this request; the next one is asked of the old one again, as S3 wants it. Not from https to
 * http. */
static bool follow(struct way *way, const struct http_response *response)
{
    struct uri uri;
    const char *place = ccol__http_response_header(response, "Location");
    if (!is_redirect(response->status) || !place || strlen(place) >= URL_MAX || !ccol__http_url_valid(place) ||
        !ccol__uri_split(place, &uri) || (way->s3->is_https && uri.scheme_length != 5))
        return false;
    ccol__buffer_clear(&way->url);
    return ccol__buffer_text(&way->url, place);
}

static bool correct_clock(struct way *way, const struct http_response *response, const struct s3_refusal *refusal)
{
    if (way->clock_set || way->call->no_clock_correction || !ccol__s3_refusal_is_skew(refusal)) return false;
    int64_t skew_us = ccol__s3_answer_skew_us(response);
    way->clock_set = true;
    if (!skew_us) return false;
    atomic_store(&way->s3->skew_us, skew_us);
    ccol__log(&way->s3->log, CCOL_LOG_WARNING, "storage.s3", "",
              "this machine's clock is %lld s off that of bucket %s, whose is used: set it",
              (long long)(skew_us / 1000000), way->s3->bucket);
    return true;
}

/* Whether something was mended, so that the request is to be sent again. */
static bool correct(struct way *way, const struct http_response *response, const struct s3_refusal *refusal)
{
    if (correct_clock(way, response, refusal)) return true;
    bool elsewhere = is_redirect(response->status) || response->status == 400;
    if (elsewhere && !way->moved) {
        way->moved = true;
        if (move_region(way, response)) return set_url(way) == 0;
        if (follow(way, response)) return true;
    }
    if (way->renewed || !ccol__s3_refusal_is_expired(refusal)) return false;
    way->renewed = true;
    return ccol__aws_credentials_refused(way->s3->credentials, way->keys);
}

static void pause_before(unsigned attempt)
{
    uint64_t random = ccol__clock_monotonic_us();
    uint64_t most = (uint64_t)PAUSE_FIRST_MS << attempt;
    uint64_t ms = most / 2 + ccol__random_next(&random) % (most / 2 + 1);
    const struct timespec pause = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static int get_keys(struct way *way, ccol_error *err)
{
    ccol__aws_keys_unref(way->keys);
    way->keys = NULL;
    return ccol__aws_credentials_get(way->s3->credentials, &way->keys, err);
}

/* One answer, after whatever corrections. 0: done; else refusal->status is 0 if no answer came. */
static int attempt(struct way *way, struct http_response *response, struct s3_refusal *refusal, ccol_error *err)
{
    for (;;) {
        *refusal = (struct s3_refusal){0};
        int code = get_keys(way, err);
        if (!code) code = send_once(way, response, err);
        if (code) return code;
        if (response->status >= 200 && response->status < 300) return 0;
        ccol__s3_refusal_read(refusal, response);
        bool again = correct(way, response, refusal);
        if (!again)
            code = ccol__s3_refusal_tell(way->s3, way->call, refusal, ccol__http_response_retry_after(response), err);
        ccol__http_response_fini(response);
        if (!again) return code;
    }
}

static bool worth_another(const struct s3_refusal *refusal, int code, const ccol_error *err)
{
    if (err->retry_after_s) return false;
    return refusal->status ? ccol__s3_refusal_may_pass(refusal) : code == -ECONNRESET;
}

static int call_way(struct way *way, struct http_response *response, struct s3_refusal *refusal, ccol_error *err)
{
    use_region(way);
    if (set_url(way) || !set_hash(way)) return ccol_fail(err, -ENOMEM, "bucket %s", way->s3->bucket);
    int code = attempt(way, response, refusal, err);
    for (unsigned i = 1; code && i < ATTEMPTS && worth_another(refusal, code, err); i++) {
        ccol__log(&way->s3->log, CCOL_LOG_DEBUG, "storage.s3", "", "tried again: %s", err->text);
        pause_before(i);
        code = attempt(way, response, refusal, err);
    }
    return code;
}

int ccol__s3_call(struct s3 *s3, const struct s3_call *call, struct http_response *response, struct s3_refusal *refusal,
                  ccol_error *err)
{
    struct way way = {.s3 = s3, .call = call};
    struct http_response answer = {0};
    struct s3_refusal said = {0};
    ccol_error failure = {0};
    ccol__buffer_init(&way.url, URL_MAX, NULL);
    int code = call_way(&way, &answer, &said, &failure);
    ccol__buffer_fini(&way.url);
    ccol__aws_keys_unref(way.keys);
    if (refusal) *refusal = said;
    if (code && err) *err = failure;
    if (!code && response)
        *response = answer;
    else if (!code)
        ccol__http_response_fini(&answer);
    return code;
}
