/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "net/aws_sources.h"
#include "net/uri.h"
#include "storage/s3.h"

void ccol__s3_key_raw_crash(const struct s3 *s3, char out[S3_KEY_SIZE], const char *id)
{
    char date[9];
    ccol__crash_id_date(id, date);
    if (s3->layout_v1)
        snprintf(out, S3_KEY_SIZE, "v1/raw_crash/%s/%s", date, id);
    else
        snprintf(out, S3_KEY_SIZE, "v2/raw_crash/%.3s/%s/%s", id, date, id);
}

void ccol__s3_key_dump_names(char out[S3_KEY_SIZE], const char *id)
{
    snprintf(out, S3_KEY_SIZE, "v1/dump_names/%s", id);
}

void ccol__s3_key_file(char out[S3_KEY_SIZE], const char *name, const char *id)
{
    snprintf(out, S3_KEY_SIZE, "v1/%s/%s", strcmp(name, "upload_file_minidump") == 0 ? "dump" : name, id);
}

static void append_origin(const struct s3 *s3, struct buffer *out, const char *region)
{
    char host[S3_REGION_MAX + 64];
    struct uri uri;
    if (!s3->endpoint) {
        ccol__buffer_format(out, "https://%s%s%s", s3->is_virtual ? s3->bucket : "", s3->is_virtual ? "." : "",
                            ccol__aws_host(host, sizeof host, "s3", region));
    } else if (!s3->is_virtual || !ccol__uri_split(s3->endpoint, &uri)) {
        ccol__buffer_text(out, s3->endpoint);
    } else {
        ccol__buffer_format(out, "%.*s://%s.%s", (int)uri.scheme_length, uri.scheme, s3->bucket, uri.host);
    }
}

void ccol__s3_url(const struct s3 *s3, struct buffer *out, const char *region, const char *key, const char *query)
{
    append_origin(s3, out, region);
    if (!s3->is_virtual) ccol__buffer_format(out, "/%s", s3->bucket);
    if (key || s3->is_virtual) ccol__buffer_append(out, "/", 1);
    if (key) ccol__uri_encode(out, key, strlen(key), true);
    if (query) ccol__buffer_format(out, "?%s", query);
}
