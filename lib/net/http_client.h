/* SPDX-License-Identifier: MIT */
/* The HTTP client that storages and publishers share (libcurl). Any thread; each request runs on the caller's thread
 * over a pooled handle, so that connections are reused. Redirects are not followed: who signs must see them. */
#ifndef CCOL_NET_HTTP_CLIENT_H
#define CCOL_NET_HTTP_CLIENT_H

#include "base/buffer.h"
#include "base/error.h"

/* Zero or NULL is the default. Texts are copied. */
struct http_client_options {
    const char *ca_file;   /* PEM; only what it holds is trusted then; default: the system's CAs */
    const char *ca_folder; /* as OpenSSL's c_rehash makes it; the same */
    const char *proxy;     /* a URL, or "off"; default: the environment (https_proxy, no_proxy, ...) */
    unsigned idle_max;     /* handles kept between requests, default 64 */
};

struct http_header {
    const char *name, *value;
};

struct http_piece {
    const void *data;
    size_t length;
};

struct http_request {
    const char *method; /* PUT, POST and PATCH always have a body, if an empty one */
    const char *url;    /* http or https; sent as it is, dot segments included */
    const struct http_header *headers;
    size_t header_count;
    const struct http_piece *body; /* one body in pieces; read again when a kept connection was dead */
    size_t body_count;
    unsigned connect_ms;  /* default 5,000 */
    unsigned total_ms;    /* from the look-up of the name to the last byte of the answer; default 60,000 */
    unsigned stall_s;     /* gives up after so many seconds with less than 1 kB/s; default 20 */
    size_t response_max;  /* bytes of the answer's body, default 1 MiB */
    bool expect_continue; /* ask before sending a large body: a refusal then costs no bytes, but the connection */
};

struct http_response {
    int status;
    struct buffer body;
    struct buffer headers; /* "Name: value" NUL ... of the final answer */
};

struct http_client;
/* -errno: the CA file or folder cannot be read. */
int ccol__http_client_new(struct http_client **out, const struct http_client_options *options, ccol_error *err);
/* After every request has returned. */
void ccol__http_client_free(struct http_client *client);

/* 0: there is an answer, whatever its status; *response is the caller's to release. All failures are transient codes
 * (-ETIMEDOUT, -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, CCOL_EREMOTE, -ENOMEM) with a text that names the server
 * but neither path nor query, but for -EINVAL: the request itself is wrong. */
int ccol__http_client_perform(struct http_client *client, const struct http_request *request,
                              struct http_response *response, ccol_error *err);

/* The value of a header, whatever its case, or NULL. Lives as long as the response. */
const char *ccol__http_response_header(const struct http_response *response, const char *name);
/* Retry-After in seconds, given as such or as a date, at most an hour; 0: none. */
unsigned ccol__http_response_retry_after(const struct http_response *response);
/* Takes what ccol__http_client_perform filled, or zeroed memory. */
void ccol__http_response_fini(struct http_response *response);

/* Whether text is an http or https URL with a host, without user and password, blanks and control characters. */
bool ccol__http_url_valid(const char *url);

#endif
