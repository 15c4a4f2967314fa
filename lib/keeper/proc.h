/* SPDX-License-Identifier: MIT */
/* Files of /proc and of cgroups, read without allocating. */
#ifndef CCOL_KEEPER_PROC_H
#define CCOL_KEEPER_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a file into out (size - 1 bytes at most, NUL-terminated). Its length, or -errno; *cut (may be NULL): there was
 * more. */
ssize_t ccol__proc_read(const char *path, char *out, size_t size, bool *cut);
/* The same of a file that is open, from its start on. */
ssize_t ccol__proc_read_open(int fd, char *out, size_t size);
/* /proc/PID/NAME; pid 0: the keeper's own. */
ssize_t ccol__proc_read_of(pid_t pid, const char *name, char *out, size_t size, bool *cut);
/* Target of /proc/PID/NAME, NUL-terminated; false: unreadable or cut. */
bool ccol__proc_link(pid_t pid, const char *name, char *out, size_t size);

/* What /proc/PID/stat says. */
struct proc_stat {
    int parent, group, session;
    uint64_t started_ticks; /* since boot */
    uint64_t stack_start, arg_start, arg_end, env_start, env_end;
    char state;
};
bool ccol__proc_stat_parse(const char *text, struct proc_stat *out);

/* The number behind "NAME:" at the start of a line, in the base given; false: not there. */
bool ccol__proc_field(const char *text, const char *name, int base, uint64_t *out);

/* One line of /proc/PID/maps. */
struct proc_map {
    uint64_t start, end, offset, inode;
    uint32_t device_major, device_minor;
    bool readable, writable, executable;
    const char *path; /* into the text: not terminated */
    size_t path_length;
};
/* Parses the line at *at and moves *at behind it; false: no more whole lines. */
bool ccol__proc_map_next(const char **at, struct proc_map *out);

/* Has the process a handler for the signal, or does it ignore it? From the text of its status. */
bool ccol__proc_catches(const char *status, int signal_number);
bool ccol__proc_ignores(const char *status, int signal_number);

#endif
