/* SPDX-License-Identifier: MIT */
#include "net/sentry_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/gzip_write.h"
#include "base/json_build.h"
#include "base/text.h"
#include "net/dsn.h"

#define AUTH_SIZE    (DSN_KEY_SIZE + 128)
#define ANSWER_MAX   ((size_t)64 << 10)
#define ANSWER_DEPTH 16
#define DETAIL_SIZE  120
#define ALLOCATION   ((size_t)1 << 30) /* of a compressed envelope */

struct sentry_client {
    struct http_client *http;
    struct dsn dsn;
    char envelope_url[DSN_URL_SIZE], minidump_url[DSN_URL_SIZE];
    char auth[AUTH_SIZE], agent[64], place[DSN_URL_SIZE];
    unsigned timeout_ms;
    bool no_gzip;
    _Atomic uint64_t answered_ms;
    pthread_mutex_t lock; /* of what follows */
    struct sentry_limits limits;
};

int ccol__sentry_client_new(struct sentry_client **out, const struct sentry_client_options *options, ccol_error *err)
{
    struct sentry_client *client = calloc(1, sizeof *client);
    if (!client) return ccol_fail(err, -ENOMEM, "cannot make a Sentry client");
    pthread_mutex_init(&client->lock, NULL);
    int code = ccol__dsn_parse(&client->dsn, options->dsn, err);
    if (!code) code = ccol__http_client_new(&client->http, &options->http, err);
    if (code) {
        ccol__sentry_client_free(client);
        return code;
    }
    ccol__dsn_url(client->envelope_url, &client->dsn, "envelope");
    ccol__dsn_url(client->minidump_url, &client->dsn, "minidump");
    snprintf(client->agent, sizeof client->agent, "%s/%s", SENTRY_SDK_NAME, ccol_version_text());
    snprintf(client->auth, sizeof client->auth, "Sentry sentry_version=7, sentry_client=%s, sentry_key=%s",
             client->agent, client->dsn.key);
    snprintf(client->place, sizeof client->place, "%s/%s", client->dsn.base, client->dsn.project);
    client->timeout_ms = options->timeout_ms;
    client->no_gzip = options->no_gzip;
    *out = client;
    return 0;
}

void ccol__sentry_client_free(struct sentry_client *client)
{
    if (!client) return;
    ccol__http_client_free(client->http);
    pthread_mutex_destroy(&client->lock);
    explicit_bzero(client, sizeof *client);
    free(client);
}

unsigned ccol__sentry_client_wait_s(struct sentry_client *client, unsigned categories)
{
    pthread_mutex_lock(&client->lock);
    unsigned wait_s = ccol__sentry_limits_wait_s(&client->limits, categories, ccol__clock_monotonic_ms());
    pthread_mutex_unlock(&client->lock);
    return wait_s;
}

const char *ccol__sentry_client_key(const struct sentry_client *client)
{
    return client->dsn.key;
}

const char *ccol__sentry_client_place(const struct sentry_client *client)
{
    return client->place;
}

uint64_t ccol__sentry_client_answered_ms(struct sentry_client *client)
{
    return atomic_load(&client->answered_ms);
}

static void take_limits(struct sentry_client *client, const struct http_response *response)
{
    uint64_t now = ccol__clock_monotonic_ms();
    atomic_store(&client->answered_ms, now);
    pthread_mutex_lock(&client->lock);
    ccol__sentry_limits_take(&client->limits, response->status,
                             ccol__http_response_header(response, "X-Sentry-Rate-Limits"),
                             ccol__http_response_header(response, "Retry-After"), now);
    pthread_mutex_unlock(&client->lock);
}

/* What the server says is wrong, fit for a log line; a server may repeat the key that it was given. */
static void read_detail(const struct sentry_client *client, const struct http_response *response, char *out)
{
    const char *text = ccol__http_response_header(response, "X-Sentry-Error");
    struct arena arena;
    struct json *body = NULL;
    const struct json_limits limits = {.depth = ANSWER_DEPTH, .number_length = 64};
    ccol__arena_init(&arena, NULL);
    if (!text && response->body.data &&
        ccol__json_parse(&arena, response->body.data, response->body.length, &limits, &body, NULL) == 0)
        text = ccol__json_text(body, "detail");
    bool tells_key = text && strstr(text, client->dsn.key);
    if (text && *text && !tells_key)
        ccol__text_for_log(out, DETAIL_SIZE, text, strlen(text));
    else
        snprintf(out, DETAIL_SIZE, "no reason given");
    ccol__arena_fini(&arena);
}

static int refuse(const struct sentry_client *client, const struct http_response *response, ccol_error *err)
{
    const char *cure = "see the server's log";
    char detail[DETAIL_SIZE];
    read_detail(client, response, detail);
    if (response->status >= 300 && response->status < 400) cure = "put the address it redirects to into the DSN";
    if (response->status == 401 || response->status == 403) cure = "check the key in the DSN";
    if (response->status == 404) cure = "check host, path and project in the DSN";
    return ccol_fail(err, CCOL_EREJECTED, "Sentry refuses it for good with status %d (%s): %s", response->status,
                     detail, cure);
}

