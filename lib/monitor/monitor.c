/* SPDX-License-Identifier: MIT */
/* A keeper for a host that has threads and children of its own. */
#include <crashcollect/monitor.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "keeper/control.h"
#include "keeper/keeper.h"
#include "monitor/shipper.h"

#define ABOUT_MOST    ((size_t)1 << 20)
#define START_MOST_MS 30000
#define END_MOST_MS   10000
#define PART          "monitor"

struct ccol_monitor {
    ccol_monitor_options options; /* storage and publisher are references of its own */
    char *data_dir;
    struct keeper *keeper;
    pid_t keeper_pid;
    int control_fd;
    int app_pid;
    int known; /* 0: it runs; 1: death tells; -ECHILD */
    ccol_death death;
    pthread_t shipper;
    bool ships;
};

static void add_word(struct buffer *out, const char *word)
{
    ccol__json_write_string(out, word, strlen(word));
}

static bool write_about(struct buffer *out, const ccol_monitor_options *options)
{
    ccol__buffer_text(out, "{\"annotations\":{");
    for (size_t i = 0; options->annotations && options->annotations[i] && options->annotations[i + 1]; i += 2) {
        if (i > 0) ccol__buffer_text(out, ",");
        add_word(out, options->annotations[i]);
        ccol__buffer_text(out, ":");
        add_word(out, options->annotations[i + 1]);
    }
    ccol__buffer_text(out, "}");
    for (size_t i = 0; !options->no_command_line && options->argv[i]; i++) {
        ccol__buffer_text(out, i > 0 ? "," : ",\"command\":[");
        add_word(out, options->argv[i]);
    }
    ccol__buffer_text(out, options->no_command_line ? "}" : "]}");
    return !out->failed;
}

static int open_collector(void *user, const char *spool_dir, ccol_collector **out, ccol_error *err)
{
    const ccol_monitor *monitor = user;
    const ccol_collector_options options = {.size = sizeof options,
                                            .storage = monitor->options.storage,
                                            .publisher = monitor->options.publisher,
                                            .spool_dir = spool_dir,
                                            .log = monitor->options.log,
                                            .log_user = monitor->options.log_user};
    return ccol_collector_new(out, &options, err);
}

static void *ship(void *user)
{
    ccol_monitor *monitor = user;
    const struct shipper_options options = {.data_dir = monitor->data_dir,
                                            .open_collector = open_collector,
                                            .user = monitor,
                                            .log = {monitor->options.log, monitor->options.log_user},
                                            .drain_ms = monitor->options.drain_timeout_ms};
    const struct keeper_shipper from = {.folder_fd = ccol__keeper_folder_fd(monitor->keeper),
                                        .wake_fd = ccol__keeper_wake_fd(monitor->keeper),
                                        .instance = ccol__keeper_instance(monitor->keeper),
                                        .starts = 1};
    ccol_error err = {0};
    if (ccol__shipper_run(&options, &from, &err) != 0)
        ccol__log(&options.log, CCOL_LOG_ERROR, PART, "",
                  "%s; reports stay in %s/%s and are shipped by the next monitor there", err.text, monitor->data_dir,
                  HANDOVER_PARENT);
    return NULL;
}

static int new_keeper(ccol_monitor *monitor, int control_fd, ccol_error *err)
{
    static const enum capture_mode modes[] = {CAPTURE_PTRACE, CAPTURE_PTRACE, CAPTURE_ATTACH, CAPTURE_WAIT};
    const ccol_monitor_options *options = &monitor->options;
    struct buffer about;
    ccol__buffer_init(&about, ABOUT_MOST, NULL);
    struct keeper_options keeper = {.argv = options->argv,
                                    .envp = options->envp,
                                    .data_dir = options->data_dir,
                                    .mode = modes[options->capture],
                                    .degrade = options->capture == CCOL_CAPTURE_AUTO,
                                    .exits_are_crashes = options->exits_are_crashes,
                                    .no_cmdline = options->no_command_line,
                                    .control_fd = control_fd};
    int code = write_about(&about, options) ? 0 : ccol_fail(err, -ENOMEM, "annotations and command line");
    keeper.about = about.data;
    if (code == 0) code = ccol__keeper_new(&monitor->keeper, &keeper, err);
    ccol__buffer_fini(&about);
    return code;
}

/* What the keeper says next, or why there is nothing: -ETIMEDOUT, -ECHILD. */
static int hear(const ccol_monitor *monitor, int timeout_ms, struct control_message *message)
{
    uint64_t deadline = ccol__clock_monotonic_ms() + (unsigned)(timeout_ms < 0 ? 0 : timeout_ms);
    struct pollfd ready = {.fd = monitor->control_fd, .events = POLLIN};
    for (;;) {
        uint64_t now = ccol__clock_monotonic_ms();
        int got = poll(&ready, 1, timeout_ms < 0 ? -1 : deadline > now ? (int)(deadline - now) : 0);
        if (got > 0) break;
        if (got == 0) return -ETIMEDOUT;
        if (errno != EINTR) return -errno;
    }
    ssize_t got = recv(monitor->control_fd, message, sizeof *message, MSG_DONTWAIT);
    return got == (ssize_t)sizeof *message ? 0 : -ECHILD;
}

