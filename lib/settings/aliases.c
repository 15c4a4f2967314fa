/* SPDX-License-Identifier: MIT */
/* Variables of other programs that mean what one of ours means: Antenna's of all years, and systemd's folder. */
#include "settings/settings.h"
#include "settings/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum form {
    FORM_SAME,
    FORM_LEVEL,
    FORM_READABLE,
    FORM_PORT,
    FORM_SECONDS,
    FORM_CLASS,
    FORM_RULES,
    FORM_BASE,
    FORM_FIRST
};

static const struct alias {
    const char *name;
    enum setting_id id; /* SETTING_COUNT: nothing here means the same */
    enum form form;
} aliases[] = {
    {"STATE_DIRECTORY", SETTING_DATA_DIR, FORM_FIRST},
    {"BASEDIR", SETTING_VERSION_FILE, FORM_BASE},
    {"PORT", SETTING_LISTEN, FORM_PORT},
    {"LOGGING_LEVEL", SETTING_LOG_LEVEL, FORM_LEVEL},
    {"LOCAL_DEV_ENV", SETTING_LOG_FORMAT, FORM_READABLE},
    {"HOST_ID", SETTING_HOSTNAME, FORM_SAME},
    {"HOSTNAME", SETTING_HOSTNAME, FORM_SAME},
    {"STATSD_HOST", SETTING_STATSD_HOST, FORM_SAME},
    {"STATSD_PORT", SETTING_STATSD_PORT, FORM_SAME},
    {"STATSD_NAMESPACE", SETTING_STATSD_PREFIX, FORM_SAME},
    {"DUMP_ID_PREFIX", SETTING_CRASH_ID_PREFIX, FORM_SAME},
    {"THROTTLE_RULES", SETTING_THROTTLE_RULES, FORM_RULES},
    {"BREAKPAD_THROTTLE_RULES", SETTING_THROTTLE_RULES, FORM_RULES},
    {"BREAKPAD_THROTTLER_RULES", SETTING_THROTTLE_RULES, FORM_RULES},
    {"BREAKPAD_STAGE_SUBMITTER_BEARER_TOKEN", SETTING_SUBMITTER_TOKEN, FORM_SAME},
    {"CONCURRENT_CRASHMOVERS", SETTING_CONCURRENT_CRASHMOVERS, FORM_SAME},
    {"CRASHMOVER_CONCURRENT_CRASHMOVERS", SETTING_CONCURRENT_CRASHMOVERS, FORM_SAME},
    {"CRASHMOVER_MAX_ATTEMPTS", SETTING_SAVE_ATTEMPTS, FORM_SAME},
    {"CRASHMOVER_RETRY_SLEEP_SECONDS", SETTING_RETRY_FIRST, FORM_SECONDS},
    {"CRASHSTORAGE_CLASS", SETTING_STORAGE, FORM_CLASS},
    {"CRASHMOVER_CRASHSTORAGE_CLASS", SETTING_STORAGE, FORM_CLASS},
    {"CRASHPUBLISH_CLASS", SETTING_PUBLISH, FORM_CLASS},
    {"CRASHMOVER_CRASHPUBLISH_CLASS", SETTING_PUBLISH, FORM_CLASS},
    {"CRASHPUBLISH_QUEUE_NAME", SETTING_SQS_QUEUE, FORM_SAME},
    {"CRASHPUBLISH_REGION", SETTING_SQS_REGION, FORM_SAME},
    {"CRASHPUBLISH_ENDPOINT_URL", SETTING_SQS_ENDPOINT_URL, FORM_SAME},
    {"CRASHPUBLISH_ACCESS_KEY", SETTING_SQS_ACCESS_KEY_ID, FORM_SAME},
    {"CRASHPUBLISH_SECRET_ACCESS_KEY", SETTING_SQS_SECRET_ACCESS_KEY, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_QUEUE_NAME", SETTING_SQS_QUEUE, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_REGION", SETTING_SQS_REGION, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_ENDPOINT_URL", SETTING_SQS_ENDPOINT_URL, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_ACCESS_KEY", SETTING_SQS_ACCESS_KEY_ID, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_SECRET_ACCESS_KEY", SETTING_SQS_SECRET_ACCESS_KEY, FORM_SAME},
    {"CRASHPUBLISH_PROJECT_ID", SETTING_PUBSUB_PROJECT, FORM_SAME},
    {"CRASHPUBLISH_TOPIC_NAME", SETTING_PUBSUB_TOPIC, FORM_SAME},
    {"CRASHPUBLISH_SERVICE_ACCOUNT_FILE", SETTING_PUBSUB_KEY_FILE, FORM_SAME},
    {"CRASHPUBLISH_TIMEOUT", SETTING_PUBLISH_TIMEOUT, FORM_SECONDS},
    {"CRASHMOVER_CRASHPUBLISH_PROJECT_ID", SETTING_PUBSUB_PROJECT, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_TOPIC_NAME", SETTING_PUBSUB_TOPIC, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_SERVICE_ACCOUNT_FILE", SETTING_PUBSUB_KEY_FILE, FORM_SAME},
    {"CRASHMOVER_CRASHPUBLISH_TIMEOUT", SETTING_PUBLISH_TIMEOUT, FORM_SECONDS},
    {"GOOGLE_APPLICATION_CREDENTIALS", SETTING_PUBSUB_KEY_FILE, FORM_SAME},
    {"PUBSUB_EMULATOR_HOST", SETTING_PUBSUB_EMULATOR, FORM_SAME},
    {"CRASHSTORAGE_FS_ROOT", SETTING_FS_ROOT, FORM_SAME},
    {"CRASHMOVER_CRASHSTORAGE_FS_ROOT", SETTING_FS_ROOT, FORM_SAME},
    {"CRASHSTORAGE_BUCKET_NAME", SETTING_S3_BUCKET, FORM_SAME},
    {"CRASHMOVER_CRASHSTORAGE_BUCKET_NAME", SETTING_S3_BUCKET, FORM_SAME},
    {"CRASHSTORAGE_REGION", SETTING_S3_REGION, FORM_SAME},
    {"CRASHMOVER_CRASHSTORAGE_REGION", SETTING_S3_REGION, FORM_SAME},
    {"S3_REGION", SETTING_S3_REGION, FORM_SAME},
    {"AWS_REGION", SETTING_S3_REGION, FORM_SAME},
    {"AWS_DEFAULT_REGION", SETTING_S3_REGION, FORM_SAME},
    {"CRASHSTORAGE_ENDPOINT_URL", SETTING_S3_ENDPOINT_URL, FORM_SAME},
    {"CRASHMOVER_CRASHSTORAGE_ENDPOINT_URL", SETTING_S3_ENDPOINT_URL, FORM_SAME},
    {"S3_ENDPOINT_URL", SETTING_S3_ENDPOINT_URL, FORM_SAME},
    {"AWS_ENDPOINT_URL_S3", SETTING_S3_ENDPOINT_URL, FORM_SAME},
    {"CRASHSTORAGE_ACCESS_KEY", SETTING_S3_ACCESS_KEY_ID, FORM_SAME},
    {"CRASHMOVER_CRASHSTORAGE_ACCESS_KEY", SETTING_S3_ACCESS_KEY_ID, FORM_SAME},
    {"CRASHSTORAGE_SECRET_ACCESS_KEY", SETTING_S3_SECRET_ACCESS_KEY, FORM_SAME},
    {"CRASHMOVER_CRASHSTORAGE_SECRET_ACCESS_KEY", SETTING_S3_SECRET_ACCESS_KEY, FORM_SAME},
    {"AWS_CA_BUNDLE", SETTING_S3_CA_FILE, FORM_SAME},
    {"PRODUCTS", SETTING_COUNT, FORM_RULES},
    {"BREAKPAD_THROTTLER_PRODUCTS", SETTING_COUNT, FORM_RULES},
    {"BREAKPAD_THROTTLER_PRODUCT_PACKAGENAMES", SETTING_COUNT, FORM_RULES},
    {"DUMP_FIELD", SETTING_COUNT, FORM_SAME},
    {"BREAKPAD_DUMP_FIELD", SETTING_COUNT, FORM_SAME},
    {"METRICS_CLASS", SETTING_COUNT, FORM_SAME},
    {"SECRET_SENTRY_DSN", SETTING_SENTRY_DSN, FORM_SAME},
    {"GUNICORN_WORKERS", SETTING_COUNT, FORM_SAME},
    {"GUNICORN_WORKER_CLASS", SETTING_COUNT, FORM_SAME},
    {"GUNICORN_WORKER_CONNECTIONS", SETTING_COUNT, FORM_SAME},
    {"GUNICORN_MAX_REQUESTS", SETTING_COUNT, FORM_SAME},
    {"GUNICORN_MAX_REQUESTS_JITTER", SETTING_COUNT, FORM_SAME},
    {"CMD_PREFIX", SETTING_COUNT, FORM_SAME},
};

/* Antenna names Python objects by dotted paths; the last name is enough to know them. */
static const struct {
    const char *python, *ours;
} names[] = {
    {"FSCrashStorage", "fs"},         {"NoOpCrashStorage", "null"}, {"S3CrashStorage", "s3"},
    {"GcsCrashStorage", "gcs"},       {"NoOpCrashPublish", "none"}, {"SQSCrashPublish", "sqs"},
    {"PubSubCrashPublish", "pubsub"}, {"MOZILLA_RULES", "mozilla"}, {"mozilla_rules", "mozilla"},
    {"ACCEPT_ALL", "accept-all"},     {"accept_all", "accept-all"},
};

static char *from_python(const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *last = dot ? dot + 1 : path;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(last, names[i].python) == 0) return strdup(names[i].ours);
    }
    return strdup(path);
}

