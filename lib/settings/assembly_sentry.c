/* SPDX-License-Identifier: MIT */
/* From settings to what speaks to Sentry. */
#include "settings/assembly.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/folder.h"
#include "base/json_build.h"
#include "base/log_writer.h"

#define VERSION_MAX  ((size_t)64 << 10)
#define RELEASE_SIZE 200
#define COMMIT_SHOWN 8

int ccol__assembly_new_sentry(const ccol_settings *settings, ccol_storage **out, ccol_error *err)
{
    const char *minidump = ccol__settings_value(settings, SETTING_SENTRY_MINIDUMP);
    auto_free const char **hidden = ccol__assembly_words(ccol__settings_value(settings, SETTING_SENTRY_HIDDEN_FIELDS));
    if (!hidden) return ccol_fail(err, -ENOMEM, "CRASHCOLLECT_SENTRY_HIDDEN_FIELDS");
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
        .timeout_ms = ccol__assembly_amount(settings, SETTING_SENTRY_TIMEOUT),
        .max_envelope = ccol__settings_amount(settings, SETTING_SENTRY_MAX_ENVELOPE),
        .no_gzip = !ccol__assembly_switch(settings, SETTING_SENTRY_GZIP),
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

int ccol__assembly_open_reporter(ccol_settings *settings, ccol_error *err)
{
    const char *dsn = ccol__settings_value(settings, SETTING_SENTRY_DSN);
    const char *release = ccol__settings_value(settings, SETTING_SENTRY_RELEASE);
    char found[RELEASE_SIZE];
    bool wanted = ccol__assembly_switch(settings, SETTING_SENTRY_OWN_ERRORS);
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
