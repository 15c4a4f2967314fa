/* SPDX-License-Identifier: MIT */
#include "settings/assembly.h"

#include "net/dsn.h"
#include "net/http_client.h"
#include "settings/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VALUE_SHOWN 120

struct check {
    const ccol_settings *settings;
    void (*tell)(void *user, const char *mistake);
    void *user;
    int mistakes;
};

static void tell(struct check *check, enum setting_id id, const char *format, ...) CCOL_PRINTF(3, 4);

static void tell(struct check *check, enum setting_id id, const char *format, ...)
{
    const struct setting *it = &ccol__setting_table[id];
    const struct setting_value *slot = &check->settings->values[id];
    const char *value = ccol__settings_value(check->settings, id);
    char cause[400], line[800];
    va_list args;
    va_start(args, format);
    vsnprintf(cause, sizeof cause, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s=%.*s%s%s%s: %s", it->variable, VALUE_SHOWN,
             value && it->secret ? "*****"
             : value             ? value
                                 : "",
             slot->alias ? " (from " : "", slot->alias ? slot->alias : "", slot->alias ? ")" : "", cause);
    check->mistakes++;
    check->tell(check->user, line);
}

static void show_amount(char *out, size_t size, enum setting_type type, uint64_t amount)
{
    static const struct {
        enum setting_type type;
        uint64_t factor;
        const char *name;
    } units[] = {{TYPE_SIZE, UINT64_C(1) << 40, "TiB"},
                 {TYPE_SIZE, UINT64_C(1) << 30, "GiB"},
                 {TYPE_SIZE, UINT64_C(1) << 20, "MiB"},
                 {TYPE_SIZE, UINT64_C(1) << 10, "KiB"},
                 {TYPE_TIME, 86400000, "d"},
                 {TYPE_TIME, 3600000, "h"},
                 {TYPE_TIME, 1000, "s"},
                 {TYPE_TIME, 1, "ms"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].type != type || amount % units[i].factor != 0) continue;
        snprintf(out, size, "%" PRIu64 "%s", amount / units[i].factor, units[i].name);
        return;
    }
    snprintf(out, size, "%" PRIu64, amount);
}

static void check_amount(struct check *check, enum setting_id id, const char *value)
{
    const struct setting *it = &ccol__setting_table[id];
    const char *none = ccol__setting_is_off(id, it->fallback) ? " or none" : "";
    uint64_t amount;
    if (it->type == TYPE_SIZE && !ccol__value_size(value, &amount)) {
        tell(check, id, "not a size; give bytes, or a number with KiB, MiB or GiB such as 25MiB%s", none);
        return;
    }
    if (it->type == TYPE_TIME && !ccol__value_time(value, &amount)) {
        tell(check, id, "not a length of time; give a number with its unit, ms, s, m, h or d, such as 30s%s", none);
        return;
    }
    if (it->type == TYPE_NUMBER && !ccol__value_number(value, &amount)) {
        tell(check, id, "not a number; give digits only%s", none);
        return;
    }
    if (amount >= it->least && amount <= it->most) return;
    char least[32], most[32];
    show_amount(least, sizeof least, it->type, it->least);
    show_amount(most, sizeof most, it->type, it->most);
    tell(check, id, "out of range; give %s to %s%s", least, most, none);
}

static void check_choice(struct check *check, enum setting_id id, const char *value)
{
    unsigned index;
    const char *choices = ccol__setting_table[id].argument;
    if (!ccol__value_choice(choices, value, strlen(value), &index)) tell(check, id, "unknown; give one of %s", choices);
}

static void check_choices(struct check *check, enum setting_id id, const char *value)
{
    const char *choices = ccol__setting_table[id].argument, *word;
    uint64_t seen = 0;
    size_t length;
    for (const char *at = value; (word = ccol__value_next_word(&at, &length));) {
        unsigned index;
        if (!ccol__value_choice(choices, word, length, &index))
            tell(check, id, "\"%.*s\" is unknown; give one or more of %s with commas between them",
                 (int)(length < 60 ? length : 60), word, choices);
        else if (seen & UINT64_C(1) << index)
            tell(check, id, "\"%.*s\" stands there twice; leave one out", (int)length, word);
        else
            seen |= UINT64_C(1) << index;
    }
}

static void check_dsn(struct check *check, enum setting_id id, const char *value)
{
    struct dsn dsn;
    ccol_error err;
    if (ccol__dsn_parse(&dsn, value, &err) != 0) tell(check, id, "%s", err.text);
}

static void check_readable(struct check *check, enum setting_id id, const char *value)
{
    if (access(value, R_OK) != 0) tell(check, id, "cannot be read: %s", ccol_strerror(-errno));
}

static void check_patterns(struct check *check, enum setting_id id, const char *value)
{
    ccol_error err;
    if (ccol__assembly_check_patterns(id, value, &err) != 0) tell(check, id, "%s", err.text);
}

