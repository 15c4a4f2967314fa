/* SPDX-License-Identifier: MIT */
#include "settings/settings.h"

#include "base/error.h"
#include "base/log_writer.h"
#include "net/statsd.h"
#include "settings/values.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_FLUSH_MS     2000
#define REPORTER_WAIT_MS 2000
#ifndef CCOL_PRELOAD_LIBRARY
#define CCOL_PRELOAD_LIBRARY "/usr/lib/libcrashcollect-preload.so"
#endif

const struct setting ccol__setting_table[SETTING_COUNT] = {
#define SETTING(id, option, argument, fallback, type, least, most, secret, help)                                       \
    [SETTING_##id] = {"CRASHCOLLECT_" #id, option, argument, fallback, help, TYPE_##type, least, most, secret},
#include "settings/settings_table.h"
#undef SETTING
};

/* The programs that have a setting, as bits. */
enum { COLLECTOR = 1 << CCOL_PROGRAM_COLLECTOR, MONITOR = 1 << CCOL_PROGRAM_MONITOR };
static const unsigned char only[SETTING_COUNT] = {
#define ONLY(id, program) [SETTING_##id] = program,
#include "settings/program_table.h"
#undef ONLY
};

bool ccol__settings_has(const ccol_settings *settings, enum setting_id id)
{
    return !only[id] || only[id] & 1u << settings->program;
}

const char *ccol__settings_program(const ccol_settings *settings)
{
    return settings->program == CCOL_PROGRAM_MONITOR ? "crashcollect-run" : "crashcollectd";
}

static int replace(char **place, char *text)
{
    if (!text) return -ENOMEM;
    free(*place);
    *place = text;
    return 0;
}

static char *inside(const char *folder, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* The defaults that hang on DATA_DIR. */
static int find_folders(ccol_settings *settings)
{
    const char *data = ccol__settings_value(settings, SETTING_DATA_DIR);
    int code = replace(&settings->values[SETTING_FS_ROOT].found, inside(data, "crashes"));
    return code ? code : replace(&settings->values[SETTING_SPOOL_DIR].found, inside(data, "spool"));
}

static int find_defaults(ccol_settings *settings)
{
    char host[HOST_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof host) != 0 || !host[0]) memcpy(host, "localhost", sizeof "localhost");
    host[HOST_NAME_MAX] = '\0';
    int code = replace(&settings->values[SETTING_HOSTNAME].found, strdup(host));
    if (!code)
        code = replace(&settings->values[SETTING_LOG_FORMAT].found, strdup(isatty(STDERR_FILENO) ? "text" : "json"));
    if (!code) code = replace(&settings->values[SETTING_LOG_LEVEL].found, strdup("info"));
    if (!code) code = replace(&settings->values[SETTING_SPOOL_SEGMENT_BYTES].found, strdup("64MiB"));
    if (!code) code = replace(&settings->values[SETTING_CONCURRENT_CRASHMOVERS].found, strdup("4"));
    if (!code) code = replace(&settings->values[SETTING_PRELOAD_LIBRARY].found, strdup(CCOL_PRELOAD_LIBRARY));
    if (!code) code = replace(&settings->values[SETTING_DATA_DIR].found, strdup("./crashcollect-data"));
    return code ? code : find_folders(settings);
}

int ccol_settings_new(ccol_settings **out, ccol_error *err)
{
    ccol_settings *settings = calloc(1, sizeof *settings);
    if (!settings || find_defaults(settings) != 0) {
        ccol_settings_free(settings);
        return ccol_fail(err, -ENOMEM, "settings");
    }
    *out = settings;
    return 0;
}

void ccol_settings_set_program(ccol_settings *settings, ccol_program program)
{
    if (!settings) return;
    settings->program = program;
    if (program != CCOL_PROGRAM_MONITOR) return;
    /* stderr is the program's: only what somebody should act upon is said there */
    replace(&settings->values[SETTING_LOG_LEVEL].found, strdup("warning"));
    /* one spool per run, which holds few reports */
    replace(&settings->values[SETTING_SPOOL_SEGMENT_BYTES].found, strdup("8MiB"));
    replace(&settings->values[SETTING_CONCURRENT_CRASHMOVERS].found, strdup("1")); /* they arrive in order */
}

static void lines_fini(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->line[i]);
}

void ccol_settings_free(ccol_settings *settings)
{
    if (!settings) return;
    ccol_reporter_flush(settings->reporter, REPORTER_WAIT_MS);
    ccol_reporter_free(settings->reporter);
    ccol__statsd_free(settings->statsd);
    ccol__log_writer_free(settings->log_writer, LOG_FLUSH_MS);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        free(settings->values[i].given);
        free(settings->values[i].found);
    }
    lines_fini(&settings->mistakes);
    lines_fini(&settings->notes);
    free(settings);
}

void ccol__lines_add(struct lines *lines, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *line;
    int length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0) return;
    bool known = lines->count == LINES_MAX;
    for (size_t i = 0; i < lines->count && !known; i++)
        known = strcmp(lines->line[i], line) == 0;
    if (known)
        free(line);
    else
        lines->line[lines->count++] = line;
}

