/* SPDX-License-Identifier: MIT */
/* What of watching works on this machine, and why the rest does not. */
#include "settings/settings.h"

#include "keeper/keeper.h"
#include "keeper/oom.h"
#include "keeper/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct telling {
    void (*tell)(void *user, const char *line);
    void *user;
};

static void say(const struct telling *to, const char *format, ...) CCOL_PRINTF(2, 3);

static void say(const struct telling *to, const char *format, ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    to->tell(to->user, line);
}

static bool try_ptrace(const struct telling *to)
{
    ccol_error err = {0};
    char scope[16] = "";
    if (ccol__keeper_probe(&err) == 0) {
        say(to, "ptrace: works, with stacks of what SIGKILL or the kernel's lack of memory ends");
        return true;
    }
    ccol__proc_read("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof scope, NULL);
    say(to, "ptrace: does not work: %s%s%.1s", err.text, scope[0] ? "; kernel.yama.ptrace_scope is " : "", scope);
    return false;
}

static bool try_preload(const struct telling *to, const ccol_settings *settings)
{
    const char *path = ccol__settings_value(settings, SETTING_PRELOAD_LIBRARY);
    if (path && access(path, R_OK) == 0) {
        say(to, "preload: works, with %s", path);
        return true;
    }
    say(to, "preload: does not work: %s cannot be read; set CRASHCOLLECT_PRELOAD_LIBRARY", path ? path : "no library");
    return false;
}

static bool try_data_dir(const struct telling *to, const ccol_settings *settings)
{
    char program[] = "true", *argv[] = {program, NULL};
    struct keeper_options options = {.argv = argv, .data_dir = ccol__settings_value(settings, SETTING_DATA_DIR)};
    struct keeper *keeper;
    ccol_error err = {0};
    if (ccol__keeper_new(&keeper, &options, &err) != 0) {
        say(to, "data folder: does not work: %s; nothing can be watched without it", err.text);
        return false;
    }
    ccol__keeper_discard(keeper);
    say(to, "data folder: works, %s", options.data_dir);
    return true;
}

static void tell_oom(const struct telling *to)
{
    static struct oom_watch watch;
    char text[2048];
    int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (ccol__proc_read_of(0, "cgroup", text, sizeof text, NULL) > 0) ccol__oom_watch(&watch, text);
    if (watch.source != SNAPSHOT_OOM_NONE && watch.kills != UINT64_MAX)
        say(to, "OOM evidence: the counters of %s", watch.folder);
    else
        say(to, "OOM evidence: no memory cgroup can be read; /proc/vmstat tells of kills on the whole host only");
    say(to, "OOM evidence: the kernel's log %s", kmsg >= 0 ? "can be read" : strerror(errno));
    if (kmsg >= 0) close(kmsg);
}

int ccol_settings_self_test(ccol_settings *settings, void (*tell)(void *user, const char *line), void *user)
{
    if (!settings || !tell) return 0;
    struct telling to = {tell, user};
    if (!try_data_dir(&to, settings)) return 0;
    int works = try_ptrace(&to);
    works += try_preload(&to, settings);
    say(&to, "attach: works in programs that link the library and call ccol_capture_install");
    say(&to, "wait: works");
    tell_oom(&to);
    return works + 2;
}
