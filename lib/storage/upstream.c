/* SPDX-License-Identifier: MIT */
/* Another collector: each report is posted to its /submit as a client would, the annotations as one JSON part, so that
 * every value arrives as it is, and each file as a part of its own, sent from where it lies in memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/http_answer.h"
#include "report/report.h"
#include "storage/storage.h"
#include "storage/upstream_body.h"

#define AGENT_MAX   1024
#define ANSWER_MAX  4096
#define HEADERS_MAX 8

struct upstream {
    struct http_client *client;
    char *url;
    char *bearer; /* "Bearer TOKEN", NULL: none */
    unsigned connect_ms, total_ms;
    bool gzip;
};

static int answered(const struct upstream *upstream, const struct http_response *response, int code, const char *cure,
                    ccol_error *err)
{
    return ccol__http_answer_fail(response, code, upstream->url, NULL, cure, err);
}

static bool body_starts(const struct http_response *response, const char *text)
{
    size_t length = strlen(text);
    return response->body.length >= length && memcmp(response->body.data, text, length) == 0;
}

/* "CrashID=PREFIX" and an id, whose throttle digit says what the other collector made of the report. */
static int read_receipt(const struct upstream *upstream, const struct http_response *response, const char *id,
                        ccol_error *err)
{
    const char *text = response->body.data;
    size_t length = response->body.length;
    while (length && strchr("\r\n \t", text[length - 1]))
        length--;
    const char *given = length > CRASH_ID_LENGTH ? text + length - CRASH_ID_LENGTH : "";
    if (length <= CRASH_ID_LENGTH || !body_starts(response, "CrashID="))
        return answered(upstream, response, CCOL_EREMOTE, ": this is no collector's answer; is the URL right?", err);
    if (given[CRASH_ID_LENGTH - 7] == '3')
        return answered(upstream, response, CCOL_EREJECTED, ": its rules fake an accept and keep nothing", err);
    if (upstream->bearer && memcmp(given, id, CRASH_ID_LENGTH) != 0)
        return answered(upstream, response, CCOL_EREJECTED,
                        ": it did not keep the crash id; unset the token if it knows none", err);
    return 0;
}

/* What is about this report is for good; what is about the way there may be mended. */
static int read_answer(const struct upstream *upstream, const struct http_response *response, const char *id,
                       ccol_error *err)
{
    switch (response->status) {
    case 200:
        return body_starts(response, "Discarded=") ? answered(upstream, response, CCOL_EREJECTED, "", err)
                                                   : read_receipt(upstream, response, id, err);
    case 400:
        return answered(upstream, response, CCOL_EREJECTED, "", err);
    case 401:
        return answered(upstream, response, CCOL_EREMOTE, ": give this collector its submitter token", err);
    case 413:
        return answered(upstream, response, CCOL_ETOOLARGE, ": it takes no report of this size", err);
    case 301:
    case 302:
    case 307:
    case 308:
        return answered(upstream, response, CCOL_EREMOTE, ": redirects are not followed; give the URL they lead to",
                        err);
    default:
        return answered(upstream, response, CCOL_EREMOTE, "", err);
    }
}

/* Who sent the crash first, as far as it is known and fit for a header; "" else. */
static const char *user_agent(const ccol_report *report, char out[AGENT_MAX])
{
    const struct json_limits limits = {.depth = 3, .number_length = 20};
    const struct json *metadata = ccol__report_find(report, "metadata");
    struct arena arena;
    struct json *parsed;
    out[0] = '\0';
    if (!metadata || metadata->type != JSON_OBJECT) return out;
    ccol__arena_init(&arena, NULL);
    if (ccol__json_parse(&arena, metadata->text, metadata->length, &limits, &parsed, NULL) == 0) {
        const struct json *agent = ccol__json_member(parsed, "user_agent");
        bool fit = agent && agent->type == JSON_STRING && agent->length < AGENT_MAX && strcmp(agent->text, "None") != 0;
        for (size_t i = 0; fit && i < agent->length; i++)
            fit = (unsigned char)agent->text[i] >= ' ' && agent->text[i] != 0x7f;
        if (fit) memcpy(out, agent->text, agent->length + 1);
    }
    ccol__arena_fini(&arena);
    return out;
}

