/* SPDX-License-Identifier: MIT */
/* Publishes by an HTTP POST to a URL of the user's. With a secret the body is signed, so that the far end can tell who
 * sent it: X-Crashcollect-Signature-256 is "sha256=" and the hex of HMAC-SHA-256 over the body. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcollect/publish.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "net/http_answer.h"
#include "publish/publisher.h"

#define BODY_SIZE        128
#define SIGNATURE_PREFIX "sha256="
#define SIGNATURE_SIZE   (sizeof SIGNATURE_PREFIX + 2 * SHA256_BYTES)
#define ANSWER_MAX       4096

struct webhook {
    struct http_client *client;
    char *url, *secret;
    unsigned timeout_ms;
};

static bool sign(const struct webhook *webhook, const char *body, char out[SIGNATURE_SIZE])
{
    uint8_t mac[SHA256_BYTES];
    if (!ccol__hmac_sha256(webhook->secret, strlen(webhook->secret), body, strlen(body), mac)) return false;
    memcpy(out, SIGNATURE_PREFIX, sizeof SIGNATURE_PREFIX);
    ccol__hex(out + strlen(SIGNATURE_PREFIX), mac, sizeof mac);
    return true;
}

static int publish(void *self, const char *crash_id, ccol_error *err)
{
    const struct webhook *webhook = self;
    char body[BODY_SIZE], now[CCOL_ISO8601_SIZE], signature[SIGNATURE_SIZE];
    struct http_header headers[2] = {{"Content-Type", "application/json"}};
    size_t header_count = 1;
    snprintf(body, sizeof body, "{\"crash_id\": \"%s\", \"published_at\": \"%s\"}", crash_id,
             ccol__clock_iso8601(now, ccol__clock_now_us()));
    if (webhook->secret) {
        if (!sign(webhook, body, signature)) return ccol_fail(err, -ENOMEM, "cannot sign the message");
        headers[header_count++] = (struct http_header){"X-Crashcollect-Signature-256", signature};
    }
    const struct http_piece piece = {body, strlen(body)};
    const struct http_request request = {.method = "POST",
                                         .url = webhook->url,
                                         .headers = headers,
                                         .header_count = header_count,
                                         .body = &piece,
                                         .body_count = 1,
                                         .total_ms = webhook->timeout_ms,
                                         .response_max = ANSWER_MAX};
    struct http_response response = {0};
    int code = ccol__http_client_perform(webhook->client, &request, &response, err);
    if (!code && (response.status < 200 || response.status > 299)) /* nothing about one message: all may be mended */
        code = ccol__http_answer_fail(&response, CCOL_EREMOTE, "the webhook", NULL, "", err);
    ccol__http_response_fini(&response);
    return code;
}

static void destroy(void *self)
{
    struct webhook *webhook = self;
    ccol__http_client_free(webhook->client);
    if (webhook->secret) explicit_bzero(webhook->secret, strlen(webhook->secret));
    free(webhook->secret);
    free(webhook->url);
    free(webhook);
}

int ccol_publisher_new_webhook(ccol_publisher **out, const ccol_webhook_options *options, ccol_error *err)
{
    static const ccol_publisher_ops webhook_ops = {
        .size = sizeof webhook_ops, .name = "webhook", .publish = publish, .destroy = destroy};
    ccol_webhook_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_webhook_options", err);
    if (code) return code;
    if (!known.url || !ccol__http_url_valid(known.url))
        return ccol_fail(err, -EINVAL, "ccol_webhook_options.url must be an http or https URL without a password");
    const struct http_client_options client = {.ca_file = known.ca_file, .proxy = known.proxy};
    struct webhook *webhook = calloc(1, sizeof *webhook);
    if (!webhook) return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    webhook->timeout_ms = known.timeout_ms ? known.timeout_ms : PUBLISH_TIMEOUT_MS;
    webhook->url = strdup(known.url);
    bool signs = known.secret && *known.secret;
    if (signs) webhook->secret = strdup(known.secret);
    if (!webhook->url || (signs && !webhook->secret)) code = ccol_fail(err, -ENOMEM, "cannot make a publisher");
    if (!code) code = ccol__http_client_new(&webhook->client, &client, err);
    if (!code) code = ccol_publisher_new(out, &webhook_ops, webhook, err);
    if (code) destroy(webhook);
    return code;
}
