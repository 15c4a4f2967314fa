/* SPDX-License-Identifier: MIT */
#include "net/aws_credentials.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "net/aws_sources.h"

#define AHEAD_MAX_US (INT64_C(300) * 1000000) /* renewed so long before they expire, but */
#define AHEAD_SHARE  4                        /* not before this part of their life is left */
#define RETRY_MS     10000u                   /* after a failure */
#define RETRY_MIN_MS 250u                     /* the same when the life of keys is short */
#define REFUSED_MS   5000u                    /* between two looks because of a refusal */
#define WAIT_MS      30000u                   /* for another thread that looks for keys */

struct aws_credentials {
    struct aws_sources sources;
    struct aws_keys *given; /* for ever */
    struct log log;
    pthread_mutex_t lock; /* guards what follows; sources belong to the one who renews */
    pthread_cond_t renewed;
    struct aws_keys *keys;
    bool renewing, refused;
    uint64_t not_before_ms; /* of the next look */
    uint64_t looked_ms;     /* the last look that found keys */
    ccol_error failure;     /* of the last look */
};

int ccol__aws_credentials_new(struct aws_credentials **out, const struct aws_credentials_options *options,
                              ccol_error *err)
{
    bool id = options->access_key_id && *options->access_key_id, secret = options->secret && *options->secret;
    if (id != secret) return ccol_fail(err, -EINVAL, "an access key id and its secret must be given together");
    struct aws_credentials *credentials = calloc(1, sizeof *credentials);
    if (!credentials) return ccol_fail(err, -ENOMEM, "credentials");
    int code = ccol__aws_sources_init(&credentials->sources, options->region, &options->http, err);
    if (code) {
        free(credentials);
        return code;
    }
    credentials->log = options->log;
    pthread_mutex_init(&credentials->lock, NULL);
    ccol__cond_init(&credentials->renewed);
    if (id) {
        credentials->given =
            ccol__aws_keys_new(options->access_key_id, options->secret, options->session_token, 0, "the settings");
        if (!credentials->given) code = ccol_fail(err, -ENOMEM, "credentials");
    }
    if (code) {
        ccol__aws_credentials_free(credentials);
        return code;
    }
    *out = credentials;
    return 0;
}

void ccol__aws_credentials_free(struct aws_credentials *credentials)
{
    if (!credentials) return;
    ccol__aws_keys_unref(credentials->given);
    ccol__aws_keys_unref(credentials->keys);
    ccol__aws_sources_fini(&credentials->sources);
    pthread_cond_destroy(&credentials->renewed);
    pthread_mutex_destroy(&credentials->lock);
    free(credentials);
}

/* The first source that is configured decides; the instance's metadata is asked when none is. */
static int look(struct aws_credentials *credentials, struct aws_keys **out, ccol_error *err)
{
    static int (*const from[])(struct aws_sources *, struct aws_keys **, ccol_error *) = {
        ccol__aws_from_environment, ccol__aws_from_profile, ccol__aws_from_web_identity, ccol__aws_from_container};
    int code = 0;
    ccol_error cause = {0};
    *out = NULL;
    for (size_t i = 0; i < sizeof from / sizeof from[0] && !code && !*out; i++)
        code = from[i](&credentials->sources, out, &cause);
    if (*out) return 0;
    if (code) return ccol_fail(err, CCOL_EREMOTE, "no AWS credentials: %s", cause.text);
    code = ccol__aws_from_instance(&credentials->sources, out, &cause);
    if (*out) return 0;
    return ccol_fail(err, CCOL_EREMOTE,
                     "no AWS credentials: give an access key and its secret, AWS_ACCESS_KEY_ID and "
                     "AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role%s%.100s",
                     code ? "; " : "", code ? cause.text : "");
}

static int64_t ahead_us(const struct aws_keys *keys)
{
    int64_t share = (keys->expires_us - keys->fetched_us) / AHEAD_SHARE;
    return share < AHEAD_MAX_US ? share : AHEAD_MAX_US;
}

static bool is_valid(const struct aws_keys *keys, int64_t now_us)
{
    return keys && (!keys->expires_us || now_us < keys->expires_us);
}

