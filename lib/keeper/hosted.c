/* SPDX-License-Identifier: MIT */
/* A keeper that a host with threads of its own forks: only calls that are safe in such a child are made here. */
#include "keeper/keeper_private.h"

#include <fcntl.h>
#include <sys/resource.h>

#define DESCRIPTORS_MOST 65536

static bool is_own(const struct keeper *keeper, int fd)
{
    const int own[] = {keeper->folder.parent_fd, keeper->folder.fd,          keeper->folder.lock_fd,
                       keeper->wake_read,        keeper->wake_write,         keeper->options.control_fd,
                       keeper->outputs[0].from,  keeper->outputs[0].app_end, keeper->outputs[0].to,
                       keeper->outputs[1].from,  keeper->outputs[1].app_end, keeper->outputs[1].to};
    bool found = fd <= STDERR_FILENO;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        found |= own[i] == fd;
    return found;
}

/* What the host keeps from its children would stay open here for as long as the app lives, and nobody at the other end
 * would see it closed. What it leaves open for them is the app's. */
static void close_foreign(const struct keeper *keeper)
{
    struct rlimit limit = {DESCRIPTORS_MOST, DESCRIPTORS_MOST};
    getrlimit(RLIMIT_NOFILE, &limit);
    int most = limit.rlim_cur < DESCRIPTORS_MOST ? (int)limit.rlim_cur : DESCRIPTORS_MOST;
    for (int fd = STDERR_FILENO + 1; fd < most; fd++) {
        int flags = is_own(keeper, fd) ? 0 : fcntl(fd, F_GETFD);
        if (flags > 0 && flags & FD_CLOEXEC) close(fd);
    }
}

void ccol__keeper_run_in_child(struct keeper *keeper)
{
    int status;
    ccol_error err = {0};
    close_foreign(keeper);
    _exit(ccol__keeper_run(keeper, &status, &err) == 0 ? 0 : 1);
}

static void give_up(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void ccol__keeper_leave_to_child(struct keeper *keeper)
{
    give_up(&keeper->folder.lock_fd); /* the lock is the child's, and ends with it */
    give_up(&keeper->wake_write);
    for (size_t i = 0; i < 2; i++)
        ccol__output_fini(&keeper->outputs[i]);
    ccol__ring_close(&keeper->ring);
    ccol__build_fini(&keeper->build);
    ccol__tracees_fini(&keeper->tracees);
}
