/* SPDX-License-Identifier: MIT */
/* From settings to a shipper: what runs beside the keeper in a process of its own. */
#include "settings/assembly.h"

#include "base/auto.h"
#include "base/folder.h"
#include "base/log_writer.h"
#include "monitor/shipper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATTERNS_MOST ((size_t)1 << 20)

/* One pattern per line; blank lines and those that begin with # are none. NULL-terminated, all in one allocation. */
static int read_patterns(const char *file, const char ***out, size_t *count, ccol_error *err)
{
    struct buffer text;
    int code = ccol__file_read(AT_FDCWD, file, PATTERNS_MOST, &text, err);
    size_t lines = 1;
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    char *memory = code ? NULL : malloc((lines + 1) * sizeof(char *) + text.length + 1);
    if (!code && !memory) code = ccol_fail(err, -ENOMEM, "cannot read %s", file);
    if (!code) {
        const char **list = (const char **)(void *)memory;
        char *at = memory + (lines + 1) * sizeof(char *);
        memcpy(at, text.length ? text.data : "", text.length);
        at[text.length] = '\0';
        *count = 0;
        for (char *line; (line = strsep(&at, "\n"));) {
            if (*line && *line != '#') list[(*count)++] = line;
        }
        list[*count] = NULL;
        *out = list;
    }
    ccol__buffer_fini(&text);
    return code;
}

int ccol__assembly_check_patterns(enum setting_id id, const char *file, ccol_error *err)
{
    auto_free const char **patterns = NULL;
    size_t count = 0;
    struct redactor *redactor = NULL;
    struct log_line_reader *reader = NULL;
    int code = read_patterns(file, &patterns, &count, err);
    if (!code && id == SETTING_REDACT_PATTERNS) {
        const struct redact_options options = {.patterns = patterns, .pattern_count = count};
        code = ccol__redactor_new(&redactor, &options, err);
    } else if (!code) {
        const struct log_line_options options = {.rules = patterns, .rule_count = count};
        code = ccol__log_line_reader_new(&reader, &options, err);
    }
    ccol__redactor_free(redactor);
    ccol__log_line_reader_free(reader);
    return code;
}

static int open_collector(void *user, const char *spool_dir, ccol_collector **out, ccol_error *err)
{
    ccol_settings *settings = user;
    int code = ccol__settings_put(settings, SETTING_SPOOL_DIR, spool_dir, NULL);
    return code ? ccol_fail(err, code, "no memory for the settings") : ccol_settings_open_collector(settings, out, err);
}

static void log_line(void *user, ccol_level level, const char *part, const char *crash_id, const char *text)
{
    const ccol_settings *settings = user;
    if (settings->log_writer) ccol__log_writer_line(settings->log_writer, level, part, crash_id, text);
}

static size_t size_of(const ccol_settings *settings, enum setting_id id)
{
    return (size_t)ccol__settings_amount(settings, id);
}

/* Lines become reports by themselves where that is what the place is for. */
static enum line_level least_event(const ccol_settings *settings)
{
    static const enum line_level levels[] = {LEVEL_ERROR, LEVEL_NONE, LEVEL_FATAL, LEVEL_ERROR, LEVEL_WARNING};
    unsigned choice = ccol__assembly_choice(settings, SETTING_LOG_EVENTS);
    const char *storages = ccol__settings_value(settings, SETTING_STORAGE);
    bool to_sentry = storages && strstr(storages, "sentry");
    return choice == 0 && !to_sentry ? LEVEL_NONE : levels[choice];
}

static void fill_tap(const ccol_settings *settings, struct log_tap_options *tap)
{
    static const enum line_level levels[] = {LEVEL_NONE, LEVEL_FATAL, LEVEL_ERROR, LEVEL_WARNING,
                                             LEVEL_INFO, LEVEL_DEBUG, LEVEL_TRACE};
    *tap = (struct log_tap_options){
        .output = {.path = ccol__settings_value(settings, SETTING_LOG_FILE),
                   .json = ccol__assembly_choice(settings, SETTING_LOG_FILE_FORMAT) == 1,
                   .bytes_most = ccol__settings_amount(settings, SETTING_LOG_FILE_SIZE),
                   .files_most = ccol__assembly_amount(settings, SETTING_LOG_FILES)},
        .events = {.least = least_event(settings),
                   .each = {.burst = ccol__assembly_amount(settings, SETTING_LOG_EVENTS_BURST),
                            .interval_ms = ccol__assembly_amount(settings, SETTING_LOG_EVENTS_INTERVAL)},
                   .total = {.burst = ccol__assembly_amount(settings, SETTING_LOG_EVENTS_TOTAL_BURST),
                             .interval_ms = ccol__assembly_amount(settings, SETTING_LOG_EVENTS_TOTAL_INTERVAL)}},
        .batch = {.least = levels[ccol__assembly_choice(settings, SETTING_SENTRY_LOGS)],
                  .rate = ccol__assembly_amount(settings, SETTING_SENTRY_LOGS_RATE)}};
}