/* What an answer means for the envelope. */
static int judge(struct sentry_client *client, const struct http_response *response, unsigned categories,
                 ccol_error *err)
{
    int status = response->status, code;
    take_limits(client, response);
    if (status >= 200 && status < 300) return 0;
    if (status == 413) return ccol_fail(err, CCOL_ETOOLARGE, "Sentry finds it too large (413)");
    if (status == 429) {
        unsigned wait_s = ccol__sentry_client_wait_s(client, categories);
        code = ccol_fail(err, CCOL_EREMOTE, "Sentry's rate limit: held back for %u s (429)", wait_s);
        if (err) err->retry_after_s = wait_s;
        return code;
    }
    if (status != 408 && status < 500) return refuse(client, response, err);
    code = ccol_fail(err, CCOL_EREMOTE, "Sentry is out of order, it answers %d", status);
    if (err) err->retry_after_s = ccol__http_response_retry_after(response);
    return code;
}

static int perform(struct sentry_client *client, struct http_request *request, struct http_response *response,
                   ccol_error *err)
{
    request->total_ms = client->timeout_ms;
    request->response_max = ANSWER_MAX;
    return ccol__http_client_perform(client->http, request, response, err);
}

/* What is sent, and where to. */
struct posting {
    const char *url, *content_type;
    const struct http_piece *body;
    size_t count;
    bool gzip;
};

static int post(struct sentry_client *client, const struct posting *posting, unsigned categories, ccol_error *err)
{
    const struct http_header headers[] = {{"Content-Type", posting->content_type},
                                          {"X-Sentry-Auth", client->auth},
                                          {"User-Agent", client->agent},
                                          {"Content-Encoding", "gzip"}};
    struct http_request request = {.method = "POST",
                                   .url = posting->url,
                                   .headers = headers,
                                   .header_count = posting->gzip ? 4 : 3,
                                   .body = posting->body,
                                   .body_count = posting->count};
    struct http_response response = {0};
    int code = perform(client, &request, &response, err);
    if (!code) code = judge(client, &response, categories, err);
    ccol__http_response_fini(&response);
    return code;
}

static bool pack(struct buffer *out, const struct http_piece *pieces, size_t count)
{
    struct gzip_writer *writer = ccol__gzip_writer_new(out);
    bool good = writer != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = ccol__gzip_write(writer, pieces[i].data, pieces[i].length);
    good = good && ccol__gzip_writer_finish(writer);
    ccol__gzip_writer_free(writer);
    return good;
}

static int hold_back(struct sentry_client *client, unsigned categories, ccol_error *err)
{
    unsigned wait_s = ccol__sentry_client_wait_s(client, categories);
    if (!wait_s) return 0;
    int code = ccol_fail(err, CCOL_EREMOTE, "Sentry's rate limit: held back for %u s more", wait_s);
    if (err) err->retry_after_s = wait_s;
    return code;
}

int ccol__sentry_client_send(struct sentry_client *client, struct envelope *envelope, unsigned categories,
                             ccol_error *err)
{
    size_t count, bytes;
    int code = hold_back(client, categories, err);
    if (code) return code;
    if (ccol__envelope_failed(envelope)) return ccol_fail(err, -ENOMEM, "no memory for an envelope");
    const struct http_piece *body = ccol__envelope_body(envelope, &count, &bytes);
    struct posting posting = {client->envelope_url, "application/x-sentry-envelope", body, count, false};
    if (client->no_gzip) return post(client, &posting, categories, err);
    struct buffer packed;
    ccol__buffer_init(&packed, ALLOCATION, NULL);
    code = pack(&packed, body, count) ? 0 : ccol_fail(err, -ENOMEM, "no memory for an envelope");
    const struct http_piece piece = {packed.data, packed.length};
    posting.body = &piece;
    posting.count = 1;
    posting.gzip = true;
    if (!code) code = post(client, &posting, categories, err);
    ccol__buffer_fini(&packed);
    return code;
}

int ccol__sentry_client_send_form(struct sentry_client *client, struct sentry_form *form, unsigned categories,
                                  ccol_error *err)
{
    size_t count, bytes;
    char content_type[sizeof form->boundary + 40];
    int code = hold_back(client, categories, err);
    if (code) return code;
    if (ccol__pieces_failed(&form->pieces)) return ccol_fail(err, -ENOMEM, "no memory for a minidump's form");
    const struct http_piece *body = ccol__pieces_body(&form->pieces, &count, &bytes);
    snprintf(content_type, sizeof content_type, "multipart/form-data; boundary=%s", form->boundary);
    const struct posting posting = {client->minidump_url, content_type, body, count, false};
    return post(client, &posting, categories, err);
}

int ccol__sentry_client_probe(struct sentry_client *client, ccol_error *err)
{
    const struct http_header headers[] = {{"User-Agent", client->agent}};
    char url[DSN_BASE_SIZE + 1];
    snprintf(url, sizeof url, "%s/", client->dsn.base);
    struct http_request request = {.method = "HEAD", .url = url, .headers = headers, .header_count = 1};
    struct http_response response = {0};
    int code = perform(client, &request, &response, err);
    if (!code) atomic_store(&client->answered_ms, ccol__clock_monotonic_ms());
    if (!code && response.status >= 502 && response.status <= 504)
        code = ccol_fail(err, CCOL_EREMOTE, "Sentry is out of order, it answers %d", response.status);
    ccol__http_response_fini(&response);
    return code;
}
