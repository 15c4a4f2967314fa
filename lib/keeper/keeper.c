/* SPDX-License-Identifier: MIT */
#include "keeper/keeper_private.h"

#include "base/clock.h"
#include "keeper/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#define SIGNAL_BIT(number) (UINT64_C(1) << ((number)-1))
#define CRASH_SIGNALS                                                                                                  \
    (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGABRT) |        \
     SIGNAL_BIT(SIGSYS) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGXCPU) | SIGNAL_BIT(SIGXFSZ) |      \
     SIGNAL_BIT(SIGKILL))
#define SECTIONS_PER_THREAD 2
#define SECTIONS_MORE       320
#define READS_PER_TURN      16
#define OUTPUT_REST_US      1000

void ccol__keeper_trouble(struct keeper *keeper, const char *format, ...)
{
    char text[sizeof keeper->state->trouble];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(keeper->state->trouble, text, sizeof text);
    ccol__ring_append(&keeper->ring, RING_KEEPER, text, strlen(text), ccol__clock_now_us());
}

#define DEFAULT(member, value)                                                                                         \
    if (!options->member) options->member = (value)

static void fill_defaults(struct keeper_options *options)
{
    DEFAULT(about, "{}");
    DEFAULT(mode, CAPTURE_PTRACE);
    DEFAULT(output_bytes, (size_t)256 << 10);
    DEFAULT(stall_ms, 1000);
    DEFAULT(ring_bytes, (uint64_t)1 << 20);
    DEFAULT(snapshot_bytes, (size_t)4 << 20);
    DEFAULT(threads_most, 4096);
    DEFAULT(processes_most, 256);
    DEFAULT(stacks_most, 1000);
    DEFAULT(snapshots_most, 64);
    DEFAULT(freeze_ms, 50);
    DEFAULT(linger_ms, 10000);
    DEFAULT(signals, CRASH_SIGNALS);
    DEFAULT(oom_points, 10);
}

static int open_outputs(struct keeper *keeper)
{
    const struct keeper_options *options = &keeper->options;
    bool same = ccol__output_is_same(STDOUT_FILENO, STDERR_FILENO);
    /* where both are one file, its lines count as stderr's, and its reader decides as stdout's would */
    enum output_policy first = options->stdout_policy;
    if (same && first == OUTPUT_AUTO) first = isatty(STDOUT_FILENO) ? OUTPUT_DROP : OUTPUT_BLOCK;
    int code = ccol__output_init(&keeper->outputs[0], STDOUT_FILENO, same ? RING_STDERR : RING_STDOUT, first,
                                 options->pty, options->output_bytes, options->stall_ms);
    if (code || same) return code;
    return ccol__output_init(&keeper->outputs[1], STDERR_FILENO, RING_STDERR, options->stderr_policy, options->pty,
                             options->output_bytes, options->stall_ms);
}

static int open_wake(struct keeper *keeper)
{
    int ends[2];
    char byte = 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    /* its first page is there, and stays */
    if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return -errno;
    keeper->wake_read = ends[0];
    keeper->wake_write = ends[1];
    return 0;
}

static int map_scratch(struct keeper *keeper)
{
    keeper->scratch = ccol__facts_scratch_map();
    return keeper->scratch ? 0 : -ENOMEM;
}

static int open_parts(struct keeper *keeper)
{
    const struct keeper_options *options = &keeper->options;
    uint32_t sections = (uint32_t)(options->stacks_most * SECTIONS_PER_THREAD + SECTIONS_MORE);
    if (sections > SNAPSHOT_SECTIONS_MAX) sections = SNAPSHOT_SECTIONS_MAX;
    int code = ccol__ring_create(&keeper->ring, keeper->folder.fd, HANDOVER_LOG, options->ring_bytes);
    if (code == 0) code = ccol__build_init(&keeper->build, options->snapshot_bytes, sections);
    if (code == 0) code = ccol__tracees_init(&keeper->tracees, options->threads_most, options->processes_most);
    if (code == 0) code = map_scratch(keeper);
    if (code == 0) code = open_wake(keeper);
    if (code == 0) code = open_outputs(keeper);
    return code;
}

