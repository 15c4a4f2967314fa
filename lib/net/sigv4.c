/* SPDX-License-Identifier: MIT */
#include "net/sigv4.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "net/uri.h"

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define CANONICAL_MAX ((size_t)256 << 10)
#define EMPTY_HASH    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define QUERY_MAX     64 /* parameters */
#define DATE_LENGTH   8  /* of the date in 20150830T123600Z */

void ccol__sigv4_init(struct sigv4 *signer)
{
    pthread_mutex_init(&signer->lock, NULL);
    signer->made_from = NULL;
}

static void wipe_text(char *text)
{
    if (text) explicit_bzero(text, strlen(text));
    free(text);
}

void ccol__sigv4_fini(struct sigv4 *signer)
{
    wipe_text(signer->made_from);
    explicit_bzero(signer->key, sizeof signer->key);
    pthread_mutex_destroy(&signer->lock);
}

/* Removes the last segment of what was appended since `start`. */
static void remove_segment(struct buffer *out, size_t start)
{
    while (out->length > start && out->data[--out->length] != '/')
        ;
}

/* Without empty and dot segments, and encoded once more than it is in the request. */
static void append_normalised_path(struct buffer *out, const char *path, size_t length)
{
    size_t start = out->length;
    bool open = true; /* ends in a slash */
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(path + at, '/', length - at);
        size_t span = slash ? (size_t)(slash - path) - at : length - at;
        const char *segment = path + at;
        bool dots = (span == 1 && segment[0] == '.') || (span == 2 && memcmp(segment, "..", 2) == 0);
        if (span == 2 && dots) remove_segment(out, start);
        if (span && !dots) {
            ccol__buffer_append(out, "/", 1);
            ccol__uri_encode(out, segment, span, false);
        }
        open = slash || dots;
        at += span + 1;
    }
    if (open || out->length == start) ccol__buffer_append(out, "/", 1);
}

/* Encodes what the caller left raw and keeps what is encoded. */
static void append_encoded(struct buffer *out, const char *text, size_t length, bool keep_slashes)
{
    while (length) {
        const char *percent = memchr(text, '%', length);
        size_t span = percent ? (size_t)(percent - text) : length;
        ccol__uri_encode(out, text, span, keep_slashes);
        if (percent) ccol__buffer_append(out, "%", 1);
        text += span + (percent ? 1 : 0);
        length -= span + (percent ? 1 : 0);
    }
}

static void append_path(struct buffer *out, const struct uri *uri, bool as_is)
{
    if (!uri->path_length)
        ccol__buffer_append(out, "/", 1);
    else if (as_is)
        append_encoded(out, uri->path, uri->path_length, true);
    else
        append_normalised_path(out, uri->path, uri->path_length);
}

/* One parameter of the query: where it lies in the scratch buffer, encoded, always with '='. */
struct parameter {
    size_t offset, length, name_length;
};

static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    if (order) return order;
    return (a_length > b_length) - (a_length < b_length);
}

static int compare_parameters(const void *left, const void *right, void *scratch)
{
    const struct parameter *a = left, *b = right;
    const char *a_text = (const char *)scratch + a->offset, *b_text = (const char *)scratch + b->offset;
    int order = compare_bytes(a_text, a->name_length, b_text, b->name_length);
    if (order) return order;
    return compare_bytes(a_text + a->name_length, a->length - a->name_length, b_text + b->name_length,
                         b->length - b->name_length);
}

static void add_parameter(struct buffer *scratch, struct parameter *out, const char *text, size_t length)
{
    const char *equals = memchr(text, '=', length);
    size_t name = equals ? (size_t)(equals - text) : length;
    out->offset = scratch->length;
    append_encoded(scratch, text, name, false);
    out->name_length = scratch->length - out->offset;
    ccol__buffer_append(scratch, "=", 1);
    if (equals) append_encoded(scratch, equals + 1, length - name - 1, false);
    out->length = scratch->length - out->offset;
}