static void check_rules(struct check *check, enum setting_id id, const char *value)
{
    ccol_throttle *throttle;
    ccol_error err;
    if (ccol_throttle_new_named(&throttle, value, &err) != 0)
        tell(check, id, "%s", err.text);
    else
        ccol_throttle_unref(throttle);
}

/* A name, an IPv4 or an IPv6 address; only the last holds colons, and then more than one. */
static bool is_host(const char *value)
{
    const char *colon = strchr(value, ':');
    return !strpbrk(value, " \t/[]") && (!colon || strchr(colon + 1, ':'));
}

static void check_value(struct check *check, enum setting_id id, const char *value)
{
    bool on;
    uint64_t mask;
    switch (ccol__setting_table[id].type) {
    case TYPE_SIGNALS:
        if (!ccol__value_signals(value, &mask))
            tell(check, id, "not a list of signals; give names such as SEGV,ABRT,KILL");
        break;
    case TYPE_SIZE:
    case TYPE_TIME:
    case TYPE_NUMBER:
        check_amount(check, id, value);
        break;
    case TYPE_SWITCH:
        if (!ccol__value_switch(value, &on)) tell(check, id, "neither on nor off; give one of the two");
        break;
    case TYPE_CHOICE:
        check_choice(check, id, value);
        break;
    case TYPE_CHOICES:
        check_choices(check, id, value);
        break;
    case TYPE_ADDRESS:
        if (!ccol__value_address(value))
            tell(check, id, "not an address; give HOST:PORT, [V6]:PORT, unix:PATH or fd:N");
        break;
    case TYPE_CREDENTIALS:
        if (!strchr(value, ':')) tell(check, id, "there is no colon in it; give USER:PASSWORD");
        break;
    case TYPE_DSN:
        if (*value) check_dsn(check, id, value); /* "" is the DSN that sends nothing */
        break;
    case TYPE_FILE:
        check_readable(check, id, value);
        break;
    case TYPE_PATTERNS:
        check_patterns(check, id, value);
        break;
    case TYPE_HOST:
        if (!is_host(value)) tell(check, id, "not a host; give a name or an address, without a port");
        break;
    case TYPE_URL:
        if (!ccol__http_url_valid(value))
            tell(check, id, "not a URL; give http:// or https:// with a host and without a password");
        break;
    case TYPE_RULES:
        check_rules(check, id, value);
        break;
    case TYPE_LIST:
    case TYPE_PATH:
    case TYPE_PREFIX:
    case TYPE_TEXT:
        break;
    }
}

static bool is_set(const struct check *check, enum setting_id id)
{
    const char *value = ccol__settings_value(check->settings, id);
    return value && *value;
}

static bool names_word(const char *list, const char *word)
{
    const char *found;
    size_t length;
    for (const char *at = list; (found = ccol__value_next_word(&at, &length));) {
        if (length == strlen(word) && memcmp(found, word, length) == 0) return true;
    }
    return false;
}

/* What a choice cannot do without. */
static const struct need {
    enum setting_id chooser;
    const char *choice;
    enum setting_id needed;
} needs[] = {
    /* clang-format off */
    {SETTING_STORAGE, "s3", SETTING_S3_BUCKET},
    {SETTING_STORAGE, "upstream", SETTING_UPSTREAM_URL},
    {SETTING_STORAGE, "sentry", SETTING_SENTRY_DSN},
    {SETTING_PUBLISH, "webhook", SETTING_WEBHOOK_URL},
    {SETTING_PUBLISH, "sqs", SETTING_SQS_QUEUE},
    {SETTING_PUBLISH, "pubsub", SETTING_PUBSUB_TOPIC},
    {SETTING_PUBLISH, "amqp", SETTING_AMQP_URL},
    /* clang-format on */
};

/* What another program's variable says, such as AWS_CA_BUNDLE, is no mistake where nothing that was chosen takes it. */
static bool is_idle(const struct check *check, enum setting_id id)
{
    const char *option = ccol__setting_table[id].option;
    if (!check->settings->values[id].alias || id == SETTING_SENTRY_DSN) return false; /* it takes our own errors too */
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        size_t length = strlen(needs[i].choice);
        if (strncmp(option, needs[i].choice, length) == 0 && option[length] == '-')
            return !names_word(ccol__settings_value(check->settings, needs[i].chooser), needs[i].choice);
    }
    return false;
}

static void check_needs(struct check *check)
{
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        const struct need *need = &needs[i];
        if (is_set(check, need->needed) ||
            !names_word(ccol__settings_value(check->settings, need->chooser), need->choice))
            continue;
        tell(check, need->chooser, "%s needs %s too", need->choice, ccol__setting_table[need->needed].variable);
    }
}

static void check_intake(struct check *check)
{
    bool on = false;
    ccol__value_switch(ccol__settings_value(check->settings, SETTING_SENTRY_INTAKE), &on);
    if (on && !is_set(check, SETTING_SENTRY_INTAKE_KEYS))
        tell(check, SETTING_SENTRY_INTAKE, "nobody could post: list the keys in CRASHCOLLECT_SENTRY_INTAKE_KEYS too");
}

