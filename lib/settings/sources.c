/* SPDX-License-Identifier: MIT */
/* Where settings come from: the environment, files of KEY=value lines, options. */
#include "settings/settings.h"

#include "base/auto.h"
#include "base/buffer.h"
#include "settings/values.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PREFIX   "CRASHCOLLECT_"
#define FILE_MAX (1024 * 1024)
#define BLANKS   " \t\r"

extern char **environ;

/* Kubernetes puts variables of this form into every container when a service is called "crashcollect", and Python's
 * CRASHCOLLECT_LIBRARY tells where this library is. */
static bool is_no_setting(const char *name)
{
    static const char *const starts[] = {"SERVICE_HOST", "SERVICE_PORT", "PORT_"};
    const char *rest = name + sizeof PREFIX - 1;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (strncmp(rest, starts[i], strlen(starts[i])) == 0) return true;
    }
    return strcmp(rest, "PORT") == 0 || strcmp(rest, "LIBRARY") == 0;
}

static void tell_unknown(ccol_settings *settings, const char *name, const char *source)
{
    const char *near = ccol__setting_nearest(name);
    if (near)
        ccol__lines_add(&settings->mistakes, "%.100s: no such setting (%s); did you mean %s?", name, source, near);
    else
        ccol__lines_add(&settings->mistakes, "%.100s: no such setting (%s); `%s --help` lists them all", name, source,
                        ccol__settings_program(settings));
}

/* 1: the name is known; 0: it is not; -ENOMEM */
static int put_alias(ccol_settings *settings, const char *name, const char *value)
{
    const char *alias;
    int id, code = 0;
    char *ours = NULL;
    if (!ccol__alias_translate(name, value, &alias, &id, &ours)) return 0;
    if (id == SETTING_COUNT)
        ccol__lines_add(&settings->notes, "%s is set, but has no counterpart here: %s", name, ours ? ours : "");
    else if (ours)
        code = ccol__settings_put(settings, (enum setting_id)id, ours, alias);
    free(ours);
    return code ? code : 1;
}

/* One KEY=value; all_ours: in a file of settings every name should be known. */
static int put_pair(ccol_settings *settings, const char *name, const char *value, const char *source, bool all_ours)
{
    bool ours = strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
    int id = ours ? ccol__setting_find(name) : -1;
    if (id >= 0) return ccol__settings_put(settings, (enum setting_id)id, value, NULL);
    if (ours && is_no_setting(name)) return 0;
    int code = put_alias(settings, name, value);
    if (code == 0 && (ours || all_ours)) tell_unknown(settings, name, source);
    return code < 0 ? code : 0;
}

int ccol_settings_read_environment(ccol_settings *settings, ccol_error *err)
{
    if (!settings) return ccol_fail(err, -EINVAL, "settings is NULL");
    for (char **entry = environ; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals) continue;
        auto_free char *name = strndup(*entry, (size_t)(equals - *entry));
        int code = name ? put_pair(settings, name, equals + 1, "environment", false) : -ENOMEM;
        if (code) return ccol_fail(err, code, "reading the environment");
    }
    return 0;
}

