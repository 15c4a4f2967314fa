/* SPDX-License-Identifier: MIT */
/* crashcollect-run: runs a program, and when it crashes reports that with stack traces and its last output. Watching is
 * the library's work; here are the command line and the ways to end. */
#include "option_help.h"

#include <crashcollect.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* As env(1) and timeout(1) have them. */
enum { EXIT_FAILED = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

struct command_line {
    bool help, version, check, self_test;
    char **rest; /* the arguments without those */
    int count;
};

static int print_help(const ccol_settings *settings)
{
    puts(
        "usage: crashcollect-run [--OPTION VALUE]... [--] PROGRAM [ARGUMENT]...\n"
        "       crashcollect-run --self-test\n"
        "\n"
        "Runs a program unchanged and reports its death with stack traces of all threads, a minidump, its last output\n"
        "and the reason. It ends as the program does: with its exit status, or by its signal.\n"
        "\n"
        "Each option is a setting that can also be given as a variable, in the environment or in a file: --data-dir\n"
        "is CRASHCOLLECT_DATA_DIR. Options override the environment, which overrides the file. Defaults in "
        "brackets.\n");
    option_help_print_settings(settings);
    putchar('\n');
    option_help_print("config", "FILE", "Read settings from lines of the form KEY=value");
    option_help_print("check-config", "", "Check all settings, tell every mistake, and exit");
    option_help_print("self-test", "", "Tell which ways to catch a crash work here, and why others do not, and exit");
    option_help_print("help", "", "Print this text and exit");
    option_help_print("version", "", "Print the version and exit");
    puts("\n"
         "Exit status: the program's; 125 crashcollect-run itself failed, or wrong usage; 126 the program cannot be\n"
         "executed; 127 there is no such program.");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static bool take_flag(struct command_line *line, const char *argument)
{
    bool *flag = NULL;
    if (strcmp(argument, "--help") == 0) flag = &line->help;
    if (strcmp(argument, "--version") == 0) flag = &line->version;
    if (strcmp(argument, "--check-config") == 0) flag = &line->check;
    if (strcmp(argument, "--self-test") == 0) flag = &line->self_test;
    if (flag) *flag = true;
    return flag != NULL;
}

/* These stand first: behind them come the settings, and behind those whatever the program is to get. */
static bool read_command_line(struct command_line *line, int argc, char **argv)
{
    int i = 1;
    *line = (struct command_line){.rest = calloc((size_t)argc + 1, sizeof *line->rest)};
    if (!line->rest || argc < 1) return false;
    while (i < argc && take_flag(line, argv[i]))
        i++;
    line->rest[line->count++] = argv[0];
    while (i < argc)
        line->rest[line->count++] = argv[i++];
    return true;
}

static void print_mistake(void *user, const char *mistake)
{
    (void)user;
    fprintf(stderr, "crashcollect-run: %s\n", mistake);
}

static int wrong_usage(const char *text)
{
    fprintf(stderr, "crashcollect-run: %s; try --help\n", text);
    return EXIT_FAILED;
}

/* Ends as the program did. Process 1 cannot be ended by its own signal: there the shell's number for it must do. */
static int end_like(int status)
{
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    const struct rlimit none = {0, 0};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &none); /* the core, if one was wanted, is the program's */
    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    kill(getpid(), number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    return EXIT_SIGNAL + number;
}

/* The program matters more than its being watched, unless the user thinks otherwise. */
static int run_unwatched(const ccol_settings *settings, char **argv, const char *cause)
{
    bool refuse = strcmp(ccol_settings_get(settings, "on-trouble"), "refuse") == 0;
    fprintf(stderr, "crashcollect-run: %s; %s is %s\n", cause, argv[0], refuse ? "not started" : "run unwatched");
    if (refuse) return EXIT_FAILED;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(argv[0], argv);
    fprintf(stderr, "crashcollect-run: cannot execute %s: %s\n", argv[0], strerror(errno));
    return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int run(ccol_settings *settings, char **argv)
{
    ccol_error err = {0};
    int status;
    if (ccol_settings_check(settings, print_mistake, NULL) > 0) return EXIT_FAILED;
    if (ccol_settings_watch(settings, argv, &status, &err) == 0) return end_like(status);
    if (status < 0) return run_unwatched(settings, argv, err.text);
    fprintf(stderr, "crashcollect-run: %s\n", err.text);
    return WEXITSTATUS(status);
}

static void print_line(void *user, const char *line)
{
    (void)user;
    puts(line);
}

static int self_test(ccol_settings *settings)
{
    if (ccol_settings_check(settings, print_mistake, NULL) > 0) return EXIT_FAILED;
    bool works = ccol_settings_self_test(settings, print_line, NULL) > 0;
    return fflush(stdout) == 0 && works ? EXIT_SUCCESS : EXIT_FAILED;
}

static int check_config(const ccol_settings *settings)
{
    if (ccol_settings_check(settings, print_mistake, NULL) > 0) return EXIT_FAILED;
    puts("ok");
    return EXIT_SUCCESS;
}

static int act(ccol_settings *settings, const struct command_line *line)
{
    ccol_error err = {0};
    int next;
    if (line->help) return print_help(settings);
    if (line->version) return printf("crashcollect-run %s\n", ccol_version_text()) > 0 ? EXIT_SUCCESS : EXIT_FAILED;
    int code = ccol_settings_read_options(settings, line->count, line->rest, &next, &err);
    if (code == CCOL_EFORMAT) return wrong_usage(err.text);
    if (code) {
        print_mistake(NULL, err.text);
        return EXIT_FAILED;
    }
    if (line->check) return check_config(settings);
    if (line->self_test) return self_test(settings);
    if (next == line->count) return wrong_usage("there is no program to run");
    return run(settings, line->rest + next);
}

int main(int argc, char **argv)
{
    ccol_settings *settings = NULL;
    ccol_error err = {0};
    struct command_line line = {0};
    int status = EXIT_FAILED;
    if (ccol_settings_new(&settings, &err) == 0 && read_command_line(&line, argc, argv)) {
        ccol_settings_set_program(settings, CCOL_PROGRAM_MONITOR);
        status = act(settings, &line);
    } else {
        fputs("crashcollect-run: out of memory\n", stderr);
    }
    ccol_settings_free(settings);
    free(line.rest);
    return status;
}
