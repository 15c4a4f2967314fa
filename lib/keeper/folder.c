/* SPDX-License-Identifier: MIT */
#include "keeper/folder.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/folder.h"
#include "keeper/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NAME_SIZE 48

static int make_instance(struct handover_folder *folder, ccol_error *err)
{
    struct civil now;
    ccol__clock_civil(ccol__clock_now_us(), &now);
    snprintf(folder->instance, sizeof folder->instance, "%04d%02d%02dT%02d%02d%02d.%06d-%d", now.year, now.month,
             now.day, now.hour, now.minute, now.second, now.microsecond, (int)getpid());
    if (mkdirat(folder->parent_fd, folder->instance, 0700) != 0)
        return ccol_fail(err, -errno, "cannot make the folder monitor/%s", folder->instance);
    folder->fd = openat(folder->parent_fd, folder->instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return folder->fd < 0 ? ccol_fail(err, -errno, "cannot open the folder monitor/%s", folder->instance) : 0;
}

static int lock(struct handover_folder *folder, ccol_error *err)
{
    folder->lock_fd = openat(folder->fd, HANDOVER_KEEPER_LOCK, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0 || flock(folder->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return ccol_fail(err, -errno, "cannot lock monitor/%s/%s", folder->instance, HANDOVER_KEEPER_LOCK);
    return 0;
}

static int write_about(const struct handover_folder *folder, const char *about, ccol_error *err)
{
    auto_close int fd = openat(folder->fd, HANDOVER_ABOUT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int code = fd < 0 ? -errno : ccol__file_write_all(fd, about, strlen(about));
    return code ? ccol_fail(err, code, "cannot write monitor/%s/%s", folder->instance, HANDOVER_ABOUT) : 0;
}

static int map_state(const struct handover_folder *folder, struct handover_state **out, ccol_error *err)
{
    auto_close int fd = openat(folder->fd, HANDOVER_STATE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int failed = fd < 0 ? errno : posix_fallocate(fd, 0, HANDOVER_STATE_BYTES);
    if (failed) return ccol_fail(err, -failed, "cannot write monitor/%s/%s", folder->instance, HANDOVER_STATE);
    struct handover_state *state = mmap(NULL, HANDOVER_STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (state == MAP_FAILED)
        return ccol_fail(err, -errno, "cannot map monitor/%s/%s", folder->instance, HANDOVER_STATE);
    state->version = HANDOVER_VERSION;
    state->bytes = sizeof *state;
    state->started_at_us = ccol__clock_now_us();
    state->last_alive_us = state->started_at_us;
    state->phase = HANDOVER_STARTING;
    state->keeper_pid = (int32_t)getpid();
    if (ccol__proc_read("/proc/sys/kernel/random/boot_id", state->boot_id, sizeof state->boot_id, NULL) > 0)
        state->boot_id[strcspn(state->boot_id, "\n")] = '\0';
    memcpy(state->magic, HANDOVER_MAGIC, sizeof state->magic);
    *out = state;
    return 0;
}

int ccol__folder_create(struct handover_folder *folder, const char *data_dir, const char *about,
                        struct handover_state **state, ccol_error *err)
{
    auto_free char *path = NULL;
    *folder = (struct handover_folder){.parent_fd = -1, .fd = -1, .lock_fd = -1, .next = 1};
    if (asprintf(&path, "%s/%s", data_dir, HANDOVER_PARENT) < 0) return ccol_fail(err, -ENOMEM, "the data folder");
    int code = ccol__folder_open(AT_FDCWD, path, 0750, &folder->parent_fd, err);
    if (code == 0) code = make_instance(folder, err);
    if (code == 0) code = lock(folder, err);
    if (code == 0) code = write_about(folder, about, err);
    if (code == 0) code = map_state(folder, state, err);
    return code;
}

static void name_of(char name[NAME_SIZE], unsigned number, const char *suffix)
{
    snprintf(name, NAME_SIZE, "%06u%s", number, suffix);
}

int ccol__folder_write_snapshot(struct handover_folder *folder, const void *bytes, size_t length)
{
    char part[NAME_SIZE], name[NAME_SIZE];
    name_of(part, folder->next, HANDOVER_PART_SUFFIX);
    name_of(name, folder->next, HANDOVER_SNAPSHOT_SUFFIX);
    auto_close int fd = openat(folder->fd, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int code = fd < 0 ? -errno : ccol__file_write_all(fd, bytes, length);
    if (code == 0 && renameat(folder->fd, part, folder->fd, name) != 0) code = -errno;
    if (code == 0)
        folder->next++;
    else
        unlinkat(folder->fd, part, 0);
    return code;
}

unsigned ccol__folder_waiting(const struct handover_folder *folder)
{
    char name[NAME_SIZE];
    unsigned waiting = 0;
    for (unsigned number = folder->next; number-- > 1;) {
        struct stat status;
        name_of(name, number, HANDOVER_SNAPSHOT_SUFFIX);
        if (fstatat(folder->fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0) break; /* taken in order: so are the older */
        waiting++;
    }
    return waiting;
}

void ccol__folder_remove(struct handover_folder *folder)
{
    static const char *const names[] = {HANDOVER_LOG, HANDOVER_ABOUT, HANDOVER_STATE, HANDOVER_SHIPPER_LOCK,
                                        HANDOVER_KEEPER_LOCK};
    if (folder->fd < 0 || ccol__folder_waiting(folder) > 0) return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlinkat(folder->fd, names[i], 0);
    unlinkat(folder->parent_fd, folder->instance, AT_REMOVEDIR); /* not empty: a shipper's spool is there */
}

void ccol__folder_fini(struct handover_folder *folder, struct handover_state *state)
{
    if (state) munmap(state, HANDOVER_STATE_BYTES);
    if (folder->lock_fd >= 0) close(folder->lock_fd);
    if (folder->fd >= 0) close(folder->fd);
    if (folder->parent_fd >= 0) close(folder->parent_fd);
    *folder = (struct handover_folder){.parent_fd = -1, .fd = -1, .lock_fd = -1};
}