static char *trim(char *text)
{
    text += strspn(text, BLANKS);
    size_t length = strlen(text);
    while (length && strchr(BLANKS, text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* A value may stand in quotes, as in systemd's environment files. */
static char *unquote(char *value)
{
    size_t length = strlen(value);
    if (length < 2 || (value[0] != '"' && value[0] != '\'') || value[length - 1] != value[0]) return value;
    value[length - 1] = '\0';
    return value + 1;
}

static int put_line(ccol_settings *settings, char *line, const char *path, unsigned number)
{
    line = trim(line);
    if (!*line || *line == '#' || *line == ';') return 0;
    char *equals = strchr(line, '=');
    if (!equals || equals == line) {
        ccol__lines_add(&settings->mistakes, "%s:%u: not a line of the form KEY=value", path, number);
        return 0;
    }
    *equals = '\0';
    auto_free char *source = NULL;
    if (asprintf(&source, "%s:%u", path, number) < 0) return -ENOMEM;
    return put_pair(settings, trim(line), unquote(trim(equals + 1)), source, true);
}

static int read_whole(const char *path, struct buffer *out, ccol_error *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return ccol_fail(err, -errno, "cannot open the settings file %s", path);
    for (;;) {
        char *room = ccol__buffer_reserve(out, 16 * 1024);
        if (!room) return ccol_fail(err, CCOL_ETOOLARGE, "the settings file %s is larger than 1 MiB", path);
        ssize_t got = read(fd, room, 16 * 1024);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ccol_fail(err, -errno, "cannot read the settings file %s", path);
        out->length += (size_t)got;
        out->data[out->length] = '\0';
        if (got == 0) break;
    }
    if (strlen(out->data) != out->length)
        return ccol_fail(err, CCOL_EFORMAT, "the settings file %s holds a NUL byte: it is no text", path);
    return 0;
}

int ccol_settings_read_file(ccol_settings *settings, const char *path, ccol_error *err)
{
    if (!settings || !path) return ccol_fail(err, -EINVAL, "ccol_settings_read_file");
    struct buffer text;
    ccol__buffer_init(&text, FILE_MAX, NULL);
    int code = read_whole(path, &text, err);
    unsigned number = 1;
    for (char *line = text.data, *next; code == 0 && line; line = next, number++) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        code = put_line(settings, line, path, number);
        if (code) ccol_fail(err, code, "reading the settings file %s", path);
    }
    ccol__buffer_fini(&text);
    return code;
}

struct option {
    int id; /* -1: --config */
    const char *value;
};

static int unknown_option(const char *name, ccol_error *err)
{
    const char *near = name[0] >= 'a' ? ccol__setting_nearest(name) : NULL; /* all are in lower case */
    return ccol_fail(err, CCOL_EFORMAT, "unknown option --%.60s%s%s%s", name, near ? "; did you mean --" : "",
                     near ? near : "", near ? "?" : "");
}

/* The setting of an option's name, -1 for "config", -2 for none. */
static int option_id(const ccol_settings *settings, const char *name)
{
    if (strcmp(name, "config") == 0) return -1;
    int id = strncmp(name, PREFIX, sizeof PREFIX - 1) == 0 ? -1 : ccol__setting_find(name);
    return id < 0 || !ccol__settings_has(settings, (enum setting_id)id) ? -2 : id;
}

/* A switch needs no word to be on. */
static bool is_bare_switch(int id, const char *next)
{
    bool on;
    return id >= 0 && ccol__setting_table[id].type == TYPE_SWITCH && (!next || !ccol__value_switch(next, &on));
}

/* Takes one option and its value, which follows it or stands behind "="; *at moves past both. 0: taken, 1: no option.
 */
static int next_option(const ccol_settings *settings, int argc, char *const *argv, int *at, struct option *out,
                       ccol_error *err)
{
    if (*at >= argc || argv[*at][0] != '-' || !argv[*at][1]) return 1;
    if (argv[*at][1] != '-') return ccol_fail(err, CCOL_EFORMAT, "unknown option %.60s", argv[*at]);
    const char *text = argv[(*at)++] + 2;
    if (!*text) return 1; /* "--": what follows is no option */
    const char *equals = strchrnul(text, '=');
    auto_free char *name = strndup(text, (size_t)(equals - text));
    if (!name) return ccol_fail(err, -ENOMEM, "options");
    out->id = option_id(settings, name);
    if (out->id < -1) return unknown_option(name, err);
    if (*equals) {
        out->value = equals + 1;
    } else if (is_bare_switch(out->id, *at < argc ? argv[*at] : NULL)) {
        out->value = "on";
    } else if (*at < argc) {
        out->value = argv[(*at)++];
    } else {
        return ccol_fail(err, CCOL_EFORMAT, "option --%s needs a value: %s", name,
                         out->id < 0 ? "FILE" : ccol__setting_table[out->id].argument);
    }
    return 0;
}

int ccol_settings_read_options(ccol_settings *settings, int argc, char *const *argv, int *next, ccol_error *err)
{
    if (!settings || !argv || !next) return ccol_fail(err, -EINVAL, "ccol_settings_read_options");
    struct option option = {0};
    int code;
    *next = 1;
    while ((code = next_option(settings, argc, argv, next, &option, err)) == 0) {
        if (option.id >= 0) continue;
        code = ccol_settings_read_file(settings, option.value, err);
        if (code) return code;
    }
    if (code < 0) return code;
    code = ccol_settings_read_environment(settings, err);
    if (code) return code;
    *next = 1;
    while (next_option(settings, argc, argv, next, &option, err) == 0) {
        if (option.id < 0) continue;
        code = ccol__settings_put(settings, (enum setting_id)option.id, option.value, NULL);
        if (code) return ccol_fail(err, code, "options");
    }
    return 0;
}
