/* SPDX-License-Identifier: MIT */
/* Evidence of kills for lack of memory: counters of the app's memory cgroup and of the host, before and after. */
#ifndef CCOL_KEEPER_OOM_H
#define CCOL_KEEPER_OOM_H

#include "keeper/facts.h"

struct oom_watch {
    enum snapshot_oom_source source;
    char cgroup[1024]; /* path as /proc/PID/cgroup has it */
    char folder[1024]; /* the same in the file system */
    uint64_t kills, group_kills, host_kills;
    char mounts[65536];
};

/* Finds the cgroup of a process and reads its counters; nothing happens if it is the one watched already. */
void ccol__oom_watch(struct oom_watch *watch, const char *cgroup_text);
/* Reads the counters again, puts OOM into the snapshot, and remembers them as the next "before". */
void ccol__oom_build(struct oom_watch *watch, const char *cgroup_text, struct snapshot_build *build, int64_t now_us);

#endif
