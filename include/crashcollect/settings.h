/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_SETTINGS_H
#define CRASHCOLLECT_SETTINGS_H

#include <crashcollect/server.h>

CCOL_BEGIN

/* The settings of crashcollectd(8) as an object, so that a host or a script starts from the environment in one call.
 * One thread at a time. They own the log writer (to stderr) and the statsd client that the parts built from them use:
 * free them last. */
typedef struct ccol_settings ccol_settings;

CCOL_API int ccol_settings_new(ccol_settings **out, ccol_error *err);
CCOL_API void ccol_settings_free(ccol_settings *settings);

/* Whose settings they are: a program's --help, options and checks know only its own; variables of the other one are not
 * mistaken for typing errors. */
typedef enum ccol_program {
    CCOL_PROGRAM_COLLECTOR = 0, /* crashcollectd */
    CCOL_PROGRAM_MONITOR        /* crashcollect-run */
} ccol_program;
/* Before anything is read; without it they are crashcollectd's. */
CCOL_API void ccol_settings_set_program(ccol_settings *settings, ccol_program program);

/* Each source overrides those read before it; programs read the file, then the environment, then the options.
 * Mistakes (an unknown name, a value that is none) do not end the reading: they are kept and told by _check. */
CCOL_API int ccol_settings_read_environment(ccol_settings *settings, ccol_error *err);
CCOL_API int ccol_settings_read_file(ccol_settings *settings, const char *path, ccol_error *err);
/* Reads --long-options (with --config FILE and the environment in their order) up to the first other argument, whose
 * index goes to *next. Unknown options: CCOL_EFORMAT at once, naming the option. */
CCOL_API int ccol_settings_read_options(ccol_settings *settings, int argc, char *const *argv, int *next,
                                        ccol_error *err);
/* One setting by its name ("CRASHCOLLECT_LISTEN" or "listen"). */
CCOL_API int ccol_settings_set(ccol_settings *settings, const char *name, const char *value, ccol_error *err);
/* Value in force (default included), or NULL for an unknown name or an unset one. Secrets come in clear. */
CCOL_API const char *ccol_settings_get(const ccol_settings *settings, const char *name);

/* Calls each() for every setting in order: its variable, option, metavariable, default as text, help, value in force
 * with secrets as "*****" ("" if unset). */
typedef struct ccol_setting {
    size_t size;
    const char *variable, *option, *argument, *default_text, *help, *value;
    bool secret;
} ccol_setting;
CCOL_API void ccol_settings_each(const ccol_settings *settings, void (*each)(void *user, const ccol_setting *setting),
                                 void *user);

/* Checks everything without opening anything, calls tell() once per mistake (one line: variable, value, cause, cure)
 * and returns their number. */
CCOL_API int ccol_settings_check(const ccol_settings *settings, void (*tell)(void *user, const char *mistake),
                                 void *user);

/* A start failed: logs it as a line with "Unhandled startup exception", and sends it to Sentry if there is a DSN, for
 * which it waits at most five seconds. */
CCOL_API void ccol_settings_report_failure(ccol_settings *settings, const char *cause);

/* Build what the settings say. Each fails on the first cause with its text; call _check first. */
CCOL_API int ccol_settings_open_collector(ccol_settings *settings, ccol_collector **out, ccol_error *err);
CCOL_API int ccol_settings_open_health(ccol_settings *settings, ccol_collector *collector, ccol_health **out,
                                       ccol_error *err);
CCOL_API int ccol_settings_start_server(ccol_settings *settings, ccol_collector *collector, ccol_health *health,
                                        ccol_server **out, ccol_error *err);
/* Reads the throttle rules again and puts them in place; on an error the old ones stay. */
CCOL_API int ccol_settings_reload(ccol_settings *settings, ccol_collector *collector, ccol_error *err);
/* Stops what was built (NULL: was not) in the right order: answers requests in flight and lets the queue drain for
 * DRAIN_TIMEOUT at most, frees all three, logs how it went. Returns how many reports were not saved; with ack spooled
 * they stay in the spool. */
CCOL_API uint64_t ccol_settings_stop(ccol_settings *settings, ccol_collector *collector, ccol_health *health,
                                     ccol_server *server);
/* Runs a program (argv, NULL-terminated) and watches it as crashcollect-run does: this process becomes its keeper, with
 * a shipper beside it, until the program has ended; *wait_status is what waitpid said of it. For a process without
 * other threads; afterwards all signals are blocked. The variables of secret settings (CRASHCOLLECT_SENTRY_DSN and the
 * like) are taken out of this process's environment first, so the program does not get them. On an error *wait_status
 * is that of a shell where the program could not be executed (127 << 8: there is none, else 126 << 8), and -1 where it
 * was not even tried, as nothing can be watched here. */
CCOL_API int ccol_settings_watch(ccol_settings *settings, char *const *argv, int *wait_status, ccol_error *err);
/* Tries on this machine what ccol_settings_watch needs, and tells each result in one line. Returns how many ways there
 * are to catch a crash; 0: nothing can be watched. For a process without other threads. */
CCOL_API int ccol_settings_self_test(ccol_settings *settings, void (*tell)(void *user, const char *line), void *user);
/* Writes one log line where the settings send the library's own. */
CCOL_API void ccol_settings_log(ccol_settings *settings, ccol_level level, const char *text);

CCOL_END
#endif