int ccol__keeper_new(struct keeper **out, const struct keeper_options *options, ccol_error *err)
{
    if (!options->argv || !options->argv[0] || !options->data_dir)
        return ccol_fail(err, -EINVAL, "no program to run, or no data folder");
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) return ccol_fail(err, -ENOMEM, "the keeper");
    keeper->options = *options;
    fill_defaults(&keeper->options);
    keeper->wake_read = keeper->wake_write = keeper->capture_fd = keeper->capture_child_fd = keeper->signal_fd = -1;
    keeper->courier = (struct courier){.ask_fd = -1, .done_fd = -1, .maps_read_fd = -1, .maps_send_fd = -1};
    keeper->refresh_at_ms = UINT64_MAX;
    for (size_t i = 0; i < 2; i++)
        keeper->outputs[i] = (struct output){.from = -1, .app_end = -1, .to = -1};
    int code = ccol__folder_create(&keeper->folder, options->data_dir, keeper->options.about, &keeper->state, err);
    if (code == 0) {
        code = open_parts(keeper);
        if (code) ccol_fail(err, code, "cannot prepare the keeper");
    }
    if (code) {
        ccol__keeper_discard(keeper);
        return code;
    }
    snprintf(keeper->state->executable, sizeof keeper->state->executable, "%s", options->argv[0]);
    keeper->state->mode_wanted = keeper->options.mode;
    *out = keeper;
    return 0;
}

void ccol__keeper_free(struct keeper *keeper)
{
    if (!keeper) return;
    int *const fds[] = {&keeper->wake_read, &keeper->wake_write, &keeper->capture_fd, &keeper->capture_child_fd,
                        &keeper->signal_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0) close(*fds[i]);
    }
    for (size_t i = 0; i < 2; i++)
        ccol__output_fini(&keeper->outputs[i]);
    ccol__ring_close(&keeper->ring);
    ccol__build_fini(&keeper->build);
    ccol__tracees_fini(&keeper->tracees);
    ccol__courier_fini(&keeper->courier);
    if (keeper->scratch) munmap(keeper->scratch, sizeof *keeper->scratch);
    ccol__folder_fini(&keeper->folder, keeper->state);
    free(keeper->envp);
    free(keeper->environment_text);
    free(keeper);
}

void ccol__keeper_discard(struct keeper *keeper)
{
    ccol__folder_remove(&keeper->folder);
    ccol__keeper_free(keeper);
}

int ccol__keeper_wake_fd(const struct keeper *keeper)
{
    return keeper->wake_read;
}

int ccol__keeper_folder_fd(const struct keeper *keeper)
{
    return keeper->folder.fd;
}

const char *ccol__keeper_instance(const struct keeper *keeper)
{
    return keeper->folder.instance;
}

/* Which mode it will be, as far as that can be known before the app is there. */
static int choose_mode(struct keeper *keeper, ccol_error *err)
{
    char *reason = keeper->state->mode_reason;
    size_t size = sizeof keeper->state->mode_reason;
    ccol_error cause = {0};
    keeper->mode = keeper->options.mode;
    int code = keeper->mode == CAPTURE_PTRACE ? ccol__keeper_probe(&cause) : 0;
    if (code) {
        if (!keeper->options.degrade) return ccol_fail(err, code, "mode ptrace does not work here: %s", cause.text);
        keeper->mode = keeper->options.preload ? CAPTURE_PRELOAD : CAPTURE_WAIT;
        snprintf(reason, size, "ptrace does not work here: %.200s", cause.text);
    }
    if (keeper->mode == CAPTURE_PRELOAD && !keeper->options.preload) {
        if (!keeper->options.degrade)
            return ccol_fail(err, -ENOENT,
                             "mode preload needs the library libcrashcollect-preload.so, which is not there");
        keeper->mode = CAPTURE_WAIT;
        snprintf(reason, size, "the library for mode preload is not there");
    }
    keeper->state->mode = keeper->mode;
    return 0;
}

