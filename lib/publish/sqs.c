/* SPDX-License-Identifier: MIT */
/* Publishes to a queue of Amazon SQS by its JSON protocol. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <crashcollect/publish.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "net/aws_credentials.h"
#include "net/http_answer.h"
#include "publish/publisher.h"

#define REGION     "us-east-1"
#define ANSWER_MAX ((size_t)64 << 10)

struct sqs {
    struct http_client *client;
    struct aws_credentials *credentials;
    struct sigv4 signer;
    char *endpoint, *region;
    char *queue_name; /* to be looked up; NULL: the URL was given */
    pthread_mutex_t lock;
    char *queue_url; /* under lock; NULL: not looked up yet */
    unsigned timeout_ms;
};

/* The member of that name of an answer, in the arena; NULL: there is none. */
static const char *answer_text(const struct http_response *response, const char *name, struct arena *arena)
{
    const struct json_limits limits = {.depth = 16, .number_length = 32};
    struct json *answer;
    if (!response->body.length ||
        ccol__json_parse(arena, response->body.data, response->body.length, &limits, &answer, NULL) ||
        answer->type != JSON_OBJECT)
        return NULL;
    const struct json *member = ccol__json_member(answer, name);
    return member && member->type == JSON_STRING ? member->text : NULL;
}

static bool is_about_keys(const char *type)
{
    return strstr(type, "ExpiredToken") || strstr(type, "InvalidClientTokenId") || strstr(type, "UnrecognizedClient");
}

static const char *cure_of(const char *type)
{
    if (strstr(type, "NonExistentQueue") || strstr(type, "QueueDoesNotExist"))
        return ": there is no such queue in this region; make it, or correct queue and region";
    if (strstr(type, "AccessDenied")) return ": the keys need sqs:GetQueueUrl and sqs:SendMessage on the queue";
    if (is_about_keys(type)) return ": are these keys still valid?";
    if (strstr(type, "SignatureDoesNotMatch") || strstr(type, "InvalidSignature"))
        return ": is the secret key right, and the clock?";
    return "";
}

static int answered(struct sqs *sqs, const struct http_response *response, const struct aws_keys *keys, ccol_error *err)
{
    struct arena arena;
    ccol__arena_init(&arena, NULL);
    const char *type = answer_text(response, "__type", &arena), *message = answer_text(response, "message", &arena);
    if (!message) message = answer_text(response, "Message", &arena);
    if (!type) type = "";
    if (is_about_keys(type)) ccol__aws_credentials_refused(sqs->credentials, keys);
    int code = ccol__http_answer_fail(response, CCOL_EREMOTE, "SQS", message ? message : type, cure_of(type), err);
    ccol__arena_fini(&arena);
    return code;
}

static int send_signed(struct sqs *sqs, const struct sigv4_headers *signed_, const char *body,
                       const struct aws_keys *keys, struct http_response *response, ccol_error *err)
{
    const struct http_piece piece = {body, strlen(body)};
    const struct http_request request = {.method = "POST",
                                         .url = sqs->endpoint,
                                         .headers = signed_->list,
                                         .header_count = signed_->count,
                                         .body = &piece,
                                         .body_count = 1,
                                         .total_ms = sqs->timeout_ms,
                                         .response_max = ANSWER_MAX};
    int code = ccol__http_client_perform(sqs->client, &request, response, err);
    return !code && response->status != 200 ? answered(sqs, response, keys, err) : code;
}

/* One call; response is the caller's to release, its status 0 where there was no answer. */
static int call(struct sqs *sqs, const char *target, const char *body, struct http_response *response, ccol_error *err)
{
    char hash[2 * SHA256_BYTES + 1];
    struct aws_keys *keys;
    struct sigv4_headers signed_;
    int code = ccol__aws_credentials_get(sqs->credentials, &keys, err);
    if (code) return code;
    const struct http_header headers[] = {{"Content-Type", "application/x-amz-json-1.0"}, {"X-Amz-Target", target}};
    const struct sigv4_request request = {.method = "POST",
                                          .url = sqs->endpoint,
                                          .region = sqs->region,
                                          .service = "sqs",
                                          .headers = headers,
                                          .header_count = sizeof headers / sizeof headers[0],
                                          .payload_hash = hash,
                                          .now_us = ccol__clock_now_us()};
    code = ccol__sigv4_payload_hash(hash, body, strlen(body))
               ? ccol__sigv4_sign(&sqs->signer, &request, &keys->keys, &signed_)
               : -ENOMEM;
    if (code) {
        ccol_fail(err, code, "cannot sign the request");
    } else {
        code = send_signed(sqs, &signed_, body, keys, response, err);
        ccol__sigv4_headers_fini(&signed_);
    }
    ccol__aws_keys_unref(keys);
    return code;
}

