/* SPDX-License-Identifier: MIT */
/* AWS Signature Version 4 in headers, for S3 and for services that normalise paths (SQS, STS). */
#ifndef CCOL_NET_SIGV4_H
#define CCOL_NET_SIGV4_H

#include <pthread.h>

#include "base/hash.h"
#include "net/http_client.h"

#define SIGV4_HEADERS_MAX      24 /* those given and those added */
#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

/* Zeroed memory, then ccol__sigv4_init: keeps the signing key of the day. Any thread. */
struct sigv4 {
    pthread_mutex_t lock;
    char *made_from; /* secret, date, region and service of the key below; under lock, as the key */
    uint8_t key[SHA256_BYTES];
};
void ccol__sigv4_init(struct sigv4 *signer);
void ccol__sigv4_fini(struct sigv4 *signer); /* wipes the key */

struct sigv4_keys {
    const char *access_key_id, *secret;
    const char *session_token; /* NULL or "": none */
};

struct sigv4_request {
    const char *method;
    const char *url; /* exactly as it will be sent; what its path and query hold must be encoded already */
    const char *region, *service;
    const struct http_header *headers; /* sent and signed; without Host */
    size_t header_count;
    const char *payload_hash; /* hex of SHA-256, SIGV4_UNSIGNED_PAYLOAD, or NULL: there is no body */
    int64_t now_us;           /* the server's time, as far as it is known */
    bool path_as_is;          /* S3's rule: the path is signed as it is sent; others normalise it and encode it again */
    bool payload_header;      /* S3 wants the payload's hash as a header too */
    bool token_unsigned;      /* for a service that wants the session token outside the signature */
};

/* What is to be sent: the headers given, X-Amz-Date and others, Authorization. They point into the request, the keys
 * and this struct. */
struct sigv4_headers {
    struct http_header list[SIGV4_HEADERS_MAX];
    size_t count;
    char date[17]; /* 20150830T123600Z */
    struct buffer authorization;
};

/* -EINVAL: no URL, or too many headers; -ENOMEM. */
int ccol__sigv4_sign(struct sigv4 *signer, const struct sigv4_request *request, const struct sigv4_keys *keys,
                     struct sigv4_headers *out);
void ccol__sigv4_headers_fini(struct sigv4_headers *headers);

/* The text that is hashed and signed, as ccol__sigv4_sign makes it of request and the headers in `all`; for tests. */
void ccol__sigv4_canonical(struct buffer *out, const struct sigv4_request *request, const struct http_header *all,
                           size_t count);

/* Hex of the SHA-256 of a body. false: memory. */
bool ccol__sigv4_payload_hash(char out[2 * SHA256_BYTES + 1], const void *data, size_t length);

#endif
