/* SPDX-License-Identifier: MIT */
/* Publishes to a topic of Google Cloud Pub/Sub by its REST interface. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcollect/publish.h>

#include "base/auto.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "net/google_token.h"
#include "net/http_answer.h"
#include "publish/publisher.h"

#define ENDPOINT   "https://pubsub.googleapis.com"
#define AUDIENCE   ENDPOINT "/"
#define ANSWER_MAX ((size_t)64 << 10)

struct pubsub {
    struct http_client *client;
    char *topic_url; /* of the topic; ":publish" behind it */
    struct google_token token;
    bool has_token;
    unsigned timeout_ms;
};

/* The message that Google's errors carry, in the arena; NULL: none. */
static const char *error_message(const struct http_response *response, struct arena *arena)
{
    const struct json_limits limits = {.depth = 16, .number_length = 32};
    struct json *answer;
    if (!response->body.length ||
        ccol__json_parse(arena, response->body.data, response->body.length, &limits, &answer, NULL) ||
        answer->type != JSON_OBJECT)
        return NULL;
    const struct json *error = ccol__json_member(answer, "error");
    const struct json *message = error && error->type == JSON_OBJECT ? ccol__json_member(error, "message") : NULL;
    return message && message->type == JSON_STRING ? message->text : NULL;
}

static const char *cure_of(int status)
{
    switch (status) {
    case 401:
        return ": is the key of the service account still valid, and the clock right?";
    case 403:
        return ": the service account needs the role Pub/Sub Publisher on the topic";
    case 404:
        return ": there is no such topic; make it, or correct project and topic";
    default:
        return "";
    }
}

static int answered(struct pubsub *pubsub, const struct http_response *response, ccol_error *err)
{
    struct arena arena;
    if (response->status == 401 && pubsub->has_token) ccol__google_token_drop(&pubsub->token);
    ccol__arena_init(&arena, NULL);
    int code = ccol__http_answer_fail(response, CCOL_EREMOTE, "Pub/Sub", error_message(response, &arena),
                                      cure_of(response->status), err);
    ccol__arena_fini(&arena);
    return code;
}

/* *status is 0 where there was no answer. A status that is not 2xx makes an error. */
static int call(struct pubsub *pubsub, const char *method, const char *url, const char *body, int *status,
                ccol_error *err)
{
    auto_free char *bearer = NULL;
    *status = 0;
    int code = pubsub->has_token ? ccol__google_token_get(&pubsub->token, ccol__clock_now_us(), &bearer, err) : 0;
    if (code) return code;
    const struct http_header headers[] = {{"Content-Type", "application/json"}, {"Authorization", bearer}};
    const struct http_piece piece = {body, body ? strlen(body) : 0};
    const struct http_request request = {.method = method,
                                         .url = url,
                                         .headers = headers,
                                         .header_count = bearer ? 2 : 1,
                                         .body = &piece,
                                         .body_count = body ? 1 : 0,
                                         .total_ms = pubsub->timeout_ms,
                                         .response_max = ANSWER_MAX};
    struct http_response response = {0};
    code = ccol__http_client_perform(pubsub->client, &request, &response, err);
    if (bearer) explicit_bzero(bearer, strlen(bearer));
    if (!code) *status = response.status;
    if (!code && (*status < 200 || *status > 299)) code = answered(pubsub, &response, err);
    ccol__http_response_fini(&response);
    return code;
}

static int send_message(struct pubsub *pubsub, const char *text, int *status, ccol_error *err)
{
    *status = 0;
    auto_free char *data = ccol__base64(text, strlen(text)), *url = NULL, *body = NULL;
    if (!data || asprintf(&url, "%s:publish", pubsub->topic_url) < 0 ||
        asprintf(&body, "{\"messages\": [{\"data\": \"%s\"}]}", data) < 0)
        return ccol_fail(err, -ENOMEM, "cannot make the message");
    return call(pubsub, "POST", url, body, status, err);
}

/* A wrong key file may be mended while we run, so that nothing is given up. */
static int transient(int code, ccol_error *err)
{
    if (!ccol_error_is_permanent(code)) return code;
    if (err) err->code = CCOL_EREMOTE;
    return CCOL_EREMOTE;
}

