/* SPDX-License-Identifier: MIT */
#include "monitor/handover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/folder.h"
#include "base/json.h"

#define ABOUT_MOST   ((size_t)1 << 20)
#define COMMAND_MOST ((size_t)16 << 10)
#define TREE_DEPTH   6
#define FOLDER_MODE  0750

static const struct json_limits about_limits = {.depth = 8, .number_length = 32};

bool ccol__handover_is_name(const char *name)
{
    return isdigit((unsigned char)name[0]) && strlen(name) < HANDOVER_NAME_MOST && !strchr(name, '/');
}

/* The arguments as /proc/PID/cmdline has them, for the redactor. */
static void read_command(struct handover *handover, const struct json *list, const struct redactor *redactor)
{
    struct buffer arguments, line;
    ccol__buffer_init(&arguments, ABOUT_MOST, NULL);
    ccol__buffer_init(&line, COMMAND_MOST, NULL);
    for (const struct json *one = list->first; one; one = one->next) {
        if (one->type == JSON_STRING) ccol__buffer_append(&arguments, one->text, strlen(one->text) + 1);
    }
    if (!arguments.failed && arguments.length &&
        ccol__redact_command(redactor, &line, arguments.data, arguments.length) && line.length)
        handover->about.command = ccol__arena_copy(&handover->arena, line.data, line.length);
    ccol__buffer_fini(&arguments);
    ccol__buffer_fini(&line);
}

/* What cannot be read is left out: a crash is reported all the same. */
static void read_about(struct handover *handover, const struct redactor *redactor)
{
    struct buffer text;
    struct json *about;
    if (ccol__file_read(handover->fd, HANDOVER_ABOUT, ABOUT_MOST, &text, NULL) == 0 && text.length &&
        ccol__json_parse(&handover->arena, text.data, text.length, &about_limits, &about, NULL) == 0 &&
        about->type == JSON_OBJECT) {
        const struct json *annotations = ccol__json_member(about, "annotations");
        const struct json *command = ccol__json_member(about, "command");
        if (annotations && annotations->type == JSON_OBJECT) handover->about.annotations = annotations;
        if (command && command->type == JSON_ARRAY) read_command(handover, command, redactor);
    }
    ccol__buffer_fini(&text);
}

static int lock(int dir_fd, const char *name, int *fd)
{
    *fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0) return -errno;
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0) return 0;
    int code = errno == EWOULDBLOCK ? -EBUSY : -errno;
    close(*fd);
    *fd = -1;
    return code;
}

int ccol__handover_open(struct handover *handover, int parent_fd, const char *name, const struct redactor *redactor,
                        ccol_error *err)
{
    *handover = (struct handover){.parent_fd = parent_fd, .fd = -1, .shipper_lock_fd = -1, .keeper_lock_fd = -1};
    ccol__arena_init(&handover->arena, NULL);
    if (!ccol__handover_is_name(name)) return ccol_fail(err, -EINVAL, "%s is no hand-over folder", name);
    memcpy(handover->name, name, strlen(name) + 1);
    handover->fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (handover->fd < 0) return ccol_fail(err, -errno, "cannot open the hand-over folder %s", name);
    int code = lock(handover->fd, HANDOVER_SHIPPER_LOCK, &handover->shipper_lock_fd);
    if (code == -EBUSY) return ccol_fail(err, code, "the hand-over folder %s has a shipper already", name);
    if (code) return ccol_fail(err, code, "cannot lock the hand-over folder %s", name);
    read_about(handover, redactor);
    ccol__ring_view_open(&handover->ring, handover->fd, HANDOVER_LOG); /* without it there is no log, no more */
    return 0;
}

bool ccol__handover_is_orphan(struct handover *handover)
{
    return handover->keeper_lock_fd >= 0 || lock(handover->fd, HANDOVER_KEEPER_LOCK, &handover->keeper_lock_fd) == 0;
}

