/* SPDX-License-Identifier: MIT */
/* The four Dockerflow endpoints and /metrics. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <crashcollect/health.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/text.h"
#include "collector/checks.h"
#include "collector/collector.h"
#include "collector/reply.h"
#include "queue/save_queue.h"
#include "storage/storage.h"

#define VERSION_MAX   ((size_t)64 << 10)
#define VERSION_DEPTH 100
#define TROUBLE_SIZE  320
#define BASIC         "Basic "

struct ccol_health {
    ccol_collector *collector; /* one reference */
    char *version_file;
    char *admin; /* base64 of user:password, or NULL */
};

struct endpoint {
    const char *path;
    enum metric counter; /* METRIC_COUNT: none */
    void (*answer)(ccol_health *health, const ccol_health_request *request, ccol_reply *reply);
};

static void answer_lbheartbeat(ccol_health *health, const ccol_health_request *request, ccol_reply *reply)
{
    (void)health;
    (void)request;
    ccol__reply_text(reply, 200, REPLY_JSON_UTF8, "");
}

static bool write_version(const ccol_health *health, struct buffer *out)
{
    struct buffer text;
    if (!health->version_file || ccol__file_read(AT_FDCWD, health->version_file, VERSION_MAX, &text, NULL))
        return false;
    struct arena arena;
    struct json *json;
    const struct json_limits limits = {.depth = VERSION_DEPTH, .number_length = 100};
    ccol__arena_init(&arena, NULL);
    bool good = ccol__json_parse(&arena, text.data ? text.data : "", text.length, &limits, &json, NULL) == 0 &&
                ccol__json_write_in_order(out, json);
    ccol__arena_fini(&arena);
    ccol__buffer_fini(&text);
    return good;
}

/* Read at each request, as a deployment may put the file in place later. */
static void answer_version(ccol_health *health, const ccol_health_request *request, ccol_reply *reply)
{
    (void)request;
    struct buffer out;
    ccol__buffer_init(&out, VERSION_MAX * 8, NULL);
    bool good = write_version(health, &out);
    ccol__reply_fill(reply, 200, REPLY_JSON_UTF8, good ? out.data : "{}", good ? out.length : 2);
    ccol__buffer_fini(&out);
}

/* What saving and publishing themselves met: known without asking anybody. */
static unsigned write_troubles(ccol_collector *collector, struct buffer *out, unsigned errors)
{
    char text[TROUBLE_SIZE];
    const ccol_collector_options *options = ccol__collector_options(collector);
    struct save_queue *queue = ccol__collector_queue(collector);
    ccol_storage *const *parts;
    size_t count = ccol__storage_parts(&options->storage, &parts);
    for (size_t i = 0; i < count; i++) {
        ccol__save_queue_storage_trouble(queue, i, text, sizeof text);
        errors = ccol__checks_write_error(out, errors, ccol_storage_name(parts[i]), text);
    }
    ccol__save_queue_publisher_trouble(queue, text, sizeof text);
    if (options->publisher)
        errors = ccol__checks_write_error(out, errors, ccol_publisher_name(options->publisher), text);
    ccol__save_queue_spool_trouble(queue, text, sizeof text);
    return ccol__checks_write_error(out, errors, "spool", text);
}

static void answer_heartbeat(ccol_health *health, const ccol_health_request *request, ccol_reply *reply)
{
    (void)request;
    struct buffer out;
    uint64_t age_ms;
    ccol_collector_stats stats = {.size = sizeof stats};
    ccol_collector_stats_get(health->collector, &stats);
    ccol__buffer_init(&out, SIZE_MAX / 4, NULL);
    ccol__buffer_text(&out, "{\"errors\": [");
    unsigned errors = ccol__checks_write_errors(ccol__collector_checks(health->collector), &out, &age_ms);
    errors = write_troubles(health->collector, &out, errors);
    ccol__metrics_gauge(ccol__collector_metrics(health->collector), METRIC_UNHEALTHY, errors);
    ccol__buffer_format(&out,
                        "], \"info\": {\"age_ms\": %llu, \"save_queue_size\": %llu, \"save_queue_bytes\": %llu, "
                        "\"oldest_age_ms\": %llu, \"memory_bytes\": %llu}}",
                        (unsigned long long)age_ms, (unsigned long long)stats.queued,
                        (unsigned long long)stats.queued_bytes, (unsigned long long)stats.oldest_age_ms,
                        (unsigned long long)stats.memory_bytes);
    ccol__reply_fill(reply, errors ? 503 : 200, REPLY_JSON, out.data ? out.data : "", out.length);
    ccol__buffer_fini(&out);
}

static bool is_admin(const ccol_health *health, const ccol_health_request *request)
{
    if (!health->admin) return true;
    const char *given = request->authorization;
    if (!given || !ccol__text_starts_nocase(given, strlen(given), BASIC)) return false;
    return ccol__text_equal_secret(given + strlen(BASIC), health->admin);
}