/* {NAME: TEXT, ...} of pairs; the caller frees. NULL: memory. */
static char *make_body(const char *const *pairs, size_t count)
{
    struct buffer out;
    ccol__buffer_init(&out, ANSWER_MAX, NULL);
    for (size_t i = 0; i < count; i++) {
        ccol__buffer_format(&out, "%s\"%s\": ", i ? ", " : "{", pairs[2 * i]);
        ccol__json_write_string(&out, pairs[2 * i + 1], strlen(pairs[2 * i + 1]));
    }
    if (ccol__buffer_text(&out, "}")) return out.data;
    ccol__buffer_fini(&out);
    return NULL;
}

static int look_up(struct sqs *sqs, char **url, int *status, ccol_error *err)
{
    auto_free char *body = make_body((const char *const[]){"QueueName", sqs->queue_name}, 1);
    struct http_response response = {0};
    struct arena arena;
    if (!body) return ccol_fail(err, -ENOMEM, "cannot look the queue up");
    ccol__arena_init(&arena, NULL);
    int code = call(sqs, "AmazonSQS.GetQueueUrl", body, &response, err);
    *status = response.status;
    const char *found = code ? NULL : answer_text(&response, "QueueUrl", &arena);
    if (!code && !found) code = ccol_fail(err, CCOL_EREMOTE, "SQS told no URL for the queue %s", sqs->queue_name);
    *url = found ? strdup(found) : NULL;
    if (!code && !*url) code = ccol_fail(err, -ENOMEM, "cannot look the queue up");
    ccol__arena_fini(&arena);
    ccol__http_response_fini(&response);
    return code;
}

/* The queue's URL, to be freed; looked up once. */
static int queue_url(struct sqs *sqs, char **out, int *status, ccol_error *err)
{
    pthread_mutex_lock(&sqs->lock);
    *out = sqs->queue_url ? strdup(sqs->queue_url) : NULL;
    bool known = sqs->queue_url != NULL;
    pthread_mutex_unlock(&sqs->lock);
    if (known) return *out ? 0 : ccol_fail(err, -ENOMEM, "cannot make the message");
    int code = look_up(sqs, out, status, err);
    if (code) return code;
    pthread_mutex_lock(&sqs->lock);
    if (!sqs->queue_url) sqs->queue_url = strdup(*out);
    pthread_mutex_unlock(&sqs->lock);
    return 0;
}

static int send_message(struct sqs *sqs, const char *text, int *status, ccol_error *err)
{
    auto_free char *url = NULL;
    *status = 0;
    int code = queue_url(sqs, &url, status, err);
    if (code) return code;
    auto_free char *body = make_body((const char *const[]){"QueueUrl", url, "MessageBody", text}, 2);
    if (!body) return ccol_fail(err, -ENOMEM, "cannot make the message");
    struct http_response response = {0};
    code = call(sqs, "AmazonSQS.SendMessage", body, &response, err);
    *status = response.status;
    ccol__http_response_fini(&response);
    return code;
}

static int publish(void *self, const char *crash_id, ccol_error *err)
{
    int status;
    return send_message(self, crash_id, &status, err);
}

