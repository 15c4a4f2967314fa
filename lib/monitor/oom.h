/* SPDX-License-Identifier: MIT */
/* Tells a kill for want of memory from any other SIGKILL, by evidence, strongest first: the kernel's log names the
 * process; the memory cgroup's own counter of such kills went up. That the host killed something somewhere is told, but
 * proves nothing. */
#ifndef CCOL_MONITOR_OOM_H
#define CCOL_MONITOR_OOM_H

#include <crashcollect/api.h>

#include "monitor/victim.h"

/* One record of the kernel's log about such a kill. */
struct oom_record {
    int64_t monotonic_us; /* when, since boot */
    int32_t pid;
    bool of_cgroup;    /* the limit of a memory cgroup was met, not the host's */
    char task[32];     /* name of what was killed */
    char memcg[256];   /* the cgroup whose limit it was, "" if the record does not tell */
    uint64_t anon_kib; /* resident, where the record tells */
};

/* Reads one record as /dev/kmsg gives it ("6,1234,5678,-;text"). false: it is about something else. */
bool ccol__oom_record_read(const char *text, size_t length, struct oom_record *out);

enum oom_evidence { OOM_NO_EVIDENCE, OOM_BY_CGROUP, OOM_BY_KERNEL_LOG };

struct oom_verdict {
    enum oom_evidence evidence; /* OOM_NO_EVIDENCE: it was no such kill, as far as anybody can tell */
    bool has_record;
    struct oom_record record;
    uint64_t limit, usage, peak; /* bytes; UINT64_MAX: not known, or no limit */
    char text[512];              /* for people, what the verdict rests on; also why there is none, or "" */
};

/* record: what the kernel's log has about the process, or NULL. */
void ccol__oom_judge(struct oom_verdict *out, const struct victim *victim, const struct oom_record *record);
/* The last record of the kernel's log about this process from around that time. false: there is none, or the log may
 * not be read here. */
bool ccol__oom_find_record(int32_t pid, int64_t around_us, struct oom_record *out);

#endif