static int post(const struct upstream *upstream, const ccol_report *report, const struct upstream_body *body,
                ccol_error *err)
{
    struct http_header headers[HEADERS_MAX];
    size_t count = 0;
    char agent[AGENT_MAX];
    headers[count++] = (struct http_header){"Content-Type", body->content_type};
    if (upstream->gzip) headers[count++] = (struct http_header){"Content-Encoding", "gzip"};
    if (upstream->bearer) headers[count++] = (struct http_header){"Authorization", upstream->bearer};
    if (*user_agent(report, agent)) headers[count++] = (struct http_header){"User-Agent", agent};
    const struct http_request request = {.method = "POST",
                                         .url = upstream->url,
                                         .headers = headers,
                                         .header_count = count,
                                         .body = body->pieces,
                                         .body_count = body->piece_count,
                                         .connect_ms = upstream->connect_ms,
                                         .total_ms = upstream->total_ms,
                                         .response_max = ANSWER_MAX};
    struct http_response response = {0};
    int code = ccol__http_client_perform(upstream->client, &request, &response, err);
    if (!code) code = read_answer(upstream, &response, ccol_report_id(report), err);
    ccol__http_response_fini(&response);
    return code;
}

static int save(void *self, const ccol_report *report, ccol_error *err)
{
    const struct upstream *upstream = self;
    struct upstream_body body;
    int code = ccol__upstream_body_init(&body, report, upstream->bearer != NULL);
    if (!code && upstream->gzip) code = ccol__upstream_body_compress(&body);
    code = code ? ccol_fail(err, code, "cannot put the report together") : post(upstream, report, &body, err);
    ccol__upstream_body_fini(&body);
    return code;
}

/* Asks for the page without posting anything: a collector answers that it wants a POST. */
static int ask(const struct upstream *upstream, int *status, ccol_error *err)
{
    const struct http_request request = {.method = "GET",
                                         .url = upstream->url,
                                         .connect_ms = upstream->connect_ms,
                                         .total_ms = upstream->total_ms,
                                         .response_max = ANSWER_MAX};
    struct http_response response = {0};
    int code = ccol__http_client_perform(upstream->client, &request, &response, err);
    *status = response.status;
    if (!code && *status != 405 && *status != 200)
        code = answered(upstream, &response, CCOL_EREMOTE,
                        *status >= 500 ? "" : ": there is no collector at this URL, it should end in /submit", err);
    ccol__http_response_fini(&response);
    return code;
}

static int check(void *self, ccol_error *err)
{
    int status;
    return ask(self, &status, err);
}

/* What is down or busy now may come back and keeps nobody from starting: the spool holds what it does not take. */
static int verify(void *self, ccol_error *err)
{
    int status;
    int code = ask(self, &status, err);
    return ccol__http_verified(code, status);
}

static void destroy(void *self)
{
    struct upstream *upstream = self;
    ccol__http_client_free(upstream->client);
    if (upstream->bearer) explicit_bzero(upstream->bearer, strlen(upstream->bearer));
    free(upstream->bearer);
    free(upstream->url);
    free(upstream);
}

static int fill(struct upstream *upstream, const ccol_upstream_options *options, ccol_error *err)
{
    const struct http_client_options client = {.ca_file = options->ca_file, .proxy = options->proxy};
    upstream->connect_ms = options->connect_timeout_ms;
    upstream->total_ms = options->timeout_ms;
    upstream->gzip = options->gzip;
    upstream->url = strdup(options->url);
    if (!upstream->url) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    if (options->token && *options->token && asprintf(&upstream->bearer, "Bearer %s", options->token) < 0) {
        upstream->bearer = NULL;
        return ccol_fail(err, -ENOMEM, "cannot make a storage");
    }
    return ccol__http_client_new(&upstream->client, &client, err);
}

int ccol_storage_new_upstream(ccol_storage **out, const ccol_upstream_options *options, ccol_error *err)
{
    static const ccol_storage_ops upstream_ops = {.size = sizeof upstream_ops,
                                                  .name = "upstream",
                                                  .save = save,
                                                  .verify = verify,
                                                  .check = check,
                                                  .destroy = destroy};
    ccol_upstream_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_upstream_options", err);
    if (code) return code;
    if (!known.url || !ccol__http_url_valid(known.url))
        return ccol_fail(err, -EINVAL, "ccol_upstream_options.url must be an http or https URL without a password");
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    code = fill(upstream, &known, err);
    if (!code) code = ccol_storage_new(out, &upstream_ops, upstream, err);
    if (code) {
        destroy(upstream);
        return code;
    }
    if (ccol__storage_set_place(*out, "%s", upstream->url) == 0) return 0;
    ccol_storage_unref(*out);
    return ccol_fail(err, -ENOMEM, "cannot make a storage");
}