enum {
    POLL_SIGNALS,
    POLL_OUT_FROM,
    POLL_ERR_FROM,
    POLL_OUT_TO,
    POLL_ERR_TO,
    POLL_COURIER,
    POLL_CAPTURE,
    POLL_CONTROL,
    POLL_COUNT
};

static struct pollfd wanted(int fd, short events)
{
    return (struct pollfd){.fd = events ? fd : -1, .events = events};
}

/* Moves what the app wrote; false: nothing was there to read. Where it moved all, the pipes may fill a little: an app
 * that writes line after line does not have to wake the keeper with each. */
bool ccol__keeper_pump(struct keeper *keeper)
{
    bool moved = false, more = false;
    for (size_t i = 0; i < 2; i++) {
        struct output *output = &keeper->outputs[i];
        unsigned reads = 0;
        for (; reads < READS_PER_TURN && ccol__output_read(output, &keeper->ring); reads++)
            ccol__output_write(output, &keeper->ring);
        ccol__output_write(output, &keeper->ring);
        moved |= reads > 0;
        more |= reads == READS_PER_TURN;
    }
    if (moved) ccol__keeper_wake(keeper);
    if (moved) keeper->output_rest_us = more ? 0 : ccol__clock_monotonic_us() + OUTPUT_REST_US;
    return moved;
}

static struct pollfd wanted_from(const struct output *output, bool rests)
{
    return wanted(output->from, rests ? 0 : ccol__output_wants_from(output));
}

/* No longer than until the reader of a full output counts as stalled, or an output that rests is looked at again. */
static int with_patience(const struct keeper *keeper, bool rests, int timeout_ms)
{
    uint64_t now_ms = ccol__clock_monotonic_ms();
    if (rests && (timeout_ms < 0 || timeout_ms > OUTPUT_REST_US / 1000)) timeout_ms = OUTPUT_REST_US / 1000;
    for (size_t i = 0; i < 2; i++) {
        int patience = ccol__output_patience(&keeper->outputs[i], now_ms);
        if (patience > 0 && (timeout_ms < 0 || patience < timeout_ms)) timeout_ms = patience;
    }
    return timeout_ms;
}

static void turn(struct keeper *keeper, int timeout_ms)
{
    const struct output *out = &keeper->outputs[0], *err = &keeper->outputs[1];
    int control = keeper->options.control_fd;
    bool rests = ccol__clock_monotonic_us() < keeper->output_rest_us;
    struct pollfd fds[POLL_COUNT] = {
        [POLL_SIGNALS] = wanted(keeper->signal_fd, POLLIN),
        [POLL_OUT_FROM] = wanted_from(out, rests),
        [POLL_ERR_FROM] = wanted_from(err, rests),
        [POLL_OUT_TO] = wanted(out->to, ccol__output_wants_to(out)),
        [POLL_ERR_TO] = wanted(err->to, ccol__output_wants_to(err)),
        [POLL_COURIER] = wanted(keeper->courier.done_fd, keeper->courier.pid ? POLLIN : 0),
        [POLL_CAPTURE] = wanted(keeper->capture_fd, keeper->capture_fd >= 0 ? POLLIN : 0),
        [POLL_CONTROL] = wanted(control, control > 0 ? POLLIN : 0),
    };
    if (poll(fds, POLL_COUNT, keeper->reap_again ? 0 : with_patience(keeper, rests, timeout_ms)) > 0) {
        if (fds[POLL_SIGNALS].revents) ccol__keeper_receive_signals(keeper);
        if (fds[POLL_COURIER].revents) ccol__refresh_answered(keeper);
        if (fds[POLL_CAPTURE].revents) ccol__capture_receive(keeper);
        if (fds[POLL_CONTROL].revents) ccol__control_receive(keeper);
        bool moves = false;
        for (size_t i = POLL_OUT_FROM; i <= POLL_COURIER; i++)
            moves |= fds[i].revents != 0;
        if (moves) ccol__keeper_pump(keeper);
    }
    if (keeper->reap_again) {
        keeper->reap_again = false;
        ccol__trace_reap(keeper);
    }
}

