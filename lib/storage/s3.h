/* SPDX-License-Identifier: MIT */
/* An S3 bucket from the inside: requests, keys, and what verify, load and list make of them. */
#ifndef CCOL_STORAGE_S3_H
#define CCOL_STORAGE_S3_H

#include <pthread.h>
#include <stdatomic.h>

#include <crashcollect/storage.h>

#include "base/log.h"
#include "net/aws_credentials.h"
#include "report/crash_id.h"
#include "report/report.h"

#define S3_REGION_MAX      63
#define S3_PUT_HEADERS_MAX 16
#define S3_OBJECT_MAX      ((uint64_t)5 << 30) /* of one PUT */
#define S3_KEY_SIZE        128

struct s3 {
    ccol_storage *storage; /* whose self this is */
    struct http_client *http;
    struct aws_credentials *credentials;
    struct sigv4 signer;
    struct log log;
    char *bucket, *endpoint; /* endpoint without a slash at its end; NULL: AWS's of the region */
    bool is_https, is_virtual, layout_v1, always_hash;
    unsigned connect_ms, total_ms;
    struct http_header put_headers[S3_PUT_HEADERS_MAX];
    size_t put_header_count;
    char *put_header_text; /* what they point into */
    pthread_mutex_t lock;
    char region[S3_REGION_MAX + 1]; /* under lock */
    atomic_llong skew_us;           /* the server's clock less ours */
    atomic_bool cannot_head;        /* the keys may write, but not look at the bucket */
};

/* s3_options.c: copies and checks the options; what is made so far is released by the caller, also after a failure. */
int ccol__s3_configure(struct s3 *s3, const ccol_s3_options *options, ccol_error *err);

struct s3_call {
    const char *method;
    const char *key;   /* NULL: the bucket itself */
    const char *query; /* encoded, without '?'; NULL: none */
    const void *body;
    size_t length;
    const uint8_t *sha256;    /* of the body, or NULL: hashed here if need be */
    size_t response_max;      /* 0: 1 MiB */
    unsigned total_ms;        /* 0: the storage's own */
    bool no_clock_correction; /* a wrong clock is a failure */
};

/* What a refusal said. */
struct s3_refusal {
    int status;    /* 0: there was no answer */
    char code[48]; /* "SlowDown"; "" where the answer had no body */
    char message[112];
};

/* 0: the server did it, and *response is the caller's to release; it may be NULL. A wrong region, a wrong clock and
 * expired keys are corrected once, what may pass at once is tried again twice (s3_call.c tells which). Failures are
 * transient codes but for CCOL_ETOOLARGE; -ENOENT: no such key. refusal may be NULL. */
int ccol__s3_call(struct s3 *s3, const struct s3_call *call, struct http_response *response, struct s3_refusal *refusal,
                  ccol_error *err);

/* s3_answer.c: reads a refusal out of an answer, and tells it to a person with its cure. */
void ccol__s3_refusal_read(struct s3_refusal *out, const struct http_response *response);
int ccol__s3_refusal_tell(const struct s3 *s3, const struct s3_call *call, const struct s3_refusal *refusal,
                          unsigned retry_after_s, ccol_error *err);
/* Whether trying again at once may help. */
bool ccol__s3_refusal_may_pass(const struct s3_refusal *refusal);
bool ccol__s3_refusal_is_skew(const struct s3_refusal *refusal);
bool ccol__s3_refusal_is_expired(const struct s3_refusal *refusal);
/* The region that an answer names and that is not `region`; false: none. */
bool ccol__s3_answer_region(char out[S3_REGION_MAX + 1], const struct http_response *response, const char *region);
/* The server's clock less ours by the answer's Date; 0: it has none. */
int64_t ccol__s3_answer_skew_us(const struct http_response *response);

/* s3_keys.c: where things lie. `name` is a file's name in the report. */
void ccol__s3_key_raw_crash(const struct s3 *s3, char out[S3_KEY_SIZE], const char *id);
void ccol__s3_key_dump_names(char out[S3_KEY_SIZE], const char *id);
void ccol__s3_key_file(char out[S3_KEY_SIZE], const char *name, const char *id);
/* The URL of a key (NULL: of the bucket) in a region. Failure sticks to the buffer. */
void ccol__s3_url(const struct s3 *s3, struct buffer *out, const char *region, const char *key, const char *query);

/* s3_verify.c, s3_read.c: the storage's methods. */
int ccol__s3_verify(void *self, ccol_error *err);
int ccol__s3_check(void *self, ccol_error *err);
int ccol__s3_load(void *self, const char *crash_id, ccol_report **out, ccol_error *err);
int ccol__s3_list(void *self, int (*each)(void *user, const char *crash_id), void *user, ccol_error *err);

#endif
