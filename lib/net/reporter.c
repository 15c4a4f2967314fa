/* SPDX-License-Identifier: MIT */
#include <crashcollect/incident.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "net/reporter_event.h"
#include "net/sentry_client.h"

#define QUEUE_MAX    64
#define EVENT_MAX    ((size_t)64 << 10)
#define TIMEOUT_MS   5000u
#define PER_MINUTE   30u
#define MINUTE_MS    60000u
#define RELEASE      "none:unknown"
#define ENVIRONMENT  "production"
#define LOG_EVERY_MS 60000u

/* An event that waits to be sent. */
struct waiting {
    char id[ENVELOPE_ID_SIZE];
    struct buffer json;
};

struct ccol_reporter {
    struct sentry_client *client;
    char *release, *environment, *server_name;
    ccol_incident_fn before;
    void *before_user;
    struct log log;
    unsigned per_minute;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake, idle;
    struct waiting queue[QUEUE_MAX];
    size_t first, count;
    bool sending, stop;
    uint64_t tokens_at_ms, tokens_ms; /* a token bucket in milliseconds of a minute: one incident costs its share */
    uint64_t suppressed_since;        /* the last event */
    ccol_reporter_stats stats;
};

static void send_one(struct ccol_reporter *reporter, struct waiting *event, uint64_t *logged_ms)
{
    struct envelope envelope;
    ccol_error err = {0};
    ccol__envelope_init(&envelope, event->id, SENTRY_SDK_NAME, ccol_version_text());
    const struct envelope_item item = {
        .type = "event", .content_type = "application/json", .data = event->json.data, .length = event->json.length};
    ccol__envelope_add(&envelope, &item);
    int code = ccol__sentry_client_send(reporter->client, &envelope, CATEGORY_ERROR, &err);
    ccol__envelope_fini(&envelope);
    ccol__buffer_fini(&event->json);
    uint64_t now = ccol__clock_monotonic_ms();
    if (code && (!*logged_ms || now - *logged_ms >= LOG_EVERY_MS)) {
        *logged_ms = now;
        ccol__log(&reporter->log, CCOL_LOG_WARNING, "reporter", "", "an error of our own did not reach Sentry: %s",
                  err.text);
    } else if (!code) {
        ccol__log(&reporter->log, CCOL_LOG_INFO, "reporter", "", "Unhandled exception sent to sentry.");
    }
    pthread_mutex_lock(&reporter->lock);
    if (code)
        reporter->stats.failed++;
    else
        reporter->stats.sent++;
    pthread_mutex_unlock(&reporter->lock);
}

static void *run(void *user)
{
    struct ccol_reporter *reporter = user;
    uint64_t logged_ms = 0;
    pthread_mutex_lock(&reporter->lock);
    while (!reporter->stop) {
        if (!reporter->count) {
            pthread_cond_wait(&reporter->wake, &reporter->lock);
            continue;
        }
        struct waiting event = reporter->queue[reporter->first];
        reporter->first = (reporter->first + 1) % QUEUE_MAX;
        reporter->count--;
        reporter->sending = true;
        pthread_mutex_unlock(&reporter->lock);
        send_one(reporter, &event, &logged_ms);
        pthread_mutex_lock(&reporter->lock);
        reporter->sending = false;
        pthread_cond_broadcast(&reporter->idle);
    }
    pthread_mutex_unlock(&reporter->lock);
    return NULL;
}

/* Whether one more may go out now. */
static bool admit_locked(struct ccol_reporter *reporter)
{
    uint64_t now = ccol__clock_monotonic_ms(), price = MINUTE_MS / reporter->per_minute;
    reporter->tokens_ms += now - reporter->tokens_at_ms;
    reporter->tokens_at_ms = now;
    if (reporter->tokens_ms > MINUTE_MS) reporter->tokens_ms = MINUTE_MS;
    bool admitted = reporter->tokens_ms >= price && reporter->count < QUEUE_MAX;
    if (admitted) {
        reporter->tokens_ms -= price;
        return true;
    }
    reporter->stats.suppressed++;
    reporter->suppressed_since++;
    return false;
}

static void enqueue_locked(struct ccol_reporter *reporter, const ccol_incident *incident,
                           const struct call_stack *stack)
{
    const struct reporter_identity identity = {reporter->release, reporter->environment, reporter->server_name};
    uint8_t bytes[16];
    struct waiting event;
    if (!ccol__random_bytes(bytes, sizeof bytes)) return;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    ccol__hex(event.id, bytes, sizeof bytes);
    ccol__buffer_init(&event.json, EVENT_MAX, NULL);
    if (!ccol__reporter_event_write(&event.json, event.id, incident, &identity, stack, reporter->suppressed_since)) {
        ccol__buffer_fini(&event.json);
        reporter->stats.failed++;
        return;
    }
    reporter->suppressed_since = 0;
    reporter->queue[(reporter->first + reporter->count++) % QUEUE_MAX] = event;
    pthread_cond_signal(&reporter->wake);
}

