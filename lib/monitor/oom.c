/* SPDX-License-Identifier: MIT */
#include "monitor/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"

#define RECORD_MOST  8192 /* the kernel's own limit */
#define RECORDS_MOST 200000
#define AROUND_US    (INT64_C(120) * 1000 * 1000) /* between the kill and its record; clocks may be set in between */
#define MIB          (UINT64_C(1) << 20)
#define UNKNOWN      UINT64_MAX

/* Copies what stands behind `name` up to a character of `ends`. false: it is not there. */
static bool value_of(const char *text, const char *name, const char *ends, char *out, size_t size)
{
    const char *at = strstr(text, name);
    if (!at) return false;
    at += strlen(name);
    snprintf(out, size, "%.*s", (int)strcspn(at, ends), at);
    return true;
}

static uint64_t number_of(const char *text, const char *name)
{
    char value[24];
    return value_of(text, name, ", kK", value, sizeof value) ? strtoull(value, NULL, 10) : 0;
}

/* "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/a,task_memcg=/a,task=name,pid=1,uid=0" */
static bool read_summary(const char *text, struct oom_record *out)
{
    const char *at = strstr(text, "oom-kill:");
    if (!at || !strstr(at, ",pid=")) return false;
    out->pid = (int32_t)number_of(at, ",pid=");
    value_of(at, ",task=", ",", out->task, sizeof out->task);
    value_of(at, "oom_memcg=", ",", out->memcg, sizeof out->memcg);
    out->of_cgroup = strstr(at, "CONSTRAINT_MEMCG") != NULL;
    return out->pid > 0;
}

/* "Memory cgroup out of memory: Killed process 1 (name) total-vm:8kB, anon-rss:4kB, ..." */
static bool read_kill(const char *text, struct oom_record *out)
{
    const char *at = strstr(text, "Killed process ");
    if (!at || (!strstr(text, "ut of memory") && !strstr(text, "oom"))) return false;
    out->pid = (int32_t)number_of(at, "Killed process ");
    value_of(at, "(", ")", out->task, sizeof out->task);
    out->anon_kib = number_of(at, "anon-rss:");
    out->of_cgroup = strstr(text, "emory cgroup") != NULL;
    return out->pid > 0;
}

bool ccol__oom_record_read(const char *text, size_t length, struct oom_record *out)
{
    char line[RECORD_MOST];
    *out = (struct oom_record){0};
    if (length >= sizeof line) length = sizeof line - 1;
    memcpy(line, text, length);
    line[length] = '\0';
    char *message = strchr(line, ';');
    if (!message) return false;
    *message++ = '\0';
    message[strcspn(message, "\n")] = '\0'; /* what follows is the device's, not text */
    const char *sequence = strchr(line, ','), *time = sequence ? strchr(sequence + 1, ',') : NULL;
    if (!time) return false;
    uint64_t us = strtoull(time + 1, NULL, 10);
    out->monotonic_us = us > INT64_MAX ? INT64_MAX : (int64_t)us;
    return read_summary(message, out) || read_kill(message, out);
}

bool ccol__oom_find_record(int32_t pid, int64_t around_us, struct oom_record *out)
{
    char text[RECORD_MOST];
    struct oom_record record, before = {0};
    bool found = false;
    auto_close int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    int64_t booted_us = ccol__clock_now_us() - (int64_t)ccol__clock_monotonic_us();
    for (unsigned i = 0; i < RECORDS_MOST; i++) {
        ssize_t got = read(fd, text, sizeof text);
        if (got < 0 && errno == EPIPE) continue; /* overtaken by the log's writers: goes on at what is left */
        if (got <= 0) break;
        if (!ccol__oom_record_read(text, (size_t)got, &record) || record.pid != pid) continue;
        int64_t distance = around_us - booted_us - record.monotonic_us;
        if (distance > AROUND_US || distance < -AROUND_US) continue;
        if (found && !record.memcg[0]) memcpy(record.memcg, before.memcg, sizeof record.memcg);
        if (found) record.of_cgroup |= before.of_cgroup;
        before = record;
        found = true;
    }
    *out = before;
    return found;
}

static void tell_bytes(char *out, size_t size, const char *name, uint64_t bytes)
{
    size_t length = strlen(out);
    if (bytes == UNKNOWN) return;
    snprintf(out + length, size - length, ", %s %.1f MiB", name, (double)bytes / (double)MIB);
}

static bool grew(uint64_t before, uint64_t after)
{
    return before != UNKNOWN && after != UNKNOWN && after > before;
}

static void tell_kernel_log(struct oom_verdict *verdict)
{
    const struct oom_record *record = &verdict->record;
    verdict->evidence = OOM_BY_KERNEL_LOG;
    snprintf(verdict->text, sizeof verdict->text, "the kernel's log names process %d (%s)%s%s%s", record->pid,
             record->task, record->of_cgroup ? ", by the limit of memory cgroup " : ", the host was out of memory",
             record->of_cgroup ? record->memcg : "", record->of_cgroup && !record->memcg[0] ? "(not told)" : "");
}

/* Whether the victim's memory cgroup counted a kill meanwhile, and nobody asked for this one. */
static bool cgroup_killed(const struct victim *victim)
{
    const struct snapshot_oom *oom = &victim->oom;
    if (!victim->has_oom || oom->source == SNAPSHOT_OOM_NONE || victim->reason.flags & SNAPSHOT_KILL_ASKED)
        return false;
    return grew(oom->kills_before, oom->kills_after) || grew(oom->group_kills_before, oom->group_kills_after);
}

static void tell_cgroup(struct oom_verdict *verdict, const struct victim *victim)
{
    verdict->evidence = OOM_BY_CGROUP;
    snprintf(verdict->text, sizeof verdict->text, "oom_kill of memory cgroup %s went from %" PRIu64 " to %" PRIu64,
             victim->oom_path[0] ? victim->oom_path : "(unknown)", victim->oom.kills_before, victim->oom.kills_after);
}

static void tell_amounts(struct oom_verdict *verdict)
{
    tell_bytes(verdict->text, sizeof verdict->text, "limit", verdict->limit);
    tell_bytes(verdict->text, sizeof verdict->text, "usage after", verdict->usage);
    tell_bytes(verdict->text, sizeof verdict->text, "peak", verdict->peak);
    if (verdict->has_record && verdict->record.anon_kib)
        tell_bytes(verdict->text, sizeof verdict->text, "resident", verdict->record.anon_kib * 1024);
}

void ccol__oom_judge(struct oom_verdict *out, const struct victim *victim, const struct oom_record *record)
{
    const struct snapshot_oom *oom = &victim->oom;
    *out = (struct oom_verdict){.limit = UNKNOWN, .usage = UNKNOWN, .peak = UNKNOWN};
    if (victim->reason.signal != SIGKILL) return;
    if (victim->has_oom) {
        out->limit = oom->limit;
        out->usage = oom->usage;
        out->peak = oom->peak;
    }
    out->has_record = record != NULL;
    if (record) {
        out->record = *record;
        tell_kernel_log(out);
    } else if (cgroup_killed(victim)) {
        tell_cgroup(out, victim);
    } else {
        if (victim->has_oom && grew(oom->host_kills_before, oom->host_kills_after))
            snprintf(out->text, sizeof out->text,
                     "the host killed %" PRIu64
                     " processes for want of memory meanwhile; nothing says that this was one",
                     oom->host_kills_after - oom->host_kills_before);
        return;
    }
    tell_amounts(out);
}
