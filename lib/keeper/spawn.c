/* SPDX-License-Identifier: MIT */
/* Starts the app: its environment, descriptors, signals and score, and the moment at which it is seized. */
#include "keeper/keeper_private.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PID_DIGITS   10
#define CHILD_FAILED 127

extern char **environ;

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

struct environment {
    char **entries;
    size_t count;
    char *text, *end; /* entries that are made here */
};

static char *add_text(struct environment *out, const char *name, const char *value)
{
    int length = snprintf(out->text, (size_t)(out->end - out->text), "%s=%s", name, value);
    char *entry = out->text;
    out->entries[out->count++] = entry;
    out->text += length + 1;
    return entry + strlen(name) + 1;
}

/* LISTEN_PID and WATCHDOG_PID name the process they are meant for, which is not the keeper. */
static bool is_own_pid(const char *entry)
{
    char own[16];
    snprintf(own, sizeof own, "%d", (int)getpid());
    return strcmp(strchr(entry, '=') + 1, own) == 0;
}

static bool take_over(struct keeper *keeper, struct environment *out, char *entry)
{
    static const char blank[] = "          ";
    if (is_variable(entry, "LISTEN_PID") && is_own_pid(entry)) {
        keeper->listen_pid = add_text(out, "LISTEN_PID", blank);
    } else if (is_variable(entry, "WATCHDOG_PID") && is_own_pid(entry)) {
        keeper->watchdog_pid = add_text(out, "WATCHDOG_PID", blank);
    } else if (is_variable(entry, "JOURNAL_STREAM") || is_variable(entry, CAPTURE_VARIABLE)) {
        return true; /* the app's stderr is no stream of the journal any more */
    } else if (is_variable(entry, "LD_PRELOAD") && keeper->mode == CAPTURE_PRELOAD && entry[11]) {
        char both[8192];
        snprintf(both, sizeof both, "%s:%s", keeper->options.preload, entry + 11);
        add_text(out, "LD_PRELOAD", both);
    } else {
        out->entries[out->count++] = entry;
    }
    return true;
}

static void add_capture(const struct keeper *keeper, struct environment *out)
{
    struct stat status = {0};
    char value[64];
    bool lines = keeper->options.line_buffered, open = keeper->capture_child_fd >= 0;
    if (!open && !lines) return;
    if (open) fstat(keeper->capture_child_fd, &status);
    snprintf(value, sizeof value, "%d:%llu:%s%s%s", keeper->capture_child_fd, (unsigned long long)status.st_ino,
             keeper->mode == CAPTURE_PRELOAD ? "h" : "", open ? "n" : "", lines ? "l" : "");
    add_text(out, CAPTURE_VARIABLE, value);
}

int ccol__keeper_prepare_environment(struct keeper *keeper)
{
    char *const *from = keeper->options.envp ? keeper->options.envp : environ;
    size_t count = 0, bytes = 1024;
    bool has_preload = false;
    for (; from && from[count]; count++) {
        bytes += strlen(from[count]) + 16;
        has_preload |= is_variable(from[count], "LD_PRELOAD") && from[count][11];
    }
    if (keeper->options.preload) bytes += 2 * strlen(keeper->options.preload);
    free(keeper->envp);
    free(keeper->environment_text);
    keeper->envp = calloc(count + 8, sizeof *keeper->envp);
    keeper->environment_text = malloc(bytes);
    if (!keeper->envp || !keeper->environment_text) return -ENOMEM;
    struct environment out = {
        .entries = keeper->envp, .text = keeper->environment_text, .end = keeper->environment_text + bytes};
    for (size_t i = 0; i < count; i++)
        take_over(keeper, &out, from[i]);
    bool preloads = keeper->options.preload && (keeper->mode == CAPTURE_PRELOAD || keeper->options.line_buffered);
    if (preloads && !has_preload) add_text(&out, "LD_PRELOAD", keeper->options.preload);
    add_capture(keeper, &out);
    return 0;
}

static void put_pid(char *where)
{
    char digits[PID_DIGITS + 1];
    if (!where) return;
    snprintf(digits, sizeof digits, "%d", (int)getpid());
    memcpy(where, digits, strlen(digits) + 1);
}

void ccol__keeper_set_score(int points)
{
    char text[16];
    auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int length = snprintf(text, sizeof text, "%d", points);
    if (fd >= 0 && write(fd, text, (size_t)length) < 0) return; /* refused: the score stays as it is */
}

/* Descriptor `to` of the app; the source is closed by exec. */
static bool put_descriptor(const struct output *output, int to)
{
    return output->app_end < 0 || dup2(output->app_end, to) == to;
}

struct start {
    int go_read, go_write, error_read, error_write;
    int score; /* that the app gets */
    bool has_score;
};

/* The child, up to the app's first instruction. Only calls that are safe after a fork of a process with threads. */
static void run_child(const struct keeper *keeper, const struct start *start)
{
    char go;
    const struct output *error = keeper->outputs[1].buffer ? &keeper->outputs[1] : &keeper->outputs[0];
    close(start->go_write);
    close(start->error_read);
    while (read(start->go_read, &go, 1) < 0 && errno == EINTR) {
    }
    put_pid(keeper->listen_pid);
    put_pid(keeper->watchdog_pid);
    if (start->has_score) ccol__keeper_set_score(start->score);
    int code = 0;
    if (!put_descriptor(&keeper->outputs[0], STDOUT_FILENO) || !put_descriptor(error, STDERR_FILENO)) code = errno;
    if (keeper->capture_child_fd >= 0) fcntl(keeper->capture_child_fd, F_SETFD, 0);
    sigprocmask(SIG_SETMASK, &keeper->mask_before, NULL);
    if (code == 0) {
        execvpe(keeper->options.argv[0], keeper->options.argv, keeper->envp);
        code = errno;
    }
    while (write(start->error_write, &code, sizeof code) < 0 && errno == EINTR) {
    }
    _exit(CHILD_FAILED);
}