static void check_sessions(struct check *check)
{
    const ccol_settings *settings = check->settings;
    bool on = false;
    ccol__value_switch(ccol__settings_value(settings, SETTING_SENTRY_SESSIONS), &on);
    if (!on || !ccol__settings_has(settings, SETTING_SENTRY_SESSIONS)) return;
    const char *storages = ccol__settings_value(settings, SETTING_STORAGE);
    if (!names_word(storages, "sentry") && !names_word(storages, "upstream"))
        tell(check, SETTING_SENTRY_SESSIONS, "they go nowhere: add sentry to CRASHCOLLECT_STORAGE");
    if (!is_set(check, SETTING_SENTRY_RELEASE) && !is_set(check, SETTING_PRODUCT_VERSION))
        tell(check, SETTING_SENTRY_SESSIONS,
             "they are counted by release: give CRASHCOLLECT_SENTRY_RELEASE or CRASHCOLLECT_PRODUCT_VERSION");
}

static void check_logs(struct check *check)
{
    const ccol_settings *settings = check->settings;
    const char *least = ccol__settings_value(settings, SETTING_SENTRY_LOGS);
    const char *storage = ccol__settings_value(settings, SETTING_STORAGE);
    if (!ccol__settings_has(settings, SETTING_SENTRY_LOGS) || strcmp(least, "off") == 0) return;
    if (strcmp(storage, "sentry") != 0)
        tell(check, SETTING_SENTRY_LOGS, "every storage would get all lines: give CRASHCOLLECT_STORAGE=sentry alone");
}

static void check_publish(struct check *check)
{
    const char *publish = ccol__settings_value(check->settings, SETTING_PUBLISH);
    bool amqp = strcmp(publish, "amqp") == 0, pubsub = strcmp(publish, "pubsub") == 0;
    if (amqp && is_set(check, SETTING_AMQP_QUEUE) == is_set(check, SETTING_AMQP_EXCHANGE))
        tell(check, SETTING_PUBLISH, "amqp needs one of CRASHCOLLECT_AMQP_QUEUE and CRASHCOLLECT_AMQP_EXCHANGE");
    if (pubsub && !is_set(check, SETTING_PUBSUB_KEY_FILE) && !is_set(check, SETTING_PUBSUB_EMULATOR))
        tell(check, SETTING_PUBLISH, "pubsub needs the key of a service account, CRASHCOLLECT_PUBSUB_KEY_FILE");
}

/* What only shows when two settings are seen together. */
static void check_together(struct check *check)
{
    const ccol_settings *settings = check->settings;
    bool cert = ccol__settings_value(settings, SETTING_TLS_CERT), key = ccol__settings_value(settings, SETTING_TLS_KEY);
    if (cert && !key) tell(check, SETTING_TLS_CERT, "there is no key for it; set CRASHCOLLECT_TLS_KEY too");
    if (key && !cert) tell(check, SETTING_TLS_KEY, "there is no certificate for it; set CRASHCOLLECT_TLS_CERT too");
    uint64_t budget = ccol__settings_amount(settings, SETTING_MEMORY_BUDGET);
    if (budget && budget < ccol__settings_amount(settings, SETTING_MAX_BODY))
        tell(check, SETTING_MEMORY_BUDGET,
             "smaller than one body may be (CRASHCOLLECT_MAX_BODY=%s); raise it or lower the other",
             ccol__settings_value(settings, SETTING_MAX_BODY));
    uint64_t longest = ccol__settings_amount(settings, SETTING_RETRY_MAX);
    if (longest && ccol__settings_amount(settings, SETTING_RETRY_FIRST) > longest)
        tell(check, SETTING_RETRY_FIRST, "longer than the longest pause (CRASHCOLLECT_RETRY_MAX=%s); lower it",
             ccol__settings_value(settings, SETTING_RETRY_MAX));
    check_intake(check);
    check_sessions(check);
    check_logs(check);
    check_publish(check);
    if (strcmp(ccol__settings_value(settings, SETTING_FS_ROOT), ccol__settings_value(settings, SETTING_SPOOL_DIR)) == 0)
        tell(check, SETTING_SPOOL_DIR, "the same folder as CRASHCOLLECT_FS_ROOT; give each its own");
}

int ccol_settings_check(const ccol_settings *settings, void (*tell_one)(void *user, const char *mistake), void *user)
{
    if (!settings || !tell_one) return 0;
    struct check check = {.settings = settings, .tell = tell_one, .user = user};
    for (size_t i = 0; i < settings->mistakes.count; i++) {
        check.mistakes++;
        tell_one(user, settings->mistakes.line[i]);
    }
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const char *value = ccol__settings_value(settings, (enum setting_id)i);
        if (!ccol__settings_has(settings, (enum setting_id)i) || is_idle(&check, (enum setting_id)i)) continue;
        if (value && !ccol__setting_is_off((enum setting_id)i, value)) check_value(&check, (enum setting_id)i, value);
    }
    check_needs(&check);
    check_together(&check);
    return check.mistakes;
}
