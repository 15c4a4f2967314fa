/* SPDX-License-Identifier: MIT */
/* What the keeper remembers of a process while it is well, for the case that nobody can ask it any more: who it is, how
 * its stack is bounded, which modules it has. */
#ifndef CCOL_KEEPER_FACTS_H
#define CCOL_KEEPER_FACTS_H

#include <stdbool.h>

#include "keeper/proc.h"
#include "keeper/snapshot_build.h"

#define FACTS_MODULES_MOST 1024
#define FACTS_PATHS_BYTES  49152
#define FACTS_READY_BYTES  ((size_t)256 << 10) /* of the scratch's text: there from the start on */

struct module_table {
    struct snapshot_module list[FACTS_MODULES_MOST]; /* their paths: offsets into paths */
    size_t count, cut;
    char paths[FACTS_PATHS_BYTES];
    size_t paths_length;
    int64_t read_at_us; /* 0: never */
};

struct process_facts {
    struct proc_stat stat;
    bool has_stat;
    uint32_t uid, gid;
    int oom_score_adj;
    int64_t started_at_us;
    char executable[1024], name[16];
    char auxv[512];
    size_t auxv_bytes;
    char cgroup[2048];
    bool in_other_cgroup; /* its memory cgroup is not the keeper's: reading files cannot wait for its end */
    struct module_table modules;
};

/* Where things are read into before they are kept. */
struct facts_scratch {
    char text[1 << 20];
    struct module_table modules;
    char own_cgroup[2048]; /* /proc/self/cgroup, read once */
    bool takes_no_memory;  /* just now: no file is opened, and of the text only what is there is used */
};

/* Maps one, of which only FACTS_READY_BYTES and the modules are touched. NULL: there is no memory. */
struct facts_scratch *ccol__facts_scratch_map(void);

/* Reads everything again but the modules. */
void ccol__facts_read(struct process_facts *facts, pid_t pid, struct facts_scratch *scratch);
/* The name of a thread; stays as it is where it cannot be read. */
void ccol__facts_read_name(pid_t pid, pid_t tid, char name[16]);
/* Reads the modules again, from the maps and from the memory. maps_fd: the maps, open and read before, which takes no
 * memory; -1: they are opened. The text of the maps stays in the scratch; its length, 0: there is none. */
size_t ccol__facts_read_modules(struct process_facts *facts, pid_t pid, int maps_fd, struct facts_scratch *scratch);
/* The same from the text of its maps. */
void ccol__modules_from_maps(struct module_table *modules, pid_t pid, const char *maps, const char *executable,
                             struct facts_scratch *scratch);
/* The value of an auxiliary vector's entry, or 0. */
uint64_t ccol__facts_auxv(const struct process_facts *facts, uint64_t type);
/* The path of the memory controller in a /proc/PID/cgroup text, and whether it is v2's. "" if there is none. */
void ccol__facts_memory_cgroup(const char *text, char *out, size_t size, bool *is_v2);

/* Puts PROCESS, MODULES, CGROUP and AUXV into a snapshot. */
void ccol__facts_build(const struct process_facts *facts, pid_t pid, struct snapshot_build *build);

#endif