static char *level(const char *value)
{
    static const char *const levels[][2] = {{"CRITICAL", "error"}, {"ERROR", "error"}, {"WARNING", "warning"},
                                            {"WARN", "warning"},   {"INFO", "info"},   {"DEBUG", "debug"}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcasecmp(value, levels[i][0]) == 0) return strdup(levels[i][1]);
    }
    return strdup(value);
}

static char *translated(enum form form, const char *value)
{
    char *text = NULL;
    bool on;
    switch (form) {
    case FORM_SAME:
        return strdup(value);
    case FORM_LEVEL:
        return level(value);
    case FORM_READABLE:
        return ccol__value_switch(value, &on) && on ? strdup("text") : NULL;
    case FORM_PORT:
        return asprintf(&text, "0.0.0.0:%s", value) < 0 ? NULL : text;
    case FORM_SECONDS:
        return asprintf(&text, "%ss", value) < 0 ? NULL : text;
    case FORM_CLASS:
    case FORM_RULES:
        return from_python(value);
    case FORM_BASE:
        return asprintf(&text, "%s/version.json", value) < 0 ? NULL : text;
    case FORM_FIRST: /* of several, with colons between them */
        return strndup(value, strcspn(value, ":"));
    }
    return NULL;
}

bool ccol__alias_translate(const char *name, const char *value, const char **alias, int *id, char **out)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(name, aliases[i].name) != 0) continue;
        *alias = aliases[i].name;
        *id = (int)aliases[i].id;
        if (aliases[i].id == SETTING_COUNT)
            *out = strdup(aliases[i].form == FORM_RULES ? "products and packages belong into the rules file"
                                                        : "there is nothing to set");
        else
            *out = value[0] ? translated(aliases[i].form, value) : NULL; /* Antenna's "" is its default */
        return true;
    }
    return false;
}
