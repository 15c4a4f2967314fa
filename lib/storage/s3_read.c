/* SPDX-License-Identifier: MIT */
/* Reading reports back, and which there are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/xml.h"
#include "net/uri.h"
#include "report/raw_crash.h"
#include "report/record.h"
#include "storage/s3.h"

#define PAGE_MAX  ((size_t)16 << 20) /* 1,000 keys of at most 1 kB, escaped */
#define TOKEN_MAX ((size_t)8192)
#define QUERY_MAX ((size_t)32768)

static int get(struct s3 *s3, const char *key, struct http_response *response, ccol_error *err)
{
    const struct s3_call call = {.method = "GET", .key = key, .response_max = (size_t)S3_OBJECT_MAX};
    return ccol__s3_call(s3, &call, response, NULL, err);
}

static int load_file(struct s3 *s3, ccol_report *report, const struct json *name, ccol_error *err)
{
    char clean[FILE_NAME_MAX + 1], key[S3_KEY_SIZE];
    struct http_response response;
    bool good = name->type == JSON_STRING && ccol__report_clean_name(clean, name->text, name->length) &&
                strcmp(clean, name->text) == 0;
    if (!good) return ccol_fail(err, CCOL_EFORMAT, "%s: its dump_names holds no file name", report->id);
    ccol__s3_key_file(key, clean, report->id);
    int code = get(s3, key, &response, err);
    if (code) return code;
    code = ccol__report_file_begin(report, clean);
    if (!code) code = ccol__report_file_append(report, response.body.data, response.body.length);
    if (!code) code = ccol__report_file_end(report);
    ccol__http_response_fini(&response);
    return code ? ccol_fail(err, code, "cannot hold %s", key) : 0;
}

static int load_files(struct s3 *s3, ccol_report *report, ccol_error *err)
{
    static const struct json_limits limits = {.depth = 2, .number_length = 1};
    char key[S3_KEY_SIZE];
    struct http_response response;
    struct json *names;
    ccol__s3_key_dump_names(key, report->id);
    int code = get(s3, key, &response, err);
    if (code) return code;
    const struct buffer *body = &response.body;
    code = ccol__json_parse(&report->arena, body->data ? body->data : "", body->length, &limits, &names, err);
    ccol__http_response_fini(&response);
    if (!code && names->type != JSON_ARRAY) code = ccol_fail(err, CCOL_EFORMAT, "%s is no list", key);
    for (const struct json *name = code ? NULL : names->first; !code && name; name = name->next)
        code = load_file(s3, report, name, err);
    return code;
}

static int load_raw_crash(struct s3 *s3, ccol_report *report, const char *crash_id, ccol_error *err)
{
    char key[S3_KEY_SIZE];
    struct http_response response;
    ccol__s3_key_raw_crash(s3, key, crash_id);
    int code = get(s3, key, &response, err);
    if (code) return code;
    const struct buffer *body = &response.body;
    code = ccol__raw_crash_read(report, body->data ? body->data : "", body->length, err);
    ccol__http_response_fini(&response);
    if (code) return code;
    return strcmp(report->id, crash_id) == 0 ? 0 : ccol_fail(err, CCOL_EFORMAT, "%s holds another crash", key);
}

int ccol__s3_load(void *self, const char *crash_id, ccol_report **out, ccol_error *err)
{
    struct s3 *s3 = self;
    if (!crash_id || !ccol__crash_id_valid(crash_id, strlen(crash_id)))
        return ccol_fail(err, -ENOENT, "this is no crash id");
    ccol_report *report = ccol__report_new(NULL);
    if (!report) return ccol_fail(err, -ENOMEM, "cannot load %s", crash_id);
    int code = load_raw_crash(s3, report, crash_id, err);
    if (!code) code = load_files(s3, report, err);
    if (!code && (code = ccol__record_seal(report))) ccol_fail(err, code, "cannot load %s", crash_id);
    if (code) {
        ccol_report_unref(report);
        return code;
    }
    *out = report;
    return 0;
}

/* The crash id at the end of a key, or false. */
static bool id_of(char id[CRASH_ID_LENGTH + 1], const struct buffer *key)
{
    if (!key->data || key->length <= CRASH_ID_LENGTH) return false;
    const char *last = key->data + key->length - CRASH_ID_LENGTH;
    if (last[-1] != '/' || !ccol__crash_id_valid(last, CRASH_ID_LENGTH)) return false;
    memcpy(id, last, CRASH_ID_LENGTH + 1);
    return true;
}

/* Tells the ids of one page, and how to ask for the next: token "" at the end. */
static int read_page(const struct http_response *response, struct buffer *token,
                     int (*each)(void *user, const char *crash_id), void *user, ccol_error *err)
{
    struct xml xml = {response->body.data, response->body.data + response->body.length};
    struct xml_leaf leaf;
    struct buffer key;
    int code = 0;
    ccol__buffer_init(&key, TOKEN_MAX, NULL);
    ccol__buffer_clear(token);
    while (!code && response->body.data && ccol__xml_next(&xml, &leaf)) {
        char id[CRASH_ID_LENGTH + 1];
        if (ccol__xml_is(&leaf, "NextContinuationToken")) {
            ccol__buffer_clear(token);
            ccol__xml_text(token, &leaf);
        } else if (ccol__xml_is(&leaf, "Key")) {
            ccol__buffer_clear(&key);
            ccol__xml_text(&key, &leaf);
            if (!key.failed && id_of(id, &key)) code = each(user, id);
        }
        if (token->failed || key.failed) code = ccol_fail(err, -ENOMEM, "cannot read a list of keys");
    }
    ccol__buffer_fini(&key);
    return code;
}

static bool make_query(const struct s3 *s3, struct buffer *query, const struct buffer *token)
{
    ccol__buffer_clear(query);
    if (token->length) {
        ccol__buffer_text(query, "continuation-token=");
        ccol__uri_encode(query, token->data, token->length, false);
        ccol__buffer_text(query, "&");
    }
    ccol__buffer_format(query, "list-type=2&prefix=%s", s3->layout_v1 ? "v1%2Fraw_crash%2F" : "v2%2Fraw_crash%2F");
    return !query->failed && !token->failed;
}

int ccol__s3_list(void *self, int (*each)(void *user, const char *crash_id), void *user, ccol_error *err)
{
    struct s3 *s3 = self;
    struct buffer token, query;
    int code;
    ccol__buffer_init(&token, TOKEN_MAX, NULL);
    ccol__buffer_init(&query, QUERY_MAX, NULL);
    do {
        struct http_response response;
        code = make_query(s3, &query, &token) ? 0 : ccol_fail(err, -ENOMEM, "cannot list bucket %s", s3->bucket);
        const struct s3_call call = {.method = "GET", .query = query.data, .response_max = PAGE_MAX};
        if (!code) code = ccol__s3_call(s3, &call, &response, NULL, err);
        if (code) break;
        code = read_page(&response, &token, each, user, err);
        ccol__http_response_fini(&response);
    } while (!code && token.length);
    ccol__buffer_fini(&token);
    ccol__buffer_fini(&query);
    return code;
}
