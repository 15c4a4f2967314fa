/* SPDX-License-Identifier: MIT */
/* The courier's own process, and its beginning and end. */
#include "keeper/keeper_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The first read gives the open file its buffer: later ones take no memory. */
static void send_maps(const struct courier *courier, struct courier_reading *reading)
{
    char path[64], first[1];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)reading->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    reading->has_maps = fd >= 0 && pread(fd, first, sizeof first, 0) == 1;
    if (reading->has_maps) ccol__courier_send_maps(courier, fd);
    if (fd >= 0) close(fd);
}

static void read_facts(const struct courier *courier, struct courier_reading *reading, struct facts_scratch *scratch)
{
    ccol__facts_read(&reading->facts, reading->pid, scratch);
    for (size_t i = 0; i < reading->count; i++)
        ccol__facts_read_name(reading->pid, reading->tids[i], reading->names[i]);
    if (reading->wants_maps) send_maps(courier, reading);
}

static bool is_asked(const _Atomic uint32_t *state)
{
    return atomic_load_explicit(state, memory_order_acquire) == COURIER_ASKED;
}

static void answer(const struct courier *courier, _Atomic uint32_t *state)
{
    const uint64_t one = 1;
    atomic_store_explicit(state, COURIER_DONE, memory_order_release);
    while (write(courier->done_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void serve(struct keeper *keeper, struct facts_scratch *scratch)
{
    const struct courier *courier = &keeper->courier;
    for (size_t i = 0; i < COURIER_OUTPUTS; i++) {
        struct courier_writing *writing = &courier->orders->writing[i];
        if (!is_asked(&writing->state)) continue;
        writing->wrote = ccol__output_write_some(&keeper->outputs[i], writing->start, writing->length);
        writing->error = errno;
        answer(courier, &writing->state);
    }
    struct courier_reading *reading = &courier->orders->reading;
    if (!is_asked(&reading->state)) return;
    read_facts(courier, reading, scratch);
    answer(courier, &reading->state);
}

/* Nothing of the keeper's stays open here that somebody waits to see closed. */
static void close_keepers(const struct keeper *keeper)
{
    const int unused[] = {keeper->wake_read,         keeper->wake_write,         keeper->folder.lock_fd,
                          keeper->capture_fd,        keeper->capture_child_fd,   keeper->signal_fd,
                          keeper->outputs[0].from,   keeper->outputs[0].app_end, keeper->outputs[1].from,
                          keeper->outputs[1].app_end};
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++) {
        if (unused[i] >= 0) close(unused[i]);
    }
    close(keeper->courier.maps_read_fd);
    close(STDIN_FILENO);
}

/* All signals are blocked, as they are in the keeper, and it belongs to the same process group: a terminal takes its
 * writing as it would the keeper's. */
static _Noreturn void run_child(struct keeper *keeper)
{
    const struct courier *courier = &keeper->courier;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "ccol-courier");
    close_keepers(keeper);
    if (keeper->options.oom_points >= 0) ccol__keeper_set_score(-1000);
    struct facts_scratch *scratch = ccol__facts_scratch_map();
    if (!scratch) _exit(1);
    ccol__proc_read_of(0, "cgroup", scratch->own_cgroup, sizeof scratch->own_cgroup, NULL);
    for (uint64_t asked; getppid() == keeper->state->keeper_pid;) {
        if (read(courier->ask_fd, &asked, sizeof asked) < 0 && errno != EINTR) _exit(1);
        serve(keeper, scratch);
    }
    _exit(0);
}

int ccol__courier_start(struct keeper *keeper)
{
    struct courier *courier = &keeper->courier;
    int code = ccol__courier_open(courier);
    if (code == 0) {
        pid_t pid = _Fork();
        if (pid == 0) run_child(keeper);
        if (pid < 0) code = -errno;
        if (pid > 0) courier->pid = pid;
    }
    if (code) {
        ccol__courier_fini(courier);
        return code;
    }
    close(courier->maps_send_fd);
    courier->maps_send_fd = -1;
    for (size_t i = 0; i < COURIER_OUTPUTS; i++)
        ccol__output_use_courier(&keeper->outputs[i], courier, &courier->orders->writing[i]);
    return 0;
}

void ccol__courier_ended(struct keeper *keeper, int status)
{
    ccol__courier_forget(&keeper->courier);
    for (size_t i = 0; i < COURIER_OUTPUTS; i++)
        ccol__output_without_courier(&keeper->outputs[i]);
    keeper->refresh_at_ms = 0; /* somebody may wait for an answer */
    bool killed = WIFSIGNALED(status);
    ccol__keeper_trouble(keeper, "the courier was ended by %s %d: a kill for lack of memory may show no stacks",
                         killed ? "signal" : "status", killed ? WTERMSIG(status) : WEXITSTATUS(status));
}
