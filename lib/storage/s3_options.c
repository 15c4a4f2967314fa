/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "net/uri.h"
#include "storage/s3.h"

#define REGION_DEFAULT    "us-east-1"
#define TOTAL_MS_DEFAULT  60000
#define BUCKET_MAX        63
#define HEADER_NAME_START "x-amz-"

static int bad(ccol_error *err, const char *member, const char *value, const char *cure)
{
    return ccol_fail(err, CCOL_EFORMAT, "ccol_s3_options.%s is \"%.60s\": %s", member, value, cure);
}

static bool given(const char *text)
{
    return text && *text;
}

/* Whether a bucket can be part of a host's name. */
static bool is_dns_name(const char *bucket)
{
    size_t length = strlen(bucket);
    return length >= 3 && length <= BUCKET_MAX && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-.") == length &&
           !strstr(bucket, "..") && bucket[0] != '-' && bucket[0] != '.' && bucket[length - 1] != '-' &&
           bucket[length - 1] != '.';
}

static int set_bucket(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    if (!given(options->bucket)) return ccol_fail(err, -EINVAL, "ccol_s3_options.bucket is required");
    /* older buckets may have capitals and underscores; what would be another path or host is no name */
    if (strlen(options->bucket) > 255 || strpbrk(options->bucket, "/?#@: %\\") || strcmp(options->bucket, ".") == 0 ||
        strcmp(options->bucket, "..") == 0)
        return bad(err, "bucket", options->bucket, "give the bucket's name alone");
    for (const char *at = options->bucket; *at; at++) {
        if (*at <= ' ' || *at > '~') return bad(err, "bucket", options->bucket, "give the bucket's name alone");
    }
    s3->bucket = strdup(options->bucket);
    return s3->bucket ? 0 : ccol_fail(err, -ENOMEM, "cannot make a storage");
}

static int set_region(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    const char *region = given(options->region) ? options->region : REGION_DEFAULT;
    if (strlen(region) > S3_REGION_MAX ||
        strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(region))
        return bad(err, "region", region, "give a name such as eu-west-1");
    snprintf(s3->region, sizeof s3->region, "%s", region);
    return 0;
}

static int set_endpoint(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    s3->is_https = true;
    if (!given(options->endpoint_url)) return 0;
    const char *url = options->endpoint_url;
    if (!ccol__http_url_valid(url) || strpbrk(url, "?#"))
        return bad(err, "endpoint_url", url, "give http:// or https:// with a host, without a password or a query");
    size_t length = strlen(url);
    while (url[length - 1] == '/')
        length--;
    s3->is_https = ccol__text_starts_nocase(url, length, "https:");
    s3->endpoint = strndup(url, length);
    return s3->endpoint ? 0 : ccol_fail(err, -ENOMEM, "cannot make a storage");
}

static int set_addressing(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    const char *word = given(options->addressing) ? options->addressing : "auto";
    bool fits = is_dns_name(s3->bucket);
    if (strcmp(word, "virtual") == 0) {
        if (!fits) return bad(err, "bucket", s3->bucket, "it cannot be part of a host's name: use addressing path");
        s3->is_virtual = true;
    } else if (strcmp(word, "auto") == 0) {
        /* a certificate for *.s3... does not cover names with dots */
        s3->is_virtual = !s3->endpoint && fits && !strchr(s3->bucket, '.');
    } else if (strcmp(word, "path") != 0) {
        return bad(err, "addressing", word, "give auto, path or virtual");
    }
    return 0;
}

static int set_choices(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    const char *layout = given(options->layout) ? options->layout : "v2";
    const char *signing = given(options->payload_signing) ? options->payload_signing : "auto";
    s3->layout_v1 = strcmp(layout, "v1") == 0;
    if (!s3->layout_v1 && strcmp(layout, "v2") != 0) return bad(err, "layout", layout, "give v2 or v1");
    s3->always_hash = strcmp(signing, "always") == 0;
    if (!s3->always_hash && strcmp(signing, "auto") != 0)
        return bad(err, "payload_signing", signing, "give auto or always");
    return 0;
}

/* Header names and values end up in one text that is split in place. */
static void append_header(struct buffer *text, const char *name, const char *value)
{
    if (given(value)) ccol__buffer_format(text, "%s%s: %s", text->length ? "\n" : "", name, value);
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    return text;
}

static int split_header(struct s3 *s3, char *line, ccol_error *err)
{
    char *colon = strchr(line, ':');
    if (colon) *colon = '\0';
    const char *name = trim(line), *value = colon ? trim(colon + 1) : "";
    size_t length = strlen(name);
    bool fine = strncasecmp(name, HEADER_NAME_START, strlen(HEADER_NAME_START)) == 0 && *value &&
                strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == length;
    for (const char *at = value; *at; at++)
        fine = fine && (*at >= ' ' || *at == '\t') && *at != 0x7f;
    if (!fine) return bad(err, "headers", name, "give x-amz-NAME: VALUE");
    if (s3->put_header_count == S3_PUT_HEADERS_MAX)
        return ccol_fail(err, CCOL_EFORMAT, "ccol_s3_options.headers: more than %d", S3_PUT_HEADERS_MAX);
    s3->put_headers[s3->put_header_count++] = (struct http_header){name, value};
    return 0;
}

static int set_headers(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    struct buffer text;
    ccol__buffer_init(&text, 16384, NULL);
    append_header(&text, "x-amz-server-side-encryption", options->server_side_encryption);
    append_header(&text, "x-amz-server-side-encryption-aws-kms-key-id", options->kms_key_id);
    append_header(&text, "x-amz-storage-class", options->storage_class);
    if (given(options->headers)) ccol__buffer_format(&text, "%s%s", text.length ? "\n" : "", options->headers);
    s3->put_header_text = text.data;
    if (text.failed) return ccol_fail(err, -ENOMEM, "ccol_s3_options.headers");
    int code = 0;
    for (char *line = text.data, *next; !code && line; line = next) {
        next = strpbrk(line, "\n;");
        if (next) *next++ = '\0';
        if (line[strspn(line, " \t\r")]) code = split_header(s3, line, err);
    }
    return code;
}

static int open_parts(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    const struct http_client_options http = {.ca_file = options->ca_file, .proxy = options->proxy};
    const struct aws_credentials_options credentials = {.access_key_id = options->access_key_id,
                                                        .secret = options->secret_access_key,
                                                        .session_token = options->session_token,
                                                        .region = s3->region,
                                                        .http = http,
                                                        .log = s3->log};
    int code = ccol__http_client_new(&s3->http, &http, err);
    return code ? code : ccol__aws_credentials_new(&s3->credentials, &credentials, err);
}

int ccol__s3_configure(struct s3 *s3, const ccol_s3_options *options, ccol_error *err)
{
    static int (*const steps[])(struct s3 *, const ccol_s3_options *, ccol_error *) = {
        set_bucket, set_region, set_endpoint, set_addressing, set_choices, set_headers, open_parts};
    s3->log = (struct log){options->log, options->log_user};
    s3->connect_ms = options->connect_timeout_ms;
    s3->total_ms = options->timeout_ms ? options->timeout_ms : TOTAL_MS_DEFAULT;
    int code = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && !code; i++)
        code = steps[i](s3, options, err);
    return code;
}