static void fill_options(ccol_settings *settings, struct shipper_options *options)
{
    *options = (struct shipper_options){
        .data_dir = ccol__settings_value(settings, SETTING_DATA_DIR),
        .open_collector = open_collector,
        .user = settings,
        .log = {log_line, settings},
        .unwind = {.no_symbols = !ccol__assembly_switch(settings, SETTING_SYMBOLS),
                   .deadline_ms = ccol__assembly_amount(settings, SETTING_SYMBOL_TIMEOUT),
                   .frames_most = ccol__assembly_amount(settings, SETTING_FRAMES),
                   .debug_path = ccol__settings_value(settings, SETTING_DEBUG_PATH)},
        .minidump = {.crashed_stack = size_of(settings, SETTING_MINIDUMP_CRASHED_STACK),
                     .stack = size_of(settings, SETTING_MINIDUMP_STACK),
                     .crowded_stack = size_of(settings, SETTING_MINIDUMP_CROWDED_STACK),
                     .crowd = ccol__assembly_amount(settings, SETTING_MINIDUMP_CROWD),
                     .threads_most = ccol__assembly_amount(settings, SETTING_MINIDUMP_THREADS),
                     .bytes_most = size_of(settings, SETTING_MINIDUMP_SIZE)},
        .no_minidump = !ccol__assembly_switch(settings, SETTING_MINIDUMP),
        .redact = {.off = !ccol__assembly_switch(settings, SETTING_REDACT)},
        .log_bytes = size_of(settings, SETTING_REPORT_LOG),
        .panic_ms = ccol__assembly_amount(settings, SETTING_PANIC_WAIT),
        .crash_loop = {.burst = ccol__assembly_amount(settings, SETTING_CRASH_LOOP),
                       .first_pause_s = ccol__assembly_amount(settings, SETTING_CRASH_LOOP_PAUSE) / 1000,
                       .longest_pause_s = ccol__assembly_amount(settings, SETTING_CRASH_LOOP_PAUSE_MAX) / 1000},
        .sessions = ccol__assembly_switch(settings, SETTING_SENTRY_SESSIONS),
        .drain_ms = ccol__assembly_amount(settings, SETTING_DRAIN_TIMEOUT),
    };
}

static int ship(ccol_settings *settings, const struct keeper_shipper *from, ccol_error *err)
{
    struct shipper_options options;
    auto_free const char **patterns = NULL, **rules = NULL;
    const char *pattern_file = ccol__settings_value(settings, SETTING_REDACT_PATTERNS);
    const char *rule_file = ccol__settings_value(settings, SETTING_LOG_RULES);
    int code = 0;
    fill_options(settings, &options);
    fill_tap(settings, &options.tap);
    options.lines.numbers = (enum level_numbers)ccol__assembly_choice(settings, SETTING_LOG_NUMBERS);
    if (pattern_file) code = read_patterns(pattern_file, &patterns, &options.redact.pattern_count, err);
    if (!code && rule_file) code = read_patterns(rule_file, &rules, &options.lines.rule_count, err);
    options.redact.patterns = patterns;
    options.lines.rules = rules;
    return code ? code : ccol__shipper_run(&options, from, err);
}

int ccol__assembly_ship(void *user, const struct keeper_shipper *from)
{
    ccol_settings *settings = user;
    ccol_error err = {0};
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE); /* a connection that ends is an error, not the end of us */
    pthread_sigmask(SIG_BLOCK, &pipes, NULL);
    int code = ship(settings, from, &err);
    if (code) {
        char text[sizeof err.text + 64];
        snprintf(text, sizeof text, "crashes are not reported now: %s", err.text);
        ccol_settings_log(settings, CCOL_LOG_ERROR, text);
    }
    ccol_settings_free(settings); /* this process's copy; writes what is left of its log */
    return code ? EXIT_FAILURE : EXIT_SUCCESS;
}