/* An error on purpose, to see that error reporting works. */
static void answer_broken(ccol_health *health, const ccol_health_request *request, ccol_reply *reply)
{
    if (!is_admin(health, request)) {
        ccol__reply_text(reply, 401, REPLY_JSON, "{\"title\": \"401 Unauthorized\"}");
        reply->authenticate = true;
        return;
    }
    ccol__log(ccol__collector_log(health->collector), CCOL_LOG_ERROR, "health", "",
              "Unhandled exception: /__broken__ was asked for");
    const ccol_incident incident = {.type = "Exception",
                                    .part = "health",
                                    .method = request->method,
                                    .path = request->path,
                                    .headers = request->headers,
                                    .header_count = request->headers ? request->header_count : 0};
    ccol__incident(ccol__collector_incidents(health->collector), &incident, "intentional exception");
    ccol__reply_text(reply, 500, REPLY_JSON, "{\"title\": \"500 Internal Server Error\"}");
}

static void answer_metrics(ccol_health *health, const ccol_health_request *request, ccol_reply *reply)
{
    (void)request;
    struct buffer out;
    ccol__buffer_init(&out, SIZE_MAX / 4, NULL);
    ccol__collector_update_gauges(health->collector);
    ccol__metrics_write(ccol__collector_metrics(health->collector), &out);
    ccol__reply_fill(reply, 200, "text/plain; version=0.0.4; charset=utf-8", out.data ? out.data : "", out.length);
    ccol__buffer_fini(&out);
}

static const struct endpoint endpoints[] = {
    {"/__lbheartbeat__", METRIC_HEALTH_LBHEARTBEAT, answer_lbheartbeat},
    {"/__heartbeat__", METRIC_HEALTH_HEARTBEAT, answer_heartbeat},
    {"/__version__", METRIC_HEALTH_VERSION, answer_version},
    {"/__broken__", METRIC_HEALTH_BROKEN, answer_broken},
    {"/metrics", METRIC_COUNT, answer_metrics},
};

static bool is_method(const ccol_health_request *request, const char *method)
{
    return request->method && strcmp(request->method, method) == 0;
}

static void answer_endpoint(ccol_health *health, const struct endpoint *endpoint, const ccol_health_request *request,
                            ccol_reply *reply)
{
    if (is_method(request, "OPTIONS")) {
        ccol__reply_text(reply, 200, REPLY_JSON, "");
        reply->allow = "GET";
    } else if (!is_method(request, "GET") && !is_method(request, "HEAD")) {
        ccol__reply_text(reply, 405, REPLY_JSON, "{\"title\": \"405 Method Not Allowed\"}");
        reply->allow = "GET, OPTIONS";
    } else {
        if (endpoint->counter != METRIC_COUNT)
            ccol__metrics_count(ccol__collector_metrics(health->collector), endpoint->counter, NULL);
        endpoint->answer(health, request, reply);
    }
}

bool ccol_health_answer(ccol_health *health, const ccol_health_request *request, ccol_reply *reply)
{
    ccol_health_request known;
    if (!health || !reply || ccol__struct_in(&known, sizeof known, request, "ccol_health_request", NULL) || !known.path)
        return false;
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        if (strcmp(known.path, endpoints[i].path) != 0) continue;
        ccol_reply answer = {0};
        answer_endpoint(health, &endpoints[i], &known, &answer);
        ccol__struct_out(reply, &answer, sizeof answer);
        return true;
    }
    return false;
}

int ccol_health_new(ccol_health **out, ccol_collector *collector, const ccol_health_options *options, ccol_error *err)
{
    ccol_health_options known = {0};
    int code = options ? ccol__struct_in(&known, sizeof known, options, "ccol_health_options", err) : 0;
    if (code) return code;
    ccol_health *health = calloc(1, sizeof *health);
    if (!health) return ccol_fail(err, -ENOMEM, "cannot make a health object");
    health->collector = ccol__collector_ref(collector);
    health->version_file = known.version_file ? strdup(known.version_file) : NULL;
    health->admin =
        known.admin_auth && *known.admin_auth ? ccol__base64(known.admin_auth, strlen(known.admin_auth)) : NULL;
    bool copied =
        (!known.version_file || health->version_file) && (!known.admin_auth || !*known.admin_auth || health->admin);
    if (!copied) {
        ccol_health_free(health);
        return ccol_fail(err, -ENOMEM, "cannot make a health object");
    }
    *out = health;
    return 0;
}

int ccol_health_add_probe(ccol_health *health, const char *name, ccol_probe_fn probe, void *user, ccol_error *err)
{
    if (!name || !probe) return ccol_fail(err, -EINVAL, "a probe needs a name and a function");
    int code = ccol__checks_add(ccol__collector_checks(health->collector), name, probe, user, health);
    return code ? ccol_fail(err, code, "no room for another probe") : 0;
}

void ccol_health_free(ccol_health *health)
{
    if (!health) return;
    ccol__checks_remove(ccol__collector_checks(health->collector), health);
    ccol__collector_unref(health->collector);
    free(health->version_file);
    free(health->admin);
    free(health);
}