static int until(uint64_t at_ms, uint64_t now_ms)
{
    if (at_ms <= now_ms) return 0;
    uint64_t left = at_ms - now_ms;
    return left > HANDOVER_ALIVE_MS ? HANDOVER_ALIVE_MS : (int)left;
}

/* One turn with everything that time brings. */
static void live(struct keeper *keeper)
{
    uint64_t now_ms = ccol__clock_monotonic_ms();
    uint64_t next = ccol__trace_refresh(keeper, now_ms);
    ccol__shipper_process_start(keeper, now_ms);
    if (keeper->options.shipper && !keeper->shipper.pid && keeper->shipper.start_at_ms < next)
        next = keeper->shipper.start_at_ms;
    if (now_ms - keeper->alive_ms >= HANDOVER_ALIVE_MS / 2) {
        keeper->alive_ms = now_ms;
        atomic_store(&keeper->state->last_alive_us, ccol__clock_now_us());
    }
    turn(keeper, until(next, now_ms));
}

static bool has_children(const struct keeper *keeper)
{
    return keeper->options.wait_children && keeper->tracees.process_count > 0;
}

static bool holds_output(const struct keeper *keeper)
{
    return keeper->outputs[0].length || keeper->outputs[1].length;
}

/* What is in the pipes is the app's; whoever reads it gets some time to take it. */
static void drain_outputs(struct keeper *keeper)
{
    uint64_t deadline = ccol__clock_monotonic_ms() + keeper->options.linger_ms;
    for (;;) {
        bool held = holds_output(keeper); /* then there may not have been room for what is still in the pipes */
        bool moved = ccol__keeper_pump(keeper);
        bool blocks = (keeper->outputs[0].length && !keeper->outputs[0].drops) ||
                      (keeper->outputs[1].length && !keeper->outputs[1].drops);
        uint64_t now_ms = ccol__clock_monotonic_ms();
        if (keeper->gives_up || (!moved && !held && !holds_output(keeper)) || (now_ms >= deadline && !blocks)) break;
        if (!moved && holds_output(keeper)) turn(keeper, blocks ? HANDOVER_ALIVE_MS : until(deadline, now_ms));
    }
    for (size_t i = 0; i < 2; i++)
        ccol__output_drop(&keeper->outputs[i], &keeper->ring);
}

/* What is not this process's is given up, and what others wait to see closed. */
static _Noreturn void pass_on(struct keeper *keeper)
{
    close(keeper->folder.lock_fd);
    close(keeper->wake_write);
    if (keeper->capture_fd >= 0) close(keeper->capture_fd);
    keeper->wake_write = keeper->capture_fd = -1;
    keeper->ring = (struct ring){0};
    keeper->options.control_fd = 0;
    ccol__courier_forget(&keeper->courier);
    for (size_t i = 0; i < 2; i++)
        ccol__output_without_courier(&keeper->outputs[i]);
    while (keeper->outputs[0].from >= 0 || keeper->outputs[1].from >= 0 || holds_output(keeper))
        turn(keeper, -1);
    _exit(0);
}

/* Children of the app that live on and still write: a process of their own passes that on, so that the app's end can be
 * told now. */
static void leave_output_to_another(struct keeper *keeper)
{
    if ((keeper->outputs[0].from < 0 && keeper->outputs[1].from < 0) || getpid() == 1) return;
    for (size_t i = 0; i < 2; i++) {
        if (keeper->outputs[i].is_pty && keeper->outputs[i].app_end >= 0) close(keeper->outputs[i].app_end);
        if (keeper->outputs[i].is_pty) keeper->outputs[i].app_end = -1;
    }
    drain_outputs(keeper); /* sees the end where nobody writes any more */
    if (keeper->outputs[0].from < 0 && keeper->outputs[1].from < 0) return;
    if (_Fork() == 0) pass_on(keeper);
}

