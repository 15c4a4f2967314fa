/* SPDX-License-Identifier: MIT */
/* The shipper's process: forked from the keeper, restarted when it dies. */
#include "keeper/keeper_private.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define QUICK_END_MS   10000 /* whoever ends earlier has to wait before the next start */
#define FIRST_PAUSE_MS 100
#define PAUSES         10

void ccol__keeper_wake(struct keeper *keeper)
{
    while (write(keeper->wake_write, "", 1) < 0 && errno == EINTR) {
    } /* a full pipe wakes as well */
}

static void run_child(const struct keeper *keeper)
{
    struct keeper_shipper shipper = {.folder_fd = keeper->folder.fd,
                                     .wake_fd = keeper->wake_read,
                                     .instance = keeper->folder.instance,
                                     .starts = keeper->shipper.starts};
    struct courier courier = keeper->courier;
    /* nothing of the keeper's stays open here that somebody waits to see closed */
    close(keeper->wake_write);
    close(keeper->folder.lock_fd);
    for (size_t i = 0; i < 2; i++) {
        if (keeper->outputs[i].from >= 0) close(keeper->outputs[i].from);
        if (keeper->outputs[i].app_end >= 0) close(keeper->outputs[i].app_end);
    }
    if (keeper->capture_fd >= 0) close(keeper->capture_fd);
    if (keeper->signal_fd >= 0) close(keeper->signal_fd);
    ccol__courier_forget(&courier);
    ccol__keeper_set_score(keeper->score_before);
    setpgid(0, 0); /* the terminal's Ctrl-C is for the app */
    sigprocmask(SIG_SETMASK, &keeper->mask_before, NULL);
    _exit(keeper->options.shipper(keeper->options.shipper_user, &shipper));
}

void ccol__shipper_process_start(struct keeper *keeper, uint64_t now_ms)
{
    struct shipper_process *shipper = &keeper->shipper;
    if (!keeper->options.shipper || shipper->pid || now_ms < shipper->start_at_ms) return;
    shipper->starts++;
    keeper->state->shipper_starts++;
    pid_t pid = _Fork();
    if (pid == 0) run_child(keeper);
    if (pid < 0) {
        ccol__keeper_trouble(keeper, "cannot fork the shipper: %s", ccol_strerror(-errno));
        shipper->start_at_ms = now_ms + FIRST_PAUSE_MS;
        return;
    }
    shipper->pid = pid;
    ccol__keeper_own_memory(keeper);
    shipper->started_ms = now_ms;
}

void ccol__shipper_process_ended(struct keeper *keeper, int status, uint64_t now_ms)
{
    struct shipper_process *shipper = &keeper->shipper;
    shipper->pid = 0;
    bool ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    shipper->done = ended_well && atomic_load(&keeper->state->phase) == HANDOVER_ENDED;
    if (shipper->done) return;
    if (now_ms - shipper->started_ms >= QUICK_END_MS) shipper->quick_ends = 0;
    unsigned doublings = shipper->quick_ends < PAUSES ? shipper->quick_ends++ : PAUSES;
    shipper->start_at_ms = now_ms + (shipper->quick_ends > 1 ? (uint64_t)FIRST_PAUSE_MS << (doublings - 1) : 0);
    if (WIFSIGNALED(status))
        ccol__keeper_trouble(keeper, "the shipper was ended by signal %d and is started again", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        ccol__keeper_trouble(keeper, "the shipper ended with status %d and is started again", WEXITSTATUS(status));
}
