/* SPDX-License-Identifier: MIT */
/* A program under sentry-native with its Crashpad backend: sentry_native DSN HANDLER DATABASE ATTACHMENT event|crash
 * It sends one event with breadcrumbs as an envelope and prints its id, or crashes. */
#include <sentry.h>
#include <stdio.h>
#include <string.h>

static void crumb(const char *message, const char *level)
{
    sentry_value_t one = sentry_value_new_breadcrumb("default", message);
    sentry_value_set_by_key(one, "level", sentry_value_new_string(level));
    sentry_value_set_by_key(one, "category", sentry_value_new_string("native"));
    sentry_add_breadcrumb(one);
}

static void begin(char **argv)
{
    sentry_options_t *options = sentry_options_new();
    sentry_options_set_dsn(options, argv[1]);
    sentry_options_set_handler_path(options, argv[2]);
    sentry_options_set_database_path(options, argv[3]);
    sentry_options_add_attachment(options, argv[4]);
    sentry_options_set_release(options, "nativeapp@4.2");
    sentry_options_set_environment(options, "test");
    sentry_options_set_auto_session_tracking(options, 0);
    sentry_init(options);
    sentry_set_tag("expected", "yes \xc3\xbc");
    sentry_set_level(SENTRY_LEVEL_FATAL);
    sentry_set_extra("number", sentry_value_new_int32(-70000));
    sentry_set_extra("half", sentry_value_new_double(0.5));
    crumb("first step", "info");
    crumb("second step", "warning");
}

int main(int argc, char **argv)
{
    char id[37];
    if (argc != 6) return 2;
    begin(argv);
    if (strcmp(argv[5], "crash") == 0) *(volatile int *)16 = 1;
    sentry_uuid_t event =
        sentry_capture_event(sentry_value_new_message_event(SENTRY_LEVEL_ERROR, "log", "from native"));
    sentry_uuid_as_string(&event, id);
    puts(id);
    return sentry_shutdown();
}