/* As process 1 the keeper's end would be the shipper's as well, so it is waited for; elsewhere it may go on alone. */
static void wait_for_shipper(struct keeper *keeper)
{
    uint64_t deadline = ccol__clock_monotonic_ms() + keeper->options.linger_ms;
    ccol__keeper_wake(keeper);
    for (;;) {
        uint64_t now_ms = ccol__clock_monotonic_ms();
        if (keeper->shipper.done && ccol__folder_waiting(&keeper->folder) == 0) return;
        if (now_ms >= deadline || keeper->gives_up || !keeper->options.shipper) return;
        ccol__shipper_process_start(keeper, now_ms);
        turn(keeper, until(deadline, now_ms) < 100 ? until(deadline, now_ms) : 100);
    }
}

static void finish(struct keeper *keeper)
{
    drain_outputs(keeper);
    keeper->state->wait_status = keeper->app_status;
    keeper->state->ended_at_us = ccol__clock_now_us();
    atomic_store(&keeper->state->phase, HANDOVER_ENDED);
    leave_output_to_another(keeper);
    ccol__control_tell_end(keeper);
    wait_for_shipper(keeper);
    /* what no shipper has seen to its end is adopted by whoever starts next */
    if (keeper->shipper.done) ccol__folder_remove(&keeper->folder);
}

/* Neither courier nor shipper has a use for these: they stay this process's own when it forks. */
static void keep_from_children(const struct keeper *keeper)
{
    madvise(keeper->build.memory, keeper->build.capacity, MADV_DONTFORK);
    madvise(keeper->tracees.memory, keeper->tracees.memory_bytes, MADV_DONTFORK);
    madvise(keeper->scratch, sizeof *keeper->scratch, MADV_DONTFORK);
}

void ccol__keeper_own_memory(struct keeper *keeper)
{
    ccol__resident_own(keeper, sizeof *keeper);
    ccol__resident_stack();
}

/* Files first, which are taken from a process before its other memory is swapped out. */
static void stay_in_memory(const struct keeper *keeper)
{
    if (ccol__resident_lock_all()) return;
    ccol__resident_lock(keeper->state, HANDOVER_STATE_BYTES);
    ccol__resident_lock(keeper->ring.header, RING_HEADER_BYTES + (size_t)keeper->ring.header->capacity);
    ccol__resident_lock(keeper->build.memory, keeper->build.capacity);
}

int ccol__keeper_run(struct keeper *keeper, int *wait_status, ccol_error *err)
{
    *wait_status = -1;
    int code = ccol__keeper_open_signals(keeper, err);
    keeper->state->keeper_pid = (int32_t)getpid();
    ccol__proc_read_of(0, "cgroup", keeper->scratch->own_cgroup, sizeof keeper->scratch->own_cgroup, NULL);
    if (code == 0) code = choose_mode(keeper, err);
    if (code == 0) code = ccol__capture_open(keeper);
    if (code == 0) code = ccol__keeper_prepare_environment(keeper);
    ccol__resident_code();
    ccol__oom_watch(&keeper->oom, keeper->scratch->own_cgroup);
    keep_from_children(keeper);
    int lacking = code == 0 ? ccol__courier_start(keeper) : 0;
    if (lacking) ccol__keeper_trouble(keeper, "there is no courier: %s", ccol_strerror(lacking));
    ccol__keeper_own_memory(keeper);
    stay_in_memory(keeper);
    if (code == 0) code = ccol__keeper_spawn(keeper, err);
    ccol__control_tell_start(keeper, code, code && err ? err->text : "");
    if (code) {
        atomic_store(&keeper->state->phase, HANDOVER_ENDED);
        ccol__folder_remove(&keeper->folder);
        if (keeper->executed) *wait_status = (code == -ENOENT ? 127 : 126) << 8;
        return code;
    }
    while (!keeper->app_ended || has_children(keeper))
        live(keeper);
    finish(keeper);
    *wait_status = keeper->app_status;
    return 0;
}