static void copy_text(char *out, size_t size, const char *text, size_t text_size)
{
    snprintf(out, size, "%.*s", (int)strnlen(text, text_size), text);
}

void ccol__handover_facts(const struct handover *handover, struct handover_facts *out)
{
    struct handover_state state;
    *out = (struct handover_facts){0};
    auto_close int fd = openat(handover->fd, HANDOVER_STATE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || pread(fd, &state, sizeof state, 0) != (ssize_t)sizeof state) return;
    if (memcmp(state.magic, HANDOVER_MAGIC, sizeof state.magic) != 0 || state.version != HANDOVER_VERSION) return;
    out->known = true;
    out->phase = atomic_load(&state.phase);
    out->mode = state.mode;
    out->mode_wanted = state.mode_wanted;
    out->snapshots = atomic_load(&state.snapshots);
    out->snapshots_cut = atomic_load(&state.snapshots_cut);
    out->keeper_pid = state.keeper_pid;
    out->app_pid = state.app_pid;
    out->wait_status = state.wait_status;
    out->started_at_us = state.started_at_us;
    out->last_alive_us = atomic_load(&state.last_alive_us);
    out->ended_at_us = state.ended_at_us;
    copy_text(out->boot_id, sizeof out->boot_id, state.boot_id, sizeof state.boot_id);
    copy_text(out->mode_reason, sizeof out->mode_reason, state.mode_reason, sizeof state.mode_reason);
    copy_text(out->executable, sizeof out->executable, state.executable, sizeof state.executable);
    copy_text(out->trouble, sizeof out->trouble, state.trouble, sizeof state.trouble);
}

/* The number of "000001.snapshot", or 0. */
static uint64_t snapshot_number(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits >= HANDOVER_NUMBER_MOST || strcmp(name + digits, HANDOVER_SNAPSHOT_SUFFIX) != 0) return 0;
    return strtoull(name, NULL, 10);
}

bool ccol__handover_next(const struct handover *handover, uint64_t after, char number[HANDOVER_NUMBER_MOST])
{
    uint64_t best = UINT64_MAX;
    int copy = openat(handover->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (!folder && copy >= 0) close(copy);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        uint64_t one = snapshot_number(entry->d_name);
        if (one <= after || one >= best) continue;
        best = one;
        snprintf(number, HANDOVER_NUMBER_MOST, "%.*s", (int)strspn(entry->d_name, "0123456789"), entry->d_name);
    }
    if (folder) closedir(folder);
    return best != UINT64_MAX;
}

static const char *with_suffix(char out[64], const char *number, const char *suffix)
{
    snprintf(out, 64, "%s%s", number, suffix);
    return out;
}

unsigned ccol__handover_try(const struct handover *handover, const char *number)
{
    char name[64];
    struct stat status;
    auto_close int fd = openat(handover->fd, with_suffix(name, number, HANDOVER_TRIES),
                               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, "+", 1) != 1 || fstat(fd, &status) != 0) return 0;
    return status.st_size > UINT16_MAX ? UINT16_MAX : (unsigned)status.st_size;
}

void ccol__handover_untry(const struct handover *handover, const char *number)
{
    char name[64];
    struct stat status;
    auto_close int fd =
        openat(handover->fd, with_suffix(name, number, HANDOVER_TRIES), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) return;
    if (ftruncate(fd, status.st_size - 1) != 0) return; /* then it counts after all */
}

int ccol__handover_remove(const struct handover *handover, const char *number)
{
    char name[64];
    if (unlinkat(handover->fd, with_suffix(name, number, HANDOVER_SNAPSHOT_SUFFIX), 0) && errno != ENOENT)
        return -errno;
    unlinkat(handover->fd, with_suffix(name, number, HANDOVER_TRIES), 0);
    return 0;
}

