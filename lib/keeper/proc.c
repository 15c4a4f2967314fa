/* SPDX-License-Identifier: MIT */
#include "keeper/proc.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PATH_SIZE 64

ssize_t ccol__proc_read_open(int fd, char *out, size_t size)
{
    size_t length = 0;
    while (length < size - 1) {
        ssize_t got = pread(fd, out + length, size - 1 - length, (off_t)length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) break;
        length += (size_t)got;
    }
    out[length] = '\0';
    return (ssize_t)length;
}

ssize_t ccol__proc_read(const char *path, char *out, size_t size, bool *cut)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t length = ccol__proc_read_open(fd, out, size);
    if (length < 0) return length;
    if (cut) {
        char more;
        *cut = (size_t)length == size - 1 && pread(fd, &more, 1, length) > 0;
    }
    return length;
}

static void path_of(char path[PATH_SIZE], pid_t pid, const char *name)
{
    if (pid)
        snprintf(path, PATH_SIZE, "/proc/%d/%s", (int)pid, name);
    else
        snprintf(path, PATH_SIZE, "/proc/self/%s", name);
}

ssize_t ccol__proc_read_of(pid_t pid, const char *name, char *out, size_t size, bool *cut)
{
    char path[PATH_SIZE];
    path_of(path, pid, name);
    return ccol__proc_read(path, out, size, cut);
}

bool ccol__proc_link(pid_t pid, const char *name, char *out, size_t size)
{
    char path[PATH_SIZE];
    path_of(path, pid, name);
    ssize_t length = readlink(path, out, size);
    if (length < 0 || (size_t)length >= size) {
        out[0] = '\0';
        return false;
    }
    out[length] = '\0';
    return true;
}

/* A number at *at, which moves behind it and the blanks that follow. */
static bool take_number(const char **at, int base, uint64_t *out)
{
    const char *from = *at;
    uint64_t value = 0;
    for (;; (*at)++) {
        int digit = **at >= '0' && **at <= '9' ? **at - '0' : **at >= 'a' && **at <= 'f' ? **at - 'a' + 10 : 99;
        if (digit >= base) break;
        value = value * (unsigned)base + (unsigned)digit;
    }
    *out = value;
    bool found = *at != from;
    *at += strspn(*at, " \t");
    return found;
}

/* The fields of proc_pid_stat(5) that are wanted, counted from 1. */
enum {
    STAT_PARENT = 4,
    STAT_GROUP = 5,
    STAT_SESSION = 6,
    STAT_STARTED = 22,
    STAT_STACK = 28,
    STAT_ARG_START = 48,
    STAT_ENV_END = 51
};

bool ccol__proc_stat_parse(const char *text, struct proc_stat *out)
{
    uint64_t fields[STAT_ENV_END + 1] = {0};
    const char *at = strrchr(text, ')'); /* the name may hold anything */
    if (!at || strlen(at) < 4) return false;
    out->state = at[2];
    at += 4;
    for (int field = STAT_PARENT; field <= STAT_ENV_END; field++) {
        bool negative = *at == '-';
        if (negative) at++;
        if (!take_number(&at, 10, &fields[field])) return false;
        if (negative) fields[field] = 0 - fields[field];
    }
    out->parent = (int)fields[STAT_PARENT];
    out->group = (int)fields[STAT_GROUP];
    out->session = (int)fields[STAT_SESSION];
    out->started_ticks = fields[STAT_STARTED];
    out->stack_start = fields[STAT_STACK];
    out->arg_start = fields[STAT_ARG_START];
    out->arg_end = fields[STAT_ARG_START + 1];
    out->env_start = fields[STAT_ARG_START + 2];
    out->env_end = fields[STAT_ENV_END];
    return true;
}

bool ccol__proc_field(const char *text, const char *name, int base, uint64_t *out)
{
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ':') continue;
        const char *at = line + length + 1;
        at += strspn(at, " \t");
        return take_number(&at, base, out);
    }
    return false;
}

static bool take_mark(const char **at, char mark)
{
    if (**at != mark) return false;
    (*at)++;
    return true;
}

bool ccol__proc_map_next(const char **at, struct proc_map *out)
{
    const char *end = strchr(*at, '\n');
    if (!end) return false;
    const char *line = *at;
    uint64_t major, minor;
    *at = end + 1;
    if (!take_number(&line, 16, &out->start) || !take_mark(&line, '-') || !take_number(&line, 16, &out->end) ||
        end - line < 5)
        return false;
    out->readable = line[0] == 'r';
    out->writable = line[1] == 'w';
    out->executable = line[2] == 'x';
    line += 5;
    if (!take_number(&line, 16, &out->offset) || !take_number(&line, 16, &major) || !take_mark(&line, ':') ||
        !take_number(&line, 16, &minor) || !take_number(&line, 10, &out->inode) || line > end)
        return false;
    out->device_major = (uint32_t)major;
    out->device_minor = (uint32_t)minor;
    out->path = line;
    out->path_length = (size_t)(end - line);
    return true;
}

static bool in_set(const char *status, const char *name, int signal_number)
{
    uint64_t set;
    return ccol__proc_field(status, name, 16, &set) && (set >> (signal_number - 1) & 1);
}

bool ccol__proc_catches(const char *status, int signal_number)
{
    return in_set(status, "SigCgt", signal_number);
}

bool ccol__proc_ignores(const char *status, int signal_number)
{
    return in_set(status, "SigIgn", signal_number);
}