static int publish(void *self, const char *crash_id, ccol_error *err)
{
    int status;
    return transient(send_message(self, crash_id, &status, err), err);
}

static int check(void *self, ccol_error *err)
{
    struct pubsub *pubsub = self;
    int status;
    int code = call(pubsub, "GET", pubsub->topic_url, NULL, &status, err);
    return status == 403 ? 0 : code; /* who may publish need not be allowed to look */
}

/* Sends the message "test" as Antenna does: only so it shows that publishing is allowed. */
static int verify(void *self, ccol_error *err)
{
    int status;
    int code = send_message(self, PUBLISH_TEST_MESSAGE, &status, err);
    return ccol__http_verified(code, status);
}

static void destroy(void *self)
{
    struct pubsub *pubsub = self;
    ccol__http_client_free(pubsub->client);
    ccol__google_token_fini(&pubsub->token);
    free(pubsub->topic_url);
    free(pubsub);
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    return length && length == strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+%:");
}

/* The topic's URL: from "projects/P/topics/T", or from a project and a topic. */
static char *make_topic_url(const char *endpoint, const char *project, const char *topic)
{
    char *url = NULL;
    const char *slash = strncmp(topic, "projects/", 9) == 0 ? strchr(topic + 9, '/') : NULL;
    int length = -1;
    if (slash && strncmp(slash, "/topics/", 8) == 0 && is_name(slash + 8))
        length = asprintf(&url, "%s/v1/%s", endpoint, topic);
    else if (!slash && project && is_name(project) && is_name(topic))
        length = asprintf(&url, "%s/v1/projects/%s/topics/%s", endpoint, project, topic);
    return length < 0 ? NULL : url;
}

static int fill(struct pubsub *pubsub, const ccol_pubsub_options *options, ccol_error *err)
{
    const struct http_client_options client = {.ca_file = options->ca_file, .proxy = options->proxy};
    auto_free char *emulator = NULL;
    const char *endpoint = options->endpoint_url && *options->endpoint_url ? options->endpoint_url : ENDPOINT;
    pubsub->timeout_ms = options->timeout_ms ? options->timeout_ms : PUBLISH_TIMEOUT_MS;
    bool emulated = options->emulator_host && *options->emulator_host;
    if (emulated && asprintf(&emulator, "http://%s", options->emulator_host) < 0)
        return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    pubsub->topic_url = make_topic_url(emulated ? emulator : endpoint, options->project, options->topic);
    if (!pubsub->topic_url || !ccol__http_url_valid(pubsub->topic_url))
        return ccol_fail(err, -EINVAL, "the topic must be projects/PROJECT/topics/TOPIC, or a TOPIC with its project");
    if (!emulated) { /* an emulator asks for no key */
        if (!options->key_file || !*options->key_file)
            return ccol_fail(err, -EINVAL, "Pub/Sub needs the key file of a service account");
        int code = ccol__google_token_init(&pubsub->token, options->key_file, AUDIENCE, err);
        if (code) return code;
        pubsub->has_token = true;
    }
    return ccol__http_client_new(&pubsub->client, &client, err);
}

int ccol_publisher_new_pubsub(ccol_publisher **out, const ccol_pubsub_options *options, ccol_error *err)
{
    static const ccol_publisher_ops pubsub_ops = {.size = sizeof pubsub_ops,
                                                  .name = "pubsub",
                                                  .publish = publish,
                                                  .verify = verify,
                                                  .check = check,
                                                  .destroy = destroy};
    ccol_pubsub_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_pubsub_options", err);
    if (code) return code;
    if (!known.topic) return ccol_fail(err, -EINVAL, "ccol_pubsub_options.topic is required");
    struct pubsub *pubsub = calloc(1, sizeof *pubsub);
    if (!pubsub) return ccol_fail(err, -ENOMEM, "cannot make a publisher");
    code = fill(pubsub, &known, err);
    if (!code) code = ccol_publisher_new(out, &pubsub_ops, pubsub, err);
    if (code) destroy(pubsub);
    return code;
}
