/* SPDX-License-Identifier: MIT */
/* Antenna's folder tree: ROOT/YYYYMMDD/{raw_crash/ID.json, dump_names/ID.json, NAME/ID}.
 *
 * A file is written without a name and then linked, so that it appears whole or not at all; the raw crash comes last.
 * Nothing is flushed per report: the spool holds the durable copy until one syncfs has covered a batch of them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/error.h"
#include "base/folder.h"
#include "report/crash_id.h"
#include "storage/fs_read.h"
#include "storage/storage.h"

#define PATH_SIZE 128
/* Larger files are written past the page cache, in multiples of this. */
#define DIRECT_MIN       ((size_t)64 << 10)
#define DIRECT_BLOCK     4096
#define DIRECT_MOST      ((size_t)4 << 20) /* at once: the pages are pinned meanwhile */
#define SHARED_NAMES_MAX 128

/* Nearly every crash of a day has the same dump_names, a few bytes that would take an inode and a block each: they are
 * names of one file. */
struct shared_names {
    pthread_mutex_t lock;
    int fd; /* of the file, -1: none yet */
    char date[9];
    char text[SHARED_NAMES_MAX];
};

struct fs {
    char *root;
    int root_fd;
    mode_t dir_mode, file_mode;
    struct shared_names names;
};

/* One file to be: a folder relative to the root, and a name in it. */
struct target {
    char folder[PATH_SIZE];
    char name[PATH_SIZE];
};

static void set_target(struct target *target, const char *date, const char *folder, const char *id, const char *ending)
{
    snprintf(target->folder, sizeof target->folder, "%s/%s", date, folder);
    snprintf(target->name, sizeof target->name, "%s/%s/%s%s", date, folder, id, ending);
}

static int open_nameless(const struct fs *fs, const struct target *target, int flags, ccol_error *err)
{
    flags |= O_TMPFILE | O_WRONLY | O_CLOEXEC;
    int fd = openat(fs->root_fd, target->folder, flags, fs->file_mode);
    if (fd >= 0) return fd;
    if (errno != ENOENT) return ccol_fail(err, -errno, "cannot write into %s/%s", fs->root, target->folder);
    auto_close int folder = -1;
    int code = ccol__folder_open(fs->root_fd, target->folder, fs->dir_mode, &folder, err);
    if (code) return code;
    fd = openat(folder, ".", flags, fs->file_mode);
    return fd >= 0 ? fd : ccol_fail(err, -errno, "cannot write into %s/%s", fs->root, target->folder);
}

/* Writes the whole blocks past the page cache, which would be filled with what nobody reads soon, and flushed by
 * whoever comes next. Returns how many bytes it wrote; 0 where the file system or the data's alignment do not allow it.
 */
static size_t write_blocks(int fd, const char *data, size_t length)
{
    size_t done = 0, blocks = length - length % DIRECT_BLOCK;
    while (done < blocks) {
        size_t piece = blocks - done < DIRECT_MOST ? blocks - done : DIRECT_MOST;
        ssize_t wrote = pwrite(fd, data + done, piece, (off_t)done);
        if (wrote <= 0 || wrote % DIRECT_BLOCK) break;
        done += (size_t)wrote;
    }
    return done;
}

static int write_data(int fd, bool direct, const char *data, size_t length)
{
    size_t done = 0;
    if (direct) {
        done = write_blocks(fd, data, length);
        if (fcntl(fd, F_SETFL, 0) || lseek(fd, (off_t)done, SEEK_SET) < 0) return -errno;
    }
    return ccol__file_write_all(fd, data + done, length - done);
}

/* Gives a nameless file a name. By its descriptor where the kernel lets us (6.10, or CAP_DAC_READ_SEARCH), else by the
 * longer way through /proc. */