static void append_query(struct buffer *out, const struct uri *uri)
{
    struct parameter parameters[QUERY_MAX];
    struct buffer scratch;
    size_t count = 0;
    ccol__buffer_init(&scratch, CANONICAL_MAX, NULL);
    for (size_t at = 0; at < uri->query_length;) {
        const char *text = uri->query + at, *amp = memchr(text, '&', uri->query_length - at);
        size_t span = amp ? (size_t)(amp - text) : uri->query_length - at;
        if (span && count == QUERY_MAX) scratch.failed = true;
        if (span && count < QUERY_MAX) add_parameter(&scratch, &parameters[count++], text, span);
        at += span + 1;
    }
    if (scratch.failed) {
        out->failed = true;
        count = 0;
    }
    if (count) qsort_r(parameters, count, sizeof parameters[0], compare_parameters, scratch.data);
    for (size_t i = 0; i < count; i++) {
        if (i) ccol__buffer_append(out, "&", 1);
        ccol__buffer_append(out, scratch.data + parameters[i].offset, parameters[i].length);
    }
    ccol__buffer_fini(&scratch);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Without blanks at the ends, and with one space for every run of them. */
static void append_value(struct buffer *out, const char *value)
{
    while (is_blank(*value))
        value++;
    while (*value) {
        size_t span = strcspn(value, " \t\r\n");
        ccol__buffer_append(out, value, span);
        value += span;
        while (is_blank(*value))
            value++;
        if (*value) ccol__buffer_append(out, " ", 1);
    }
}

static void append_lower(struct buffer *out, const char *name)
{
    for (; *name; name++) {
        char byte = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        ccol__buffer_append(out, &byte, 1);
    }
}

/* In order of name; those of one name stay as they came. */
static void sort_headers(const struct http_header **sorted, const struct http_header *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at && strcasecmp(sorted[at - 1]->name, all[i].name) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &all[i];
    }
}

static void append_headers(struct buffer *out, const struct http_header *const *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool again = i && strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0;
        if (!again) append_lower(out, sorted[i]->name);
        ccol__buffer_append(out, again ? "," : ":", 1);
        append_value(out, sorted[i]->value);
        bool more = i + 1 < count && strcasecmp(sorted[i + 1]->name, sorted[i]->name) == 0;
        if (!more) ccol__buffer_append(out, "\n", 1);
    }
}

static void append_names(struct buffer *out, const struct http_header *all, size_t count)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX + 1];
    sort_headers(sorted, all, count);
    for (size_t i = 0; i < count; i++) {
        if (i && strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0) continue;
        if (i) ccol__buffer_append(out, ";", 1);
        append_lower(out, sorted[i]->name);
    }
}

void ccol__sigv4_canonical(struct buffer *out, const struct sigv4_request *request, const struct http_header *all,
                           size_t count)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX + 1];
    struct uri uri;
    if (!ccol__uri_split(request->url, &uri) || count > SIGV4_HEADERS_MAX + 1) {
        out->failed = true;
        return;
    }
    ccol__buffer_format(out, "%s\n", request->method);
    append_path(out, &uri, request->path_as_is);
    ccol__buffer_append(out, "\n", 1);
    append_query(out, &uri);
    ccol__buffer_append(out, "\n", 1);
    sort_headers(sorted, all, count);
    append_headers(out, sorted, count);
    ccol__buffer_append(out, "\n", 1);
    append_names(out, all, count);
    ccol__buffer_format(out, "\n%s", request->payload_hash ? request->payload_hash : EMPTY_HASH);
}

/* The signing key of one day, region and service; secret may be of any length. */
static bool derive_key(uint8_t key[SHA256_BYTES], const char *secret, const char *date, const char *region,
                       const char *service)
{
    struct buffer seed;
    ccol__buffer_init(&seed, CANONICAL_MAX, NULL);
    ccol__buffer_format(&seed, "AWS4%s", secret);
    bool fine = !seed.failed && ccol__hmac_sha256(seed.data, seed.length, date, DATE_LENGTH, key) &&
                ccol__hmac_sha256(key, SHA256_BYTES, region, strlen(region), key) &&
                ccol__hmac_sha256(key, SHA256_BYTES, service, strlen(service), key) &&
                ccol__hmac_sha256(key, SHA256_BYTES, "aws4_request", 12, key);
    ccol__buffer_wipe(&seed);
    return fine;
}

static bool day_key(struct sigv4 *signer, uint8_t key[SHA256_BYTES], const char *secret, const char *scope,
                    const struct sigv4_request *request)
{
    struct buffer made_from;
    ccol__buffer_init(&made_from, CANONICAL_MAX, NULL);
    ccol__buffer_format(&made_from, "%s\n%s", scope, secret);
    if (made_from.failed) {
        ccol__buffer_wipe(&made_from);
        return false;
    }
    bool fine = true;
    pthread_mutex_lock(&signer->lock);
    if (!signer->made_from || strcmp(signer->made_from, made_from.data) != 0) {
        wipe_text(signer->made_from);
        signer->made_from = NULL;
        fine = derive_key(signer->key, secret, scope, request->region, request->service);
        if (fine) signer->made_from = strdup(made_from.data);
    }
    memcpy(key, signer->key, SHA256_BYTES);
    pthread_mutex_unlock(&signer->lock);
    ccol__buffer_wipe(&made_from);
    return fine;
}