static bool is_due(const struct aws_keys *keys, int64_t now_us)
{
    return !keys || (keys->expires_us && now_us >= keys->expires_us - ahead_us(keys));
}

static void tell(const struct aws_credentials *credentials, const struct aws_keys *found, const ccol_error *failure)
{
    char when[CCOL_ISO8601_SIZE];
    if (found && found->expires_us)
        ccol__log(&credentials->log, CCOL_LOG_INFO, "aws", "", "credentials from %s, valid until %s", found->source,
                  ccol__clock_iso8601(when, found->expires_us));
    else if (found)
        ccol__log(&credentials->log, CCOL_LOG_INFO, "aws", "", "credentials from %s", found->source);
    else
        ccol__log(&credentials->log, CCOL_LOG_WARNING, "aws", "", "cannot renew the credentials: %s", failure->text);
}

static unsigned pause_ms(const struct aws_keys *keys)
{
    int64_t ahead = keys && keys->expires_us ? ahead_us(keys) / 1000 / 8 : RETRY_MS;
    if (ahead > RETRY_MS) return RETRY_MS;
    return ahead < RETRY_MIN_MS ? RETRY_MIN_MS : (unsigned)ahead;
}

/* Under the lock, which is let go while it looks. */
static void renew_locked(struct aws_credentials *credentials)
{
    struct aws_keys *found = NULL, *old = NULL;
    ccol_error failure = {0};
    credentials->renewing = true;
    pthread_mutex_unlock(&credentials->lock);
    look(credentials, &found, &failure);
    if (found && !is_valid(found, ccol__clock_now_us())) {
        ccol_fail(&failure, CCOL_EREMOTE, "%s: gave keys that had expired already: is this machine's clock right?",
                  found->source);
        ccol__aws_keys_unref(found);
        found = NULL;
    }
    tell(credentials, found, &failure);
    pthread_mutex_lock(&credentials->lock);
    credentials->renewing = false;
    credentials->failure = failure;
    uint64_t now_ms = ccol__clock_monotonic_ms();
    credentials->not_before_ms = found ? 0 : now_ms + pause_ms(credentials->keys);
    if (found) {
        old = credentials->keys;
        credentials->keys = found;
        credentials->refused = false;
        credentials->looked_ms = now_ms;
    }
    ccol__aws_keys_unref(old);
    pthread_cond_broadcast(&credentials->renewed);
}

static bool may_look_locked(const struct aws_credentials *credentials)
{
    return !credentials->renewing && ccol__clock_monotonic_ms() >= credentials->not_before_ms;
}

int ccol__aws_credentials_get(struct aws_credentials *credentials, struct aws_keys **out, ccol_error *err)
{
    *out = ccol__aws_keys_ref(credentials->given);
    if (*out) return 0;
    uint64_t deadline_ms = ccol__clock_monotonic_ms() + WAIT_MS;
    pthread_mutex_lock(&credentials->lock);
    bool wanted = credentials->refused || is_due(credentials->keys, ccol__clock_now_us());
    if (wanted && may_look_locked(credentials)) renew_locked(credentials);
    while (!is_valid(credentials->keys, ccol__clock_now_us()) && credentials->renewing &&
           ccol__clock_monotonic_ms() < deadline_ms)
        ccol__cond_wait_until(&credentials->renewed, &credentials->lock, deadline_ms);
    if (is_valid(credentials->keys, ccol__clock_now_us())) *out = ccol__aws_keys_ref(credentials->keys);
    ccol_error failure = credentials->failure;
    pthread_mutex_unlock(&credentials->lock);
    if (*out) return 0;
    if (!failure.code) return ccol_fail(err, -ETIMEDOUT, "waiting for AWS credentials");
    if (err) *err = failure;
    return failure.code;
}

bool ccol__aws_credentials_refused(struct aws_credentials *credentials, const struct aws_keys *keys)
{
    if (credentials->given) return false;
    pthread_mutex_lock(&credentials->lock);
    bool newer = credentials->keys && credentials->keys != keys;
    bool soon = credentials->looked_ms && ccol__clock_monotonic_ms() - credentials->looked_ms < REFUSED_MS;
    if (!newer && !soon) credentials->refused = true;
    pthread_mutex_unlock(&credentials->lock);
    return newer || !soon;
}