int ccol__keeper_score(void)
{
    char text[32];
    if (ccol__proc_read_of(0, "oom_score_adj", text, sizeof text, NULL) <= 0) return 0;
    int value = 0, sign = text[0] == '-' ? -1 : 1;
    for (const char *at = text + (sign < 0); *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (*at - '0');
    return sign * value;
}

/* The kernel is to take the app before the keeper: a keeper with the right to do so lowers its own score, another
 * raises the app's a little. */
static void plan_score(struct keeper *keeper, struct start *start)
{
    int own = keeper->score_before = ccol__keeper_score();
    if (keeper->options.oom_points < 0) return;
    ccol__keeper_set_score(-1000);
    start->has_score = true;
    start->score = own;
    if (ccol__keeper_score() == -1000) return;
    start->score = own + keeper->options.oom_points < 1000 ? own + keeper->options.oom_points : 1000;
}

static void tell_mode(struct keeper *keeper, enum capture_mode mode, const char *reason)
{
    keeper->mode = mode;
    keeper->state->mode = mode;
    snprintf(keeper->state->mode_reason, sizeof keeper->state->mode_reason, "%s", reason);
}

/* 0, or the code of a child that could not be seized and must not go on. */
static int seize(struct keeper *keeper, pid_t pid, ccol_error *err)
{
    char reason[sizeof keeper->state->mode_reason];
    if (keeper->mode != CAPTURE_PTRACE) return 0;
    int code = ccol__trace_seize(keeper, pid);
    if (code == 0) return 0;
    if (!keeper->options.degrade) return ccol_fail(err, code, "cannot trace the app: choose another mode");
    snprintf(reason, sizeof reason, "ptrace refused: %s", ccol_strerror(code));
    tell_mode(keeper, keeper->capture_fd >= 0 ? CAPTURE_ATTACH : CAPTURE_WAIT, reason);
    return 0;
}

/* Reads why exec failed; 0: it did not, for its end of the pipe was closed. Traced, the app stops inside exec, so the
 * keeper must let it through meanwhile. */
static int wait_for_exec(struct keeper *keeper, int fd)
{
    int code = 0;
    for (;;) {
        ssize_t got = read(fd, &code, sizeof code);
        if (got == (ssize_t)sizeof code) return -code;
        if (got == 0) return 0;
        if (errno != EAGAIN && errno != EINTR) return -errno;
        sigset_t child;
        struct timespec patience = {.tv_nsec = 10000000};
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        sigtimedwait(&child, NULL, &patience);
        ccol__trace_reap(keeper);
    }
}

static int open_start(struct start *start)
{
    int go[2], error[2];
    if (pipe2(go, O_CLOEXEC) != 0) return -errno;
    start->go_read = go[0];
    start->go_write = go[1];
    if (pipe2(error, O_CLOEXEC) != 0) return -errno;
    start->error_read = error[0];
    start->error_write = error[1];
    return fcntl(start->error_read, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

static void close_start(struct start *start)
{
    int *const ends[] = {&start->go_read, &start->go_write, &start->error_read, &start->error_write};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (*ends[i] >= 0) close(*ends[i]);
        *ends[i] = -1;
    }
}

static void close_app_ends(struct keeper *keeper)
{
    for (size_t i = 0; i < 2; i++) {
        struct output *output = &keeper->outputs[i];
        if (output->app_end < 0 || output->is_pty) continue;
        close(output->app_end);
        output->app_end = -1;
    }
    if (keeper->capture_child_fd >= 0) close(keeper->capture_child_fd);
    keeper->capture_child_fd = -1;
}

static int start_child(struct keeper *keeper, struct start *start, ccol_error *err)
{
    pid_t pid = _Fork();
    if (pid < 0) return ccol_fail(err, -errno, "cannot fork");
    if (pid == 0) run_child(keeper, start);
    keeper->app = keeper->state->app_pid = pid;
    close(start->go_read);
    close(start->error_write);
    start->go_read = start->error_write = -1;
    struct traced_process *process = ccol__tracees_add_process(&keeper->tracees, pid, NULL);
    process->is_main = true;
    int code = seize(keeper, pid, err);
    if (code) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, __WALL);
        return code;
    }
    process->seized = keeper->mode == CAPTURE_PTRACE;
    if (process->seized) ccol__tracees_add_thread(&keeper->tracees, pid, process);
    /* of one that was killed already the end is told like any other's */
    if (write(start->go_write, "", 1) != 1 && errno != EPIPE) return ccol_fail(err, -errno, "cannot start the app");
    keeper->executed = true;
    code = wait_for_exec(keeper, start->error_read);
    if (code) return ccol_fail(err, code, "cannot execute %s", keeper->options.argv[0]);
    return 0;
}

int ccol__keeper_spawn(struct keeper *keeper, ccol_error *err)
{
    struct start start = {-1, -1, -1, -1, 0, false};
    int code = open_start(&start);
    if (code) {
        ccol_fail(err, code, "cannot make a pipe");
    } else {
        plan_score(keeper, &start);
        code = start_child(keeper, &start, err);
    }
    close_start(&start);
    close_app_ends(keeper);
    if (code == 0) keeper->state->phase = HANDOVER_RUNNING;
    return code;
}