static int link_nameless(const struct fs *fs, int fd, const char *name)
{
    char source[32];
    if (linkat(fd, "", fs->root_fd, name, AT_EMPTY_PATH) == 0) return 0;
    if (errno != ENOENT) return -errno;
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, source, fs->root_fd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* Puts the file under a second, hidden name first, as only rename replaces what is there in one step. */
static int link_over(const struct fs *fs, int fd, const char *name)
{
    char aside[PATH_SIZE + 8];
    const char *file = strrchr(name, '/') + 1;
    snprintf(aside, sizeof aside, "%.*s.%s.new", (int)(file - name), name, file);
    if (unlinkat(fs->root_fd, aside, 0) && errno != ENOENT) return -errno;
    int code = link_nameless(fs, fd, aside);
    if (code) return code;
    if (renameat(fs->root_fd, aside, fs->root_fd, name) == 0) return 0;
    code = -errno;
    unlinkat(fs->root_fd, aside, 0);
    return code;
}

static int link_name(const struct fs *fs, int fd, const char *name)
{
    int code = link_nameless(fs, fd, name);
    /* It was saved before: by this process ahead of a crash, or by a client that chose the id. */
    return code == -EEXIST ? link_over(fs, fd, name) : code;
}

/* Makes the file and leaves it open in *fd. */
static int make_file(const struct fs *fs, const struct target *target, const void *data, size_t length, int *fd,
                     ccol_error *err)
{
    bool direct = length >= DIRECT_MIN;
    *fd = open_nameless(fs, target, direct ? O_DIRECT : 0, err);
    if (*fd == -EINVAL && direct) { /* a file system without it */
        direct = false;
        *fd = open_nameless(fs, target, 0, err);
    }
    if (*fd < 0) return *fd;
    int code = write_data(*fd, direct, data, length);
    if (!code) code = link_name(fs, *fd, target->name);
    return code ? ccol_fail(err, code, "cannot write %s/%s", fs->root, target->name) : 0;
}

static int write_file(const struct fs *fs, const struct target *target, const void *data, size_t length,
                      ccol_error *err)
{
    auto_close int fd = -1;
    return make_file(fs, target, data, length, &fd, err);
}

/* Another name for the file that holds this text already. false: there is none, or it cannot take another. */
static bool link_shared(const struct fs *fs, const struct target *target, const char *date, const char *text)
{
    const struct shared_names *names = &fs->names;
    return names->fd >= 0 && strcmp(names->date, date) == 0 && strcmp(names->text, text) == 0 &&
           link_name(fs, names->fd, target->name) == 0;
}

static int save_dump_names(struct fs *fs, const ccol_report *report, const char *date, ccol_error *err)
{
    size_t length;
    struct target target;
    const char *text = ccol_report_dump_names_json(report, &length);
    set_target(&target, date, "dump_names", ccol_report_id(report), ".json");
    if (length >= SHARED_NAMES_MAX) return write_file(fs, &target, text, length, err);

    struct shared_names *names = &fs->names;
    int code = 0;
    pthread_mutex_lock(&names->lock);
    if (!link_shared(fs, &target, date, text)) {
        int fd = -1;
        code = make_file(fs, &target, text, length, &fd, err);
        if (names->fd >= 0) close(names->fd);
        names->fd = fd;
        snprintf(names->date, sizeof names->date, "%s", code ? "" : date);
        snprintf(names->text, sizeof names->text, "%s", text);
    }
    pthread_mutex_unlock(&names->lock);
    return code;
}

static int save(void *self, const ccol_report *report, ccol_error *err)
{
    struct fs *fs = self;
    const char *id = ccol_report_id(report);
    char date[9];
    struct target target;
    ccol__crash_id_date(id, date);
    int code = save_dump_names(fs, report, date, err);

    ccol_file file = {.size = sizeof file};
    for (size_t i = 0; !code && ccol_report_file_at(report, i, &file); i++) {
        set_target(&target, date, file.name, id, "");
        code = write_file(fs, &target, file.data, file.length, err);
    }
    if (code) return code;

    size_t length;
    const char *json = ccol_report_json(report, &length);
    set_target(&target, date, "raw_crash", id, ".json");
    return write_file(fs, &target, json, length, err);
}

static int sync_tree(void *self, ccol_error *err)
{
    const struct fs *fs = self;
    return syncfs(fs->root_fd) ? ccol_fail(err, -errno, "cannot flush the file system of %s", fs->root) : 0;
}

/* Whether a file can be written there. */
static int check(void *self, ccol_error *err)
{
    const struct fs *fs = self;
    struct stat here, there;
    if (fstat(fs->root_fd, &here)) return ccol_fail(err, -errno, "cannot look at %s", fs->root);
    if (stat(fs->root, &there) || here.st_ino != there.st_ino || here.st_dev != there.st_dev)
        return ccol_fail(err, -ENOENT, "%s was removed or replaced: restart after putting it back", fs->root);
    auto_close int fd = openat(fs->root_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, fs->file_mode);
    int code = fd < 0 ? -errno : ccol__file_write_all(fd, "test", 4);
    return code ? ccol_fail(err, code, "cannot write into %s", fs->root) : 0;
}

static int load(void *self, const char *crash_id, ccol_report **out, ccol_error *err)
{
    const struct fs *fs = self;
    return ccol__fs_load(fs->root_fd, crash_id, out, err);
}

static int list(void *self, int (*each)(void *user, const char *crash_id), void *user, ccol_error *err)
{
    const struct fs *fs = self;
    return ccol__fs_list(fs->root_fd, each, user, err);
}

static void destroy(void *self)
{
    struct fs *fs = self;
    if (fs->root_fd >= 0) close(fs->root_fd);
    if (fs->names.fd >= 0) close(fs->names.fd);
    pthread_mutex_destroy(&fs->names.lock);
    free(fs->root);
    free(fs);
}

int ccol_storage_new_fs(ccol_storage **out, const ccol_fs_options *options, ccol_error *err)
{
    ccol_fs_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_fs_options", err);
    if (code) return code;
    if (!known.root || !*known.root) return ccol_fail(err, -EINVAL, "ccol_fs_options.root is required");
    struct fs *fs = calloc(1, sizeof *fs);
    if (!fs) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    fs->root_fd = fs->names.fd = -1;
    pthread_mutex_init(&fs->names.lock, NULL);
    fs->dir_mode = known.dir_mode ? (mode_t)known.dir_mode : 0750;
    fs->file_mode = known.file_mode ? (mode_t)known.file_mode : 0600;
    fs->root = strdup(known.root);
    code = fs->root ? ccol__folder_open(AT_FDCWD, fs->root, fs->dir_mode, &fs->root_fd, err)
                    : ccol_fail(err, -ENOMEM, "cannot make a storage");
    const ccol_storage_ops fs_ops = {.size = sizeof fs_ops,
                                     .name = "fs",
                                     .save = save,
                                     .sync = known.no_sync ? NULL : sync_tree,
                                     .verify = check,
                                     .check = check,
                                     .load = load,
                                     .list = list,
                                     .destroy = destroy};
    if (!code) code = ccol_storage_new(out, &fs_ops, fs, err);
    if (code) {
        destroy(fs);
        return code;
    }
    auto_free char *place = realpath(fs->root, NULL);
    if (ccol__storage_set_place(*out, "%s", place ? place : fs->root) == 0) return 0;
    ccol_storage_unref(*out);
    return ccol_fail(err, -ENOMEM, "cannot make a storage");
}