/* Looks the queue up again, as Antenna does. */
static int check(void *self, ccol_error *err)
{
    struct sqs *sqs = self;
    auto_free char *url = NULL, *body = NULL;
    int status = 0;
    if (sqs->queue_name) return look_up(sqs, &url, &status, err);
    body = make_body((const char *const[]){"QueueUrl", sqs->queue_url}, 1);
    if (!body) return ccol_fail(err, -ENOMEM, "cannot look at the queue");
    struct http_response response = {0};
    int code = call(sqs, "AmazonSQS.GetQueueAttributes", body, &response, err);
    bool denied = response.status == 403 || (response.status == 400 && err && strstr(err->text, "denied"));
    ccol__http_response_fini(&response);
    return denied ? 0 : code; /* who may send need not be allowed to look */
}

/* Sends the message "test" as Antenna does: only so it shows that sending is allowed. */
static int verify(void *self, ccol_error *err)
{
    int status;
    int code = send_message(self, PUBLISH_TEST_MESSAGE, &status, err);
    return ccol__http_verified(code, status);
}

static void destroy(void *self)
{
    struct sqs *sqs = self;
    ccol__http_client_free(sqs->client);
    ccol__aws_credentials_free(sqs->credentials);
    ccol__sigv4_fini(&sqs->signer);
    pthread_mutex_destroy(&sqs->lock);
    free(sqs->endpoint);
    free(sqs->region);
    free(sqs->queue_name);
    free(sqs->queue_url);
    free(sqs);
}

/* Where to ask: the given place, else the origin of the queue's URL, else the region's. */
static char *make_endpoint(const ccol_sqs_options *options, const char *region)
{
    char *url = NULL;
    int length;
    const char *host = strstr(options->queue, "://");
    if (options->endpoint_url && *options->endpoint_url) {
        size_t bare = strlen(options->endpoint_url);
        while (bare && options->endpoint_url[bare - 1] == '/')
            bare--;
        length = asprintf(&url, "%.*s/", (int)bare, options->endpoint_url);
    } else if (host) {
        length = asprintf(&url, "%.*s/", (int)(host + 3 + strcspn(host + 3, "/") - options->queue), options->queue);
    } else {
        length = asprintf(&url, "https://sqs.%s.amazonaws.com/", region);
    }
    return length < 0 ? NULL : url;
}

static int fill(struct sqs *sqs, const ccol_sqs_options *options, ccol_error *err)
{
    const struct http_client_options http = {.ca_file = options->ca_file, .proxy = options->proxy};
    const char *region = options->region && *options->region ? options->region : REGION;
    const struct aws_credentials_options credentials = {
        .access_key_id = options->access_key_id, .secret = options->secret_access_key, .region = region, .http = http};
    sqs->timeout_ms = options->timeout_ms ? options->timeout_ms : PUBLISH_TIMEOUT_MS;
    bool by_url = strstr(options->queue, "://") != NULL;
    char **queue = by_url ? &sqs->queue_url : &sqs->queue_name;
    *queue = strdup(options->queue);
    sqs->region = strdup(region);
    sqs->endpoint = make_endpoint(options, region);
    if (!*queue || !sqs->region || !sqs->endpoint) return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    if (!ccol__http_url_valid(sqs->endpoint) || (by_url && !ccol__http_url_valid(sqs->queue_url)))
        return ccol_fail(err, -EINVAL, "the queue must be its name or its URL, and the endpoint an http or https URL");
    int code = ccol__http_client_new(&sqs->client, &http, err);
    return code ? code : ccol__aws_credentials_new(&sqs->credentials, &credentials, err);
}

int ccol_publisher_new_sqs(ccol_publisher **out, const ccol_sqs_options *options, ccol_error *err)
{
    static const ccol_publisher_ops sqs_ops = {.size = sizeof sqs_ops,
                                               .name = "sqs",
                                               .publish = publish,
                                               .verify = verify,
                                               .check = check,
                                               .destroy = destroy};
    ccol_sqs_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_sqs_options", err);
    if (code) return code;
    if (!known.queue || !*known.queue) return ccol_fail(err, -EINVAL, "ccol_sqs_options.queue is required");
    struct sqs *sqs = calloc(1, sizeof *sqs);
    if (!sqs) return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    pthread_mutex_init(&sqs->lock, NULL);
    ccol__sigv4_init(&sqs->signer);
    code = fill(sqs, &known, err);
    if (!code) code = ccol_publisher_new(out, &sqs_ops, sqs, err);
    if (code) destroy(sqs);
    return code;
}