bool ccol_reporter_report(void *user, ccol_incident *given)
{
    struct ccol_reporter *reporter = user;
    ccol_incident incident;
    if (!reporter || ccol__struct_in(&incident, sizeof incident, given, "ccol_incident", NULL)) return true;
    struct call_stack stack;
    ccol__call_stack_take(&stack, __builtin_return_address(0));
    bool wanted = !reporter->before || reporter->before(reporter->before_user, &incident);
    pthread_mutex_lock(&reporter->lock);
    if (!wanted)
        reporter->stats.vetoed++;
    else if (admit_locked(reporter))
        enqueue_locked(reporter, &incident, &stack);
    pthread_mutex_unlock(&reporter->lock);
    return true;
}

int ccol_reporter_flush(ccol_reporter *reporter, unsigned timeout_ms)
{
    uint64_t deadline = ccol__clock_monotonic_ms() + timeout_ms;
    if (!reporter) return 0;
    pthread_mutex_lock(&reporter->lock);
    while ((reporter->count || reporter->sending) && ccol__clock_monotonic_ms() < deadline)
        ccol__cond_wait_until(&reporter->idle, &reporter->lock, deadline);
    int code = reporter->count || reporter->sending ? -ETIMEDOUT : 0;
    pthread_mutex_unlock(&reporter->lock);
    return code;
}

void ccol_reporter_stats_get(ccol_reporter *reporter, ccol_reporter_stats *out)
{
    pthread_mutex_lock(&reporter->lock);
    ccol_reporter_stats stats = reporter->stats;
    pthread_mutex_unlock(&reporter->lock);
    ccol__struct_out(out, &stats, sizeof stats);
}

static void release(struct ccol_reporter *reporter)
{
    for (size_t i = 0; i < reporter->count; i++)
        ccol__buffer_fini(&reporter->queue[(reporter->first + i) % QUEUE_MAX].json);
    ccol__sentry_client_free(reporter->client);
    free(reporter->release);
    free(reporter->environment);
    free(reporter->server_name);
    pthread_cond_destroy(&reporter->wake);
    pthread_cond_destroy(&reporter->idle);
    pthread_mutex_destroy(&reporter->lock);
    free(reporter);
}

void ccol_reporter_free(ccol_reporter *reporter)
{
    if (!reporter) return;
    pthread_mutex_lock(&reporter->lock);
    reporter->stop = true;
    pthread_cond_signal(&reporter->wake);
    pthread_mutex_unlock(&reporter->lock);
    pthread_join(reporter->thread, NULL);
    release(reporter);
}

static int fill(struct ccol_reporter *reporter, const ccol_reporter_options *options, ccol_error *err)
{
    const struct sentry_client_options client = {
        .dsn = options->dsn,
        .http = {.ca_file = options->ca_file, .proxy = options->proxy},
        .timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS,
        .no_gzip = true, /* they are small */
    };
    reporter->before = options->before;
    reporter->before_user = options->before_user;
    reporter->log = (struct log){options->log, options->log_user};
    reporter->per_minute = options->per_minute ? options->per_minute : PER_MINUTE;
    if (reporter->per_minute > MINUTE_MS) reporter->per_minute = MINUTE_MS;
    reporter->tokens_ms = MINUTE_MS;
    reporter->tokens_at_ms = ccol__clock_monotonic_ms();
    reporter->release = strdup(options->release ? options->release : RELEASE);
    reporter->environment = strdup(options->environment ? options->environment : ENVIRONMENT);
    reporter->server_name = strdup(options->server_name ? options->server_name : "");
    if (!reporter->release || !reporter->environment || !reporter->server_name)
        return ccol_fail(err, -ENOMEM, "cannot make a reporter");
    return ccol__sentry_client_new(&reporter->client, &client, err);
}

int ccol_reporter_new(ccol_reporter **out, const ccol_reporter_options *options, ccol_error *err)
{
    ccol_reporter_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_reporter_options", err);
    if (code) return code;
    if (!known.dsn || !*known.dsn) return ccol_fail(err, -EINVAL, "ccol_reporter_options.dsn is required");
    struct ccol_reporter *reporter = calloc(1, sizeof *reporter);
    if (!reporter) return ccol_fail(err, -ENOMEM, "cannot make a reporter");
    pthread_mutex_init(&reporter->lock, NULL);
    ccol__cond_init(&reporter->wake);
    ccol__cond_init(&reporter->idle);
    code = fill(reporter, &known, err);
    if (!code && (code = ccol__thread_start(&reporter->thread, "ccol-reporter", run, reporter)))
        ccol_fail(err, code, "cannot start the reporter's thread");
    if (code) {
        release(reporter);
        return code;
    }
    *out = reporter;
    return 0;
}