/* Without SIGCHLD and out of sight of waitpid(-1): the child has no signal for its end. */
static pid_t fork_unseen(void)
{
    return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

static int start_keeper(ccol_monitor *monitor, ccol_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return ccol_fail(err, -errno, "cannot make a socket");
    monitor->control_fd = ends[0];
    int code = new_keeper(monitor, ends[1], err);
    if (code == 0) {
        monitor->keeper_pid = fork_unseen();
        if (monitor->keeper_pid == 0) ccol__keeper_run_in_child(monitor->keeper);
        if (monitor->keeper_pid < 0) code = ccol_fail(err, -errno, "cannot fork the keeper");
    }
    close(ends[1]);
    if (code) {
        if (monitor->keeper) ccol__keeper_discard(monitor->keeper);
        monitor->keeper = NULL;
        return code;
    }
    ccol__keeper_leave_to_child(monitor->keeper);
    struct control_message message;
    code = hear(monitor, START_MOST_MS, &message);
    if (code) return ccol_fail(err, code, "the keeper did not start the program");
    message.text[sizeof message.text - 1] = '\0';
    if (message.kind != CONTROL_STARTED) {
        memcpy(err ? err->text : message.text, message.text, sizeof message.text);
        if (err) err->code = message.value;
        return message.value;
    }
    monitor->app_pid = message.pid;
    return 0;
}

int ccol_monitor_start(ccol_monitor **out, const ccol_monitor_options *given, ccol_error *err)
{
    ccol_monitor_options options;
    if (!out || !given) return ccol_fail(err, -EINVAL, "ccol_monitor_start");
    int code = ccol__struct_in(&options, sizeof options, given, "ccol_monitor_options", err);
    if (code) return code;
    if (!options.argv || !options.argv[0] || !options.data_dir || !options.storage ||
        (unsigned)options.capture > CCOL_CAPTURE_WAIT)
        return ccol_fail(err, -EINVAL, "argv, data_dir and storage are required, capture is one of its list");
    ccol_monitor *monitor = calloc(1, sizeof *monitor);
    if (!monitor) return ccol_fail(err, -ENOMEM, "the monitor");
    monitor->options = options;
    monitor->options.storage = ccol_storage_ref(options.storage);
    if (options.publisher) monitor->options.publisher = ccol_publisher_ref(options.publisher);
    monitor->control_fd = -1;
    monitor->data_dir = strdup(options.data_dir);
    code = monitor->data_dir ? start_keeper(monitor, err) : ccol_fail(err, -ENOMEM, "the monitor");
    if (code == 0) {
        code = ccol__thread_start(&monitor->shipper, "ccol-shipper", ship, monitor);
        monitor->ships = code == 0;
        if (code) ccol_fail(err, code, "cannot start a thread");
    }
    if (code) {
        ccol_monitor_free(monitor);
        return code;
    }
    *out = monitor;
    return 0;
}

int ccol_monitor_pid(const ccol_monitor *monitor)
{
    return monitor->app_pid;
}

int ccol_monitor_fd(const ccol_monitor *monitor)
{
    return monitor->control_fd;
}

int ccol_monitor_wait(ccol_monitor *monitor, int timeout_ms, ccol_death *death)
{
    struct control_message message;
    if (!monitor) return -EINVAL;
    if (monitor->known == 0) {
        int code = hear(monitor, timeout_ms, &message);
        if (code == -ETIMEDOUT) return code;
        monitor->known = code == 0 && message.kind == CONTROL_ENDED ? 1 : -ECHILD;
        int status = message.value;
        if (monitor->known == 1)
            monitor->death = (ccol_death){.pid = monitor->app_pid,
                                          .wait_status = status,
                                          .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                                          .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    }
    if (monitor->known < 0) return monitor->known;
    if (death) ccol__struct_out(death, &monitor->death, sizeof monitor->death);
    return 0;
}

int ccol_monitor_signal(ccol_monitor *monitor, int number)
{
    if (!monitor || number <= 0 || number >= NSIG) return -EINVAL;
    const struct control_message message = {.kind = CONTROL_SIGNAL, .value = number};
    if (send(monitor->control_fd, &message, sizeof message, MSG_NOSIGNAL) == (ssize_t)sizeof message) return 0;
    return errno == EPIPE ? -ESRCH : -errno;
}

void ccol_monitor_free(ccol_monitor *monitor)
{
    if (!monitor) return;
    if (monitor->keeper_pid > 0 && monitor->known == 0 && ccol_monitor_wait(monitor, 0, NULL) == -ETIMEDOUT) {
        ccol_monitor_signal(monitor, SIGKILL);
        if (ccol_monitor_wait(monitor, END_MOST_MS, NULL) == -ETIMEDOUT) kill(monitor->keeper_pid, SIGKILL);
    }
    if (monitor->control_fd >= 0) close(monitor->control_fd);
    if (monitor->keeper_pid > 0) waitpid(monitor->keeper_pid, NULL, __WALL);
    if (monitor->ships) pthread_join(monitor->shipper, NULL);
    ccol__keeper_free(monitor->keeper);
    ccol_publisher_unref(monitor->options.publisher);
    ccol_storage_unref(monitor->options.storage);
    free(monitor->data_dir);
    free(monitor);
}