int ccol__setting_find(const char *name)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(name, ccol__setting_table[i].variable) == 0 || strcmp(name, ccol__setting_table[i].option) == 0)
            return i;
    }
    return -1;
}

#define NAME_LENGTH_MAX 63

/* Levenshtein's distance, one row at a time. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_LENGTH_MAX + 1];
    size_t b_length = strnlen(b, NAME_LENGTH_MAX);
    for (unsigned j = 0; j <= b_length; j++)
        row[j] = j;
    for (unsigned i = 1; *a && i <= NAME_LENGTH_MAX; a++, i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = diagonal + (*a != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *ccol__setting_nearest(const char *name)
{
    static const char prefix[] = "CRASHCOLLECT_";
    bool is_option = name[0] >= 'a' && name[0] <= 'z';
    if (strncmp(name, prefix, sizeof prefix - 1) == 0) name += sizeof prefix - 1;
    const char *nearest = NULL;
    unsigned least = 2 + (unsigned)strnlen(name, NAME_LENGTH_MAX) / 4; /* what is farther off is another word */
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting *it = &ccol__setting_table[i];
        unsigned far = distance(name, is_option ? it->option : it->variable + sizeof prefix - 1);
        if (far >= least) continue;
        least = far;
        nearest = is_option ? it->option : it->variable;
    }
    return nearest;
}

int ccol__settings_put(ccol_settings *settings, enum setting_id id, const char *value, const char *alias)
{
    struct setting_value *slot = &settings->values[id];
    if (alias && slot->given && !slot->alias) return 0;
    enum setting_type type = ccol__setting_table[id].type;
    bool may_be_empty = type == TYPE_LIST || type == TYPE_PREFIX;
    char *copy = NULL;
    if (value[0] || may_be_empty) {
        copy = strdup(value);
        if (!copy) return -ENOMEM;
    }
    free(slot->given);
    slot->given = copy;
    slot->alias = copy ? alias : NULL;
    return id == SETTING_DATA_DIR ? find_folders(settings) : 0;
}

int ccol_settings_set(ccol_settings *settings, const char *name, const char *value, ccol_error *err)
{
    if (!settings || !name || !value) return ccol_fail(err, -EINVAL, "ccol_settings_set");
    int id = ccol__setting_find(name);
    if (id < 0) {
        const char *near = ccol__setting_nearest(name);
        return ccol_fail(err, CCOL_EFORMAT, "%.60s: no such setting%s%s%s", name, near ? "; did you mean " : "",
                         near ? near : "", near ? "?" : "");
    }
    int code = ccol__settings_put(settings, (enum setting_id)id, value, NULL);
    return code ? ccol_fail(err, code, "%s", ccol__setting_table[id].variable) : 0;
}

const char *ccol__settings_value(const ccol_settings *settings, enum setting_id id)
{
    const struct setting_value *slot = &settings->values[id];
    const char *fallback = ccol__setting_table[id].fallback;
    if (slot->given) return slot->given;
    if (slot->found) return slot->found;
    return fallback[0] && fallback[0] != '(' ? fallback : NULL;
}

const char *ccol_settings_get(const ccol_settings *settings, const char *name)
{
    int id = settings && name ? ccol__setting_find(name) : -1;
    return id < 0 ? NULL : ccol__settings_value(settings, (enum setting_id)id);
}

bool ccol__setting_is_off(enum setting_id id, const char *value)
{
    const char *fallback = ccol__setting_table[id].fallback;
    return strcmp(value, fallback) == 0 && (strcmp(value, "none") == 0 || strcmp(value, "off") == 0);
}

uint64_t ccol__settings_amount(const ccol_settings *settings, enum setting_id id)
{
    const char *value = ccol__settings_value(settings, id);
    uint64_t amount = 0;
    if (!value || ccol__setting_is_off(id, value)) return 0;
    bool fine = false;
    if (ccol__setting_table[id].type == TYPE_SIZE)
        fine = ccol__value_size(value, &amount);
    else if (ccol__setting_table[id].type == TYPE_TIME)
        fine = ccol__value_time(value, &amount);
    else
        fine = ccol__value_number(value, &amount);
    return fine ? amount : 0;
}

void ccol_settings_each(const ccol_settings *settings, void (*each)(void *user, const ccol_setting *setting),
                        void *user)
{
    for (unsigned i = 0; settings && each && i < SETTING_COUNT; i++) {
        const struct setting *it = &ccol__setting_table[i];
        if (!ccol__settings_has(settings, (enum setting_id)i)) continue;
        const char *value = ccol__settings_value(settings, (enum setting_id)i);
        if (!value) value = "";
        ccol_setting told = {.size = sizeof told,
                             .variable = it->variable,
                             .option = it->option,
                             .argument = it->argument,
                             .default_text = it->fallback,
                             .help = it->help,
                             .value = it->secret && value[0] ? "*****" : value,
                             .secret = it->secret};
        each(user, &told);
    }
}