int ccol__handover_set_aside(const struct handover *handover, const char *number, char path[256])
{
    char name[64];
    auto_close int folder = -1;
    int code = ccol__folder_open(handover->parent_fd, HANDOVER_SET_ASIDE, FOLDER_MODE, &folder, NULL);
    if (code) return code;
    snprintf(path, 256, "%s/%s.%s%s", HANDOVER_SET_ASIDE, handover->name, number, HANDOVER_SNAPSHOT_SUFFIX);
    with_suffix(name, number, HANDOVER_SNAPSHOT_SUFFIX);
    if (renameat(handover->fd, name, handover->parent_fd, path) != 0) return -errno;
    unlinkat(handover->fd, with_suffix(name, number, HANDOVER_TRIES), 0);
    return 0;
}

void ccol__handover_load_cursor(const struct handover *handover, struct follow_cursor *out)
{
    *out = (struct follow_cursor){0};
    auto_close int fd = openat(handover->fd, HANDOVER_CURSOR, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && pread(fd, out, sizeof *out, 0) != (ssize_t)sizeof *out) *out = (struct follow_cursor){0};
}

void ccol__handover_save_cursor(const struct handover *handover, const struct follow_cursor *cursor)
{
    auto_close int fd = openat(handover->fd, HANDOVER_CURSOR, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* A cursor that is not kept means that a panic may be found twice; it then has the same crash id. */
    if (fd < 0 || pwrite(fd, cursor, sizeof *cursor, 0) != (ssize_t)sizeof *cursor) return;
}

static int remove_below(int dir_fd, const char *name, unsigned depth);

static int remove_entries(DIR *folder, unsigned depth)
{
    int code = 0;
    for (struct dirent *entry; !code && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            code = remove_below(dirfd(folder), entry->d_name, depth);
    }
    return code;
}

static int remove_below(int dir_fd, const char *name, unsigned depth)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
    if (depth == TREE_DEPTH) return -ELOOP;
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -errno;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return -ENOMEM;
    }
    int code = remove_entries(folder, depth + 1);
    closedir(folder);
    if (code) return code;
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Keeps a folder of the spool that holds reports nobody could save. An empty one needs no keeping. */
static int keep_part(const struct handover *handover, const char *part)
{
    char from[64], to[256];
    auto_close int folder = -1;
    snprintf(from, sizeof from, "%s/%s", HANDOVER_SPOOL, part);
    if (unlinkat(handover->fd, from, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR) return 0;
    int code = ccol__folder_open(handover->parent_fd, HANDOVER_SET_ASIDE, FOLDER_MODE, &folder, NULL);
    if (code) return code;
    snprintf(to, sizeof to, "%s/%s.%s", HANDOVER_SET_ASIDE, handover->name, part);
    return renameat(handover->fd, from, handover->parent_fd, to) == 0 ? 0 : -errno;
}

int ccol__handover_destroy(struct handover *handover, ccol_error *err)
{
    int code = keep_part(handover, "failed");
    if (!code) code = keep_part(handover, "damaged");
    /* First what the next shipper would make a report of, if this one is killed here: without the rest it would be less
     * than the one that is there under the same crash id. */
    unlinkat(handover->fd, HANDOVER_STATE, 0);
    unlinkat(handover->fd, HANDOVER_LOG, 0);
    if (!code) code = remove_below(handover->parent_fd, handover->name, 0);
    return code ? ccol_fail(err, code, "cannot remove the hand-over folder %s", handover->name) : 0;
}

void ccol__handover_close(struct handover *handover)
{
    ccol__ring_view_close(&handover->ring);
    ccol__arena_fini(&handover->arena);
    if (handover->keeper_lock_fd >= 0) close(handover->keeper_lock_fd);
    if (handover->shipper_lock_fd >= 0) close(handover->shipper_lock_fd);
    if (handover->fd >= 0) close(handover->fd);
    handover->fd = handover->shipper_lock_fd = handover->keeper_lock_fd = -1;
}
