/* SPDX-License-Identifier: MIT */
/* From settings to what speaks to Sentry. */
#include "settings/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "settings/values.h"

const char **ccol__settings_split(const char *list)
{
    size_t count = 0, length;
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
        .plain_dump = strcmp(ccol__settings_value(settings, SETTING_SENTRY_MINIDUMP), "attach") == 0,
    };
    return ccol_storage_new_sentry(out, &options, err);
}
