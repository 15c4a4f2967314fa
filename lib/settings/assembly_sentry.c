/* SPDX-License-Identifier: MIT */
/* From settings to what speaks to Sentry. */
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/folder.h"
#include "base/json_build.h"
#include "base/log_writer.h"
#include "settings/values.h"

#define FAILURE_WAIT_MS 5000u
#define STOP_WAIT_MS    2000u
#define VERSION_MAX     ((size_t)64 << 10)
#define RELEASE_SIZE    200
#define COMMIT_SHOWN    8

const char **ccol__settings_split(const char *list)
{
    size_t count = 0, length;
    if (!list) list = "";
    for (const char *at = list; ccol__value_next_word(&at, &length);)
        count++;
    size_t pointers = (count + 1) * sizeof(char *);
    char *memory = malloc(pointers + strlen(list) + 1);
    if (!memory) return NULL;
    const char **words = (const char **)(void *)memory;
    char *text = memory + pointers;
    const char *word;
    count = 0;
    for (const char *at = list; (word = ccol__value_next_word(&at, &length));) {
        memcpy(text, word, length);
        text[length] = '\0';
        words[count++] = text;
        text += length + 1;
    }
    words[count] = NULL;
    return words;
}

int ccol__settings_new_sentry(const ccol_settings *settings, struct ccol_storage **out, ccol_error *err)
{
    bool gzip = true;
    const char *minidump = ccol__settings_value(settings, SETTING_SENTRY_MINIDUMP);
    uint64_t timeout = ccol__settings_amount(settings, SETTING_SENTRY_TIMEOUT);
    auto_free const char **hidden = ccol__settings_split(ccol__settings_value(settings, SETTING_SENTRY_HIDDEN_FIELDS));
    if (!hidden) return ccol_fail(err, -ENOMEM, "CRASHCOLLECT_SENTRY_HIDDEN_FIELDS");
    ccol__value_switch(ccol__settings_value(settings, SETTING_SENTRY_GZIP), &gzip);
    const ccol_sentry_options options = {
        .size = sizeof options,
        .dsn = ccol__settings_value(settings, SETTING_SENTRY_DSN),
        .release = ccol__settings_value(settings, SETTING_SENTRY_RELEASE),
        .environment = ccol__settings_value(settings, SETTING_SENTRY_ENVIRONMENT),
        .dist = ccol__settings_value(settings, SETTING_SENTRY_DIST),
        .server_name = ccol__settings_value(settings, SETTING_HOSTNAME),
        .hidden_fields = hidden,
        .ca_file = ccol__settings_value(settings, SETTING_SENTRY_CA_FILE),
        .proxy = ccol__settings_value(settings, SETTING_SENTRY_PROXY),
        .timeout_ms = timeout > UINT_MAX ? UINT_MAX : (unsigned)timeout,
        .max_envelope = ccol__settings_amount(settings, SETTING_SENTRY_MAX_ENVELOPE),
        .no_gzip = !gzip,
        .plain_dump = strcmp(minidump, "attach") == 0,
        .dump_endpoint = strcmp(minidump, "endpoint") == 0,
    };
    return ccol_storage_new_sentry(out, &options, err);
}

/* VERSION:COMMIT of version.json, as Antenna calls its releases; "" if there is none. */
static void read_release(char out[RELEASE_SIZE], const char *file)
{
    static const struct json_limits limits = {.depth = 100, .number_length = 100};
    struct buffer text;
    struct arena arena;
    struct json *json;
    out[0] = '\0';
    if (!file || ccol__file_read(AT_FDCWD, file, VERSION_MAX, &text, NULL)) return;
    ccol__arena_init(&arena, NULL);
    if (text.data && ccol__json_parse(&arena, text.data, text.length, &limits, &json, NULL) == 0) {
        const char *version = ccol__json_text(json, "version"), *commit = ccol__json_text(json, "commit");
        snprintf(out, RELEASE_SIZE, "%.100s:%.*s", version && *version ? version : "none", COMMIT_SHOWN,
                 commit && *commit ? commit : "unknown");
    }
    ccol__arena_fini(&arena);
    ccol__buffer_fini(&text);
}

int ccol__settings_open_reporter(ccol_settings *settings, ccol_error *err)
{
    const char *dsn = ccol__settings_value(settings, SETTING_SENTRY_DSN);
    const char *release = ccol__settings_value(settings, SETTING_SENTRY_RELEASE);
    char found[RELEASE_SIZE];
    bool wanted = true;
    ccol__value_switch(ccol__settings_value(settings, SETTING_SENTRY_OWN_ERRORS), &wanted);
    if (settings->reporter || !wanted || !dsn || !*dsn) return 0;
    read_release(found, ccol__settings_value(settings, SETTING_VERSION_FILE));
    const ccol_reporter_options options = {
        .size = sizeof options,
        .dsn = dsn,
        .release = release    ? release
                   : found[0] ? found
                              : NULL,
        .environment = ccol__settings_value(settings, SETTING_SENTRY_ENVIRONMENT),
        .server_name = ccol__settings_value(settings, SETTING_HOSTNAME),
        .ca_file = ccol__settings_value(settings, SETTING_SENTRY_CA_FILE),
        .proxy = ccol__settings_value(settings, SETTING_SENTRY_PROXY),
        .log = ccol__log_writer_line,
        .log_user = settings->log_writer,
    };
    return ccol_reporter_new(&settings->reporter, &options, err);
}

void ccol_settings_report_failure(ccol_settings *settings, const char *cause)
{
    char text[512];
    if (!settings || !cause) return;
    snprintf(text, sizeof text, "Unhandled startup exception: %s", cause);
    ccol_settings_log(settings, CCOL_LOG_ERROR, text);
    /* The settings may be what is wrong, the DSN for one. */
    if (!settings->log_writer || ccol__settings_open_reporter(settings, NULL) || !settings->reporter) return;
    ccol_incident incident = {
        .size = sizeof incident, .type = "StartupError", .text = text, .part = "startup", .crash_id = ""};
    ccol_reporter_report(settings->reporter, &incident);
    ccol_reporter_flush(settings->reporter, FAILURE_WAIT_MS);
}

void ccol__settings_close_reporter(ccol_settings *settings)
{
    ccol_reporter_flush(settings->reporter, STOP_WAIT_MS);
    ccol_reporter_free(settings->reporter);
    settings->reporter = NULL;
}
