/* SPDX-License-Identifier: MIT */
/* A keeper without a shipper, so that tests see what it hands over: keeper_alone DATA_DIR [NAME=VALUE]... -- PROGRAM
 * [ARGUMENT]... It exits as a shell would tell the program's end. */
#include "keeper/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : NULL;
}

static unsigned number_of(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static void take(struct keeper_options *options, const char *argument)
{
    const char *value;
    if ((value = value_of(argument, "mode"))) options->mode = (enum capture_mode)number_of(value);
    if ((value = value_of(argument, "degrade"))) options->degrade = number_of(value);
    if ((value = value_of(argument, "preload"))) options->preload = value;
    if ((value = value_of(argument, "pty"))) options->pty = number_of(value);
    if ((value = value_of(argument, "stderr"))) options->stderr_policy = (enum output_policy)number_of(value);
    if ((value = value_of(argument, "exits"))) options->exits_are_crashes = number_of(value);
    if ((value = value_of(argument, "kill_stacks"))) options->kill_stacks = (enum kill_stacks)number_of(value);
    if ((value = value_of(argument, "stacks"))) options->stacks_most = number_of(value);
    if ((value = value_of(argument, "threads"))) options->threads_most = number_of(value);
    if ((value = value_of(argument, "processes"))) options->processes_most = number_of(value);
    if ((value = value_of(argument, "waiting"))) options->snapshots_most = number_of(value);
    if ((value = value_of(argument, "ring"))) options->ring_bytes = number_of(value);
    if ((value = value_of(argument, "freeze"))) options->freeze_ms = number_of(value);
    if ((value = value_of(argument, "linger"))) options->linger_ms = number_of(value);
}

int main(int argc, char **argv)
{
    struct keeper_options options = {.data_dir = argc > 1 ? argv[1] : ""};
    struct keeper *keeper;
    ccol_error err = {0};
    int status, i = 2;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        take(&options, argv[i]);
    options.argv = argv + (i < argc ? i + 1 : i);
    int code = ccol__keeper_new(&keeper, &options, &err);
    if (code == 0) {
        code = ccol__keeper_run(keeper, &status, &err);
        ccol__keeper_free(keeper);
    }
    if (code) {
        fprintf(stderr, "keeper_alone: %s\n", err.text);
        return 125;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
