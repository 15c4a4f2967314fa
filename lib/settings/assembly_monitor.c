/* SPDX-License-Identifier: MIT */
/* From settings to a keeper with its shipper. */
#include "settings/assembly.h"

#include "base/auto.h"
#include "base/buffer.h"
#include "base/json.h"
#include "keeper/keeper.h"
#include "settings/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ABOUT_MOST ((size_t)4 << 20)

/* In the order of the settings' choices; "auto" is ptrace that may become less. */
static const enum capture_mode modes[] = {CAPTURE_PTRACE, CAPTURE_PTRACE, CAPTURE_PRELOAD, CAPTURE_ATTACH,
                                          CAPTURE_WAIT};
static const enum output_policy policies[] = {OUTPUT_AUTO, OUTPUT_BLOCK, OUTPUT_DROP};
static const enum kill_stacks kill_stacks[] = {KILL_STACKS_ALL, KILL_STACKS_MAIN, KILL_STACKS_OFF};

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void add_pair(struct buffer *out, const char *name, const char *value)
{
    if (!value || !*value) return;
    if (out->data[out->length - 1] != '{') ccol__buffer_text(out, ",");
    ccol__json_write_string(out, name, strlen(name));
    ccol__buffer_text(out, ":");
    ccol__json_write_string(out, value, strlen(value));
}

/* The text of about.json. */
static void write_about(const ccol_settings *settings, char *const *argv, struct buffer *out)
{
    const char *product = ccol__settings_value(settings, SETTING_PRODUCT);
    ccol__buffer_text(out, "{\"annotations\":{");
    add_pair(out, "ProductName", product ? product : file_name(argv[0]));
    add_pair(out, "Version", ccol__settings_value(settings, SETTING_PRODUCT_VERSION));
    add_pair(out, "ReleaseChannel", ccol__settings_value(settings, SETTING_RELEASE_CHANNEL));
    add_pair(out, "BuildID", ccol__settings_value(settings, SETTING_BUILD_ID));
    ccol__buffer_text(out, "}");
    if (ccol__assembly_switch(settings, SETTING_COMMAND_LINE)) {
        ccol__buffer_text(out, ",\"command\":[");
        for (size_t i = 0; argv[i]; i++) {
            if (i > 0) ccol__buffer_text(out, ",");
            ccol__json_write_string(out, argv[i], strlen(argv[i]));
        }
        ccol__buffer_text(out, "]");
    }
    ccol__buffer_text(out, "}\n");
}

static const char *preload_library(const ccol_settings *settings)
{
    const char *path = ccol__settings_value(settings, SETTING_PRELOAD_LIBRARY);
    return path && access(path, R_OK) == 0 ? path : NULL;
}

static void fill_options(const ccol_settings *settings, char *const *argv, struct keeper_options *options)
{
    *options = (struct keeper_options){
        .argv = argv,
        .data_dir = ccol__settings_value(settings, SETTING_DATA_DIR),
        .mode = modes[ccol__assembly_choice(settings, SETTING_MODE)],
        .degrade = ccol__assembly_choice(settings, SETTING_MODE) == 0,
        .preload = preload_library(settings),
        .pty = ccol__assembly_switch(settings, SETTING_PTY),
        .line_buffered = ccol__assembly_switch(settings, SETTING_LINE_BUFFERED),
        .stdout_policy = policies[ccol__assembly_choice(settings, SETTING_STDOUT)],
        .stderr_policy = policies[ccol__assembly_choice(settings, SETTING_STDERR)],
        .output_bytes = (size_t)ccol__settings_amount(settings, SETTING_OUTPUT_BUFFER),
        .stall_ms = ccol__assembly_amount(settings, SETTING_OUTPUT_STALL),
        .ring_bytes = ccol__settings_amount(settings, SETTING_LOG_RING),
        .snapshot_bytes = (size_t)ccol__settings_amount(settings, SETTING_SNAPSHOT_SIZE),
        .threads_most = ccol__assembly_amount(settings, SETTING_WATCHED_THREADS),
        .processes_most = ccol__assembly_amount(settings, SETTING_WATCHED_PROCESSES),
        .stacks_most = ccol__assembly_amount(settings, SETTING_REPORTED_THREADS),
        .snapshots_most = ccol__assembly_amount(settings, SETTING_SNAPSHOTS_WAITING),
        .freeze_ms = ccol__assembly_amount(settings, SETTING_FREEZE_TIMEOUT),
        .linger_ms = ccol__assembly_amount(settings, SETTING_LINGER),
        .exits_are_crashes = ccol__assembly_switch(settings, SETTING_CRASH_EXITS),
        .wait_children = ccol__assembly_switch(settings, SETTING_WAIT_CHILDREN),
        .no_cmdline = !ccol__assembly_switch(settings, SETTING_COMMAND_LINE),
        .kill_stacks = kill_stacks[ccol__assembly_choice(settings, SETTING_KILL_STACKS)],
        .oom_points = (int)ccol__assembly_amount(settings, SETTING_OOM_POINTS),
    };
    options->shipper = ccol__assembly_ship;
    options->shipper_user = (void *)(uintptr_t)settings;
    ccol__value_signals(ccol__settings_value(settings, SETTING_CRASH_SIGNALS), &options->signals);
    if (options->oom_points == 0) options->oom_points = -1;
}

/* What opens a storage is not the program's, which may tell its environment to anybody. */
static void keep_secrets(const ccol_settings *settings)
{
    for (int id = 0; id < SETTING_COUNT; id++) {
        const struct setting *setting = &ccol__setting_table[id];
        if (setting->secret && ccol__settings_has(settings, (enum setting_id)id)) unsetenv(setting->variable);
    }
}

int ccol_settings_watch(ccol_settings *settings, char *const *argv, int *wait_status, ccol_error *err)
{
    if (!settings || !argv || !argv[0] || !wait_status) return ccol_fail(err, -EINVAL, "ccol_settings_watch");
    struct keeper_options options;
    struct keeper *keeper = NULL;
    struct buffer about;
    *wait_status = -1;
    keep_secrets(settings);
    fill_options(settings, argv, &options);
    ccol__buffer_init(&about, ABOUT_MOST, NULL);
    write_about(settings, argv, &about);
    options.about = about.data;
    int code = about.failed ? ccol_fail(err, -ENOMEM, "the command line") : ccol__keeper_new(&keeper, &options, err);
    if (code == 0) code = ccol__keeper_run(keeper, wait_status, err);
    ccol__keeper_free(keeper);
    ccol__buffer_fini(&about);
    return code;
}
