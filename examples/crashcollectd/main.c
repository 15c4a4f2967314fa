/* SPDX-License-Identifier: MIT */
/* crashcollectd: receives crash reports over HTTP, keeps them safe and hands them to a storage. All of it is the
 * library's work; here are the command line, the signals and systemd. */
#include "option_help.h"
#include "queue_command.h"
#include "rules_command.h"
#include "systemd.h"

#include <crashcollect.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_WRONG_USAGE = 2 };

struct command_line {
    bool help, version, check;
    char **rest; /* the arguments without those three */
    int count;
};

struct service {
    ccol_settings *settings;
    char mistake[400]; /* the first one in them */
    ccol_collector *collector;
    ccol_health *health;
    ccol_server *server;
};

static int print_help(const ccol_settings *settings)
{
    puts("usage: crashcollectd [--OPTION VALUE]...\n"
         "       crashcollectd rules check FILE | rules explain FILE < ANNOTATIONS\n"
         "       crashcollectd queue list | show ID | export ID FOLDER | retry ID|all [--OPTION VALUE]...\n"
         "\n"
         "Collects crash reports over HTTP as Mozilla's Antenna does, and never loses one that it accepted.\n"
         "\n"
         "Each option is a setting that can also be given as a variable, in the environment or in a file: --data-dir\n"
         "is CRASHCOLLECT_DATA_DIR. Options override the environment, which overrides the file. Defaults in "
         "brackets.\n");
    option_help_print_settings(settings);
    putchar('\n');
    option_help_print("config", "FILE", "Read settings from lines of the form KEY=value");
    option_help_print("check-config", "", "Check all settings, tell every mistake, and exit");
    option_help_print("help", "", "Print this text and exit");
    option_help_print("version", "", "Print the version and exit");
    puts("\n"
         "Exit status: 0 stopped as asked; 1 could not start, or --check-config found mistakes; 2 wrong usage.");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool take_flag(struct command_line *line, const char *argument)
{
    bool *flag = NULL;
    if (strcmp(argument, "--help") == 0) flag = &line->help;
    if (strcmp(argument, "--version") == 0) flag = &line->version;
    if (strcmp(argument, "--check-config") == 0) flag = &line->check;
    if (flag) *flag = true;
    return flag != NULL;
}

static bool read_command_line(struct command_line *line, int argc, char **argv)
{
    *line = (struct command_line){.rest = calloc((size_t)argc + 1, sizeof *line->rest)};
    if (!line->rest) return false;
    for (int i = 0; i < argc; i++) {
        if (i == 0 || !take_flag(line, argv[i])) line->rest[line->count++] = argv[i];
    }
    return true;
}

static int wrong_usage(const char *text)
{
    fprintf(stderr, "crashcollectd: %s; try --help\n", text);
    return EXIT_WRONG_USAGE;
}

static void print_mistake(void *user, const char *mistake)
{
    (void)user;
    fprintf(stderr, "crashcollectd: %s\n", mistake);
}

static void log_mistake(void *user, const char *mistake)
{
    struct service *service = user;
    ccol_settings_log(service->settings, CCOL_LOG_ERROR, mistake);
    if (!service->mistake[0]) snprintf(service->mistake, sizeof service->mistake, "%s", mistake);
}

static int fail_start(struct service *service, const char *cause)
{
    ccol_settings_report_failure(service->settings, cause);
    return EXIT_FAILURE;
}

static int start(struct service *service)
{
    ccol_error err = {0};
    char sockets[256];
    if (systemd_listen(sockets, sizeof sockets)) ccol_settings_set(service->settings, "listen", sockets, NULL);
    if (ccol_settings_check(service->settings, log_mistake, service) > 0) return fail_start(service, service->mistake);
    if (ccol_settings_open_collector(service->settings, &service->collector, &err) != 0 ||
        ccol_settings_open_health(service->settings, service->collector, &service->health, &err) != 0 ||
        ccol_settings_start_server(service->settings, service->collector, service->health, &service->server, &err) != 0)
        return fail_start(service, err.text);
    return EXIT_SUCCESS;
}

static void reload(const struct service *service)
{
    ccol_error err = {0};
    char text[512];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld%06ld", (long long)now.tv_sec, now.tv_nsec / 1000);
    systemd_notify(text);
    if (ccol_settings_reload(service->settings, service->collector, &err) == 0) {
        ccol_settings_log(service->settings, CCOL_LOG_INFO, "throttle rules read again");
        systemd_notify("READY=1\nSTATUS=Taking crash reports");
        return;
    }
    snprintf(text, sizeof text, "throttle rules not read again, the old ones stay: %s", err.text);
    ccol_settings_log(service->settings, CCOL_LOG_ERROR, text);
    systemd_notify("READY=1\nSTATUS=Taking crash reports; the new throttle rules are wrong, see the log");
}

static void leave(int number)
{
    _exit(128 + number);
}

/* From here on a second SIGTERM or SIGINT ends the process at once. A handler, because the default action does not end
 * process 1 of a container. */
static void stop_at_once_next_time(const sigset_t *handled)
{
    struct sigaction action = {.sa_handler = leave};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, handled, NULL);
}

static void serve(struct service *service, const sigset_t *handled)
{
    int number = 0;
    systemd_notify("READY=1\nSTATUS=Taking crash reports");
    while (sigwait(handled, &number) == 0 && number == SIGHUP)
        reload(service);
    ccol_settings_log(service->settings, CCOL_LOG_INFO, "stopping; a second signal stops at once");
    systemd_notify("STOPPING=1\nSTATUS=Finishing requests and saving what is queued");
}

static int run(ccol_settings *settings)
{
    struct service service = {.settings = settings};
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &handled, NULL); /* before any thread is there to get them */
    signal(SIGPIPE, SIG_IGN);
    umask(0027);
    int status = start(&service);
    if (status != EXIT_SUCCESS) {
        ccol_health_free(service.health);
        ccol_collector_free(service.collector); /* what an earlier process left stays in the spool */
        return status;
    }
    serve(&service, &handled);
    sigdelset(&handled, SIGHUP);
    stop_at_once_next_time(&handled);
    ccol_settings_stop(settings, service.collector, service.health, service.server);
    return status;
}

static int check_config(const ccol_settings *settings)
{
    if (ccol_settings_check(settings, print_mistake, NULL) > 0) return EXIT_FAILURE;
    puts("ok");
    return EXIT_SUCCESS;
}

static int act(ccol_settings *settings, const struct command_line *line)
{
    ccol_error err = {0};
    int next;
    if (line->help) return print_help(settings);
    if (line->version) return printf("crashcollectd %s\n", ccol_version_text()) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    int code = ccol_settings_read_options(settings, line->count, line->rest, &next, &err);
    if (code == CCOL_EFORMAT) return wrong_usage(err.text);
    if (code) {
        print_mistake(NULL, err.text);
        return EXIT_FAILURE;
    }
    if (next < line->count) return wrong_usage("there are no arguments but options, `rules` and `queue`");
    return line->check ? check_config(settings) : run(settings);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "rules") == 0) return rules_command(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "queue") == 0) return queue_command(argc - 1, argv + 1);
    ccol_settings *settings = NULL;
    ccol_error err = {0};
    struct command_line line = {0};
    int status = EXIT_FAILURE;
    if (ccol_settings_new(&settings, &err) == 0 && read_command_line(&line, argc, argv))
        status = act(settings, &line);
    else
        fputs("crashcollectd: out of memory\n", stderr);
    ccol_settings_free(settings);
    free(line.rest);
    return status;
}