static bool add_header(struct sigv4_headers *out, const char *name, const char *value)
{
    if (out->count == SIGV4_HEADERS_MAX) return false;
    out->list[out->count++] = (struct http_header){name, value};
    return true;
}

static void set_date(char date[17], int64_t now_us)
{
    struct civil now;
    ccol__clock_civil(now_us, &now);
    unsigned day = (unsigned)now.year * 10000 + (unsigned)now.month * 100 + (unsigned)now.day;
    unsigned time = (unsigned)now.hour * 10000 + (unsigned)now.minute * 100 + (unsigned)now.second;
    snprintf(date, 17, "%08uT%06uZ", day % 100000000, time % 1000000);
}

static bool add_signed_headers(struct sigv4_headers *out, const struct sigv4_request *request, const char *token)
{
    const char *hash = request->payload_hash ? request->payload_hash : EMPTY_HASH;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!add_header(out, request->headers[i].name, request->headers[i].value)) return false;
    }
    return add_header(out, "X-Amz-Date", out->date) &&
           (!request->payload_header || add_header(out, "X-Amz-Content-Sha256", hash)) &&
           (!token || request->token_unsigned || add_header(out, "X-Amz-Security-Token", token));
}

/* Signs the headers in out, and Host. */
static int append_authorization(struct sigv4 *signer, const struct sigv4_request *request,
                                const struct sigv4_keys *keys, const char *host, struct sigv4_headers *out)
{
    struct http_header all[SIGV4_HEADERS_MAX + 1];
    char scope[160], hex[2 * SHA256_BYTES + 1];
    uint8_t hash[SHA256_BYTES], key[SHA256_BYTES];
    struct buffer text;
    memcpy(all, out->list, out->count * sizeof all[0]);
    all[out->count] = (struct http_header){"Host", host};
    int length = snprintf(scope, sizeof scope, "%.*s/%s/%s/aws4_request", DATE_LENGTH, out->date, request->region,
                          request->service);
    if (length < 0 || (size_t)length >= sizeof scope) return -EINVAL;

    ccol__buffer_init(&text, CANONICAL_MAX, NULL);
    ccol__sigv4_canonical(&text, request, all, out->count + 1);
    bool fine = !text.failed && ccol__sha256(text.data, text.length, hash);
    ccol__buffer_clear(&text);
    ccol__buffer_format(&text, ALGORITHM "\n%s\n%s\n%s", out->date, scope, ccol__hex(hex, hash, sizeof hash));
    fine = fine && !text.failed && day_key(signer, key, keys->secret, scope, request) &&
           ccol__hmac_sha256(key, sizeof key, text.data, text.length, hash);
    ccol__buffer_wipe(&text);
    explicit_bzero(key, sizeof key);
    if (!fine) return -ENOMEM;

    ccol__buffer_format(&out->authorization, ALGORITHM " Credential=%s/%s, SignedHeaders=", keys->access_key_id, scope);
    append_names(&out->authorization, all, out->count + 1);
    ccol__buffer_format(&out->authorization, ", Signature=%s", ccol__hex(hex, hash, sizeof hash));
    return out->authorization.failed ? -ENOMEM : 0;
}

int ccol__sigv4_sign(struct sigv4 *signer, const struct sigv4_request *request, const struct sigv4_keys *keys,
                     struct sigv4_headers *out)
{
    struct uri uri;
    const char *token = keys->session_token && keys->session_token[0] ? keys->session_token : NULL;
    out->count = 0;
    ccol__buffer_init(&out->authorization, CANONICAL_MAX, NULL);
    if (!ccol__uri_split(request->url, &uri)) return -EINVAL;
    set_date(out->date, request->now_us);
    if (!add_signed_headers(out, request, token)) return -EINVAL;
    char *host = strndup(uri.host, uri.host_length);
    if (!host) return -ENOMEM;
    int code = append_authorization(signer, request, keys, host, out);
    free(host);
    if (!code && token && request->token_unsigned && !add_header(out, "X-Amz-Security-Token", token)) code = -EINVAL;
    if (!code && !add_header(out, "Authorization", out->authorization.data)) code = -EINVAL;
    if (code) ccol__sigv4_headers_fini(out);
    return code;
}

void ccol__sigv4_headers_fini(struct sigv4_headers *headers)
{
    ccol__buffer_fini(&headers->authorization);
    headers->count = 0;
}

bool ccol__sigv4_payload_hash(char out[2 * SHA256_BYTES + 1], const void *data, size_t length)
{
    uint8_t hash[SHA256_BYTES];
    if (!ccol__sha256(data, length, hash)) return false;
    ccol__hex(out, hash, sizeof hash);
    return true;
}
