/* SPDX-License-Identifier: MIT */
#ifndef CCOL_SETTINGS_SETTINGS_H
#define CCOL_SETTINGS_SETTINGS_H

#include <crashcollect/settings.h>

enum setting_id {
#define SETTING(id, option, argument, fallback, type, least, most, secret, help) SETTING_##id,
#include "settings/settings_table.h"
#undef SETTING
    SETTING_COUNT
};

enum setting_type {
    TYPE_ADDRESS,
    TYPE_CHOICE,
    TYPE_CHOICES, /* several with commas between them */
    TYPE_CREDENTIALS,
    TYPE_DSN,
    TYPE_FILE, /* must be readable at start */
    TYPE_HOST,
    TYPE_LIST,
    TYPE_NUMBER,
    TYPE_PATH,
    TYPE_PATTERNS, /* a file of regular expressions */
    TYPE_PREFIX,
    TYPE_RULES,
    TYPE_SIGNALS, /* names with commas between them */
    TYPE_SIZE,
    TYPE_SWITCH,
    TYPE_TEXT,
    TYPE_TIME,
    TYPE_URL
};

struct setting {
    const char *variable, *option, *argument, *fallback, *help;
    enum setting_type type;
    uint64_t least, most;
    bool secret;
};
extern const struct setting ccol__setting_table[SETTING_COUNT];

#define LINES_MAX 256

/* What is to be told later; each line once, at most LINES_MAX. */
struct lines {
    char *line[LINES_MAX];
    size_t count;
};

struct setting_value {
    char *given;       /* NULL: the default holds */
    char *found;       /* the default where the program finds it out, or NULL */
    const char *alias; /* the foreign variable that `given` came by, or NULL */
};

struct log_writer;
struct statsd;
struct ccol_settings {
    struct setting_value values[SETTING_COUNT];
    ccol_program program;
    struct lines mistakes, notes; /* notes: foreign variables that mean nothing here */
    struct log_writer *log_writer;
    struct statsd *statsd;
    ccol_reporter *reporter;
};

/* Has the program of these settings that one? */
bool ccol__settings_has(const ccol_settings *settings, enum setting_id id);
/* "crashcollectd" or "crashcollect-run". */
const char *ccol__settings_program(const ccol_settings *settings);
/* Id of a setting by its variable or option, or -1. */
int ccol__setting_find(const char *name);
/* The variable nearest to a misspelt one (for names in lower case the option), or NULL if none is near. */
const char *ccol__setting_nearest(const char *name);

/* Keeps the value; alias is the foreign variable it came by (a static string), or NULL: then it wins over those.
 * 0 or -ENOMEM. */
int ccol__settings_put(ccol_settings *settings, enum setting_id id, const char *value, const char *alias);
/* Value in force, or NULL. */
const char *ccol__settings_value(const ccol_settings *settings, enum setting_id id);
/* A SIZE, TIME or NUMBER in force; 0 for "none" and where there is none. */
uint64_t ccol__settings_amount(const ccol_settings *settings, enum setting_id id);
/* Is the value the word of the table that leaves the thing out ("none", "off")? */
bool ccol__setting_is_off(enum setting_id id, const char *value);

void ccol__lines_add(struct lines *lines, const char *format, ...) CCOL_PRINTF(2, 3);

/* Translates a variable of Antenna or systemd. False: no such variable. Else *id is the setting (SETTING_COUNT: none
 * here, *out tells why), and *out the value in our words, to be freed (NULL: says nothing, or memory is out). */
bool ccol__alias_translate(const char *name, const char *value, const char **alias, int *id, char **out);

#endif
