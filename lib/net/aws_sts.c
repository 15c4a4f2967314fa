/* SPDX-License-Identifier: MIT */
/* Roles at AWS's Security Token Service: by a web identity's token, or by other keys. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/text.h"
#include "base/xml.h"
#include "net/aws_sources.h"
#include "net/uri.h"

#define IDENTITY_MAX ((size_t)64 << 10)
#define FORM_MAX     ((size_t)256 << 10)
#define ANSWER_MAX   ((size_t)256 << 10)
#define TOTAL_MS     10000

static void add_field(struct buffer *form, const char *name, const char *value, size_t length)
{
    ccol__buffer_format(form, "%s%s=", form->length ? "&" : "", name);
    ccol__uri_encode(form, value, length, false);
}

static void add_text(struct buffer *form, const char *name, const char *value)
{
    if (value && *value) add_field(form, name, value, strlen(value));
}

/* The token, which its issuer replaces from time to time. */
static int add_identity(struct buffer *form, const struct aws_role *role, ccol_error *err)
{
    struct buffer token;
    int code = ccol__file_read(AT_FDCWD, role->identity_file, IDENTITY_MAX, &token, NULL);
    if (code) return ccol_fail(err, code, "%s: cannot read the token %s", role->source, role->identity_file);
    size_t length = token.length;
    while (length && strchr(" \t\r\n", token.data[length - 1]))
        length--;
    if (length)
        add_field(form, "WebIdentityToken", token.data, length);
    else
        code = ccol_fail(err, CCOL_EREMOTE, "%s: the token %s is empty", role->source, role->identity_file);
    ccol__buffer_wipe(&token);
    return code;
}

static int make_form(struct buffer *form, const struct aws_role *role, ccol_error *err)
{
    char name[48];
    snprintf(name, sizeof name, "crashcollect-%lld", (long long)(ccol__clock_now_us() / 1000000));
    add_text(form, "Action", role->identity_file ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    add_text(form, "Version", "2011-06-15");
    add_text(form, "RoleArn", role->arn);
    add_text(form, "RoleSessionName", role->session_name && *role->session_name ? role->session_name : name);
    add_text(form, "DurationSeconds", role->duration_s);
    if (!role->identity_file) add_text(form, "ExternalId", role->external_id);
    int code = role->identity_file ? add_identity(form, role, err) : 0;
    if (!code && form->failed) code = ccol_fail(err, -ENOMEM, "%s", role->source);
    return code;
}

static int read_answer(const struct http_response *response, const char *source, struct aws_keys **out, ccol_error *err)
{
    char told[160];
    struct buffer message;
    if (response->status == 200)
        return ccol__aws_keys_from_xml(out, response->body.data, response->body.length, source, err);
    ccol__buffer_init(&message, ANSWER_MAX, NULL);
    bool found = ccol__xml_find(&message, response->body.data, response->body.length, "Message") && message.data;
    int code = ccol_fail(err, CCOL_EREMOTE, "%s: STS answered %d%s%s", source, response->status, found ? ": " : "",
                         found ? ccol__text_for_log(told, sizeof told, message.data, message.length) : "");
    ccol__buffer_fini(&message);
    return code;
}

static int post(struct aws_sources *sources, const char *url, const char *region, const struct aws_role *role,
                const struct buffer *form, struct http_response *response, ccol_error *err)
{
    static const struct http_header type = {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"};
    const struct http_piece body = {form->data, form->length};
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = &type,
                                   .header_count = 1,
                                   .body = &body,
                                   .body_count = 1,
                                   .total_ms = TOTAL_MS,
                                   .response_max = ANSWER_MAX};
    struct sigv4_headers headers = {0};
    if (!role->identity_file) {
        char hash[2 * SHA256_BYTES + 1];
        struct sigv4_request sign = {.method = "POST",
                                     .url = url,
                                     .region = region,
                                     .service = "sts",
                                     .headers = &type,
                                     .header_count = 1,
                                     .payload_hash = hash,
                                     .now_us = ccol__clock_now_us()};
        bool hashed = ccol__sigv4_payload_hash(hash, form->data, form->length);
        int code = hashed ? ccol__sigv4_sign(&sources->signer, &sign, role->keys, &headers) : -ENOMEM;
        if (code) return ccol_fail(err, code, "%s", role->source);
        request.headers = headers.list;
        request.header_count = headers.count;
    }
    int code = ccol__http_client_perform(sources->web, &request, response, err);
    ccol__sigv4_headers_fini(&headers);
    return code;
}

int ccol__aws_assume_role(struct aws_sources *sources, const struct aws_role *role, struct aws_keys **out,
                          ccol_error *err)
{
    char host[128], url[160];
    const char *region = role->region && *role->region ? role->region : sources->region;
    struct http_response response = {0};
    struct buffer form;
    *out = NULL;
    snprintf(url, sizeof url, "https://%s/", ccol__aws_host(host, sizeof host, "sts", region));
    ccol__buffer_init(&form, FORM_MAX, NULL);
    int code = make_form(&form, role, err);
    if (!code)
        code = post(sources, sources->sts_endpoint ? sources->sts_endpoint : url, region, role, &form, &response, err);
    ccol__buffer_wipe(&form);
    if (code) return code;
    code = read_answer(&response, role->source, out, err);
    ccol__buffer_wipe(&response.body);
    ccol__http_response_fini(&response);
    return code;
}

int ccol__aws_from_web_identity(struct aws_sources *sources, struct aws_keys **out, ccol_error *err)
{
    *out = NULL;
    if (!sources->identity_file && !sources->role_arn) return 0;
    /* some tools set AWS_ROLE_ARN for purposes of their own */
    if (!sources->identity_file) return 0;
    if (!sources->role_arn)
        return ccol_fail(err, CCOL_EREMOTE, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    const struct aws_role role = {.arn = sources->role_arn,
                                  .session_name = sources->role_session_name,
                                  .identity_file = sources->identity_file,
                                  .source = "the web identity"};
    return ccol__aws_assume_role(sources, &role, out, err);
}
