/* SPDX-License-Identifier: MIT */
#include "keeper/facts.h"

#include "base/clock.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int64_t boot_us(void)
{
    struct timespec since_boot;
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return ccol__clock_now_us() - ((int64_t)since_boot.tv_sec * 1000000 + since_boot.tv_nsec / 1000);
}

static void read_stat(struct process_facts *facts, pid_t pid, char *text, size_t size)
{
    if (ccol__proc_read_of(pid, "stat", text, size, NULL) <= 0) return;
    struct proc_stat stat;
    if (!ccol__proc_stat_parse(text, &stat)) return;
    facts->stat = stat;
    facts->has_stat = true;
    uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
    facts->started_at_us = boot_us() + (int64_t)(stat.started_ticks * UINT64_C(1000000) / per_second);
}

static void read_ids(struct process_facts *facts, pid_t pid, char *text, size_t size)
{
    uint64_t value;
    if (ccol__proc_read_of(pid, "status", text, size, NULL) <= 0) return;
    if (ccol__proc_field(text, "Uid", 10, &value)) facts->uid = (uint32_t)value;
    if (ccol__proc_field(text, "Gid", 10, &value)) facts->gid = (uint32_t)value;
}

static int small_number(const char *text)
{
    int value = 0, sign = *text == '-' ? -1 : 1;
    for (text += *text == '-'; *text >= '0' && *text <= '9' && value < 100000; text++)
        value = value * 10 + (*text - '0');
    return sign * value;
}

/* "ID:CONTROLLERS:PATH" lines; v1's memory controller wins over v2's "0::". */
void ccol__facts_memory_cgroup(const char *text, char *out, size_t size, bool *is_v2)
{
    out[0] = '\0';
    *is_v2 = false;
    for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        const char *names = memchr(line, ':', (size_t)(end - line));
        const char *path = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
        if (!path) continue;
        bool v2 = path == names + 1;
        bool v1 = false;
        for (const char *name = names + 1; name < path; name += strcspn(name, ",:") + 1)
            v1 |= strcspn(name, ",:") == 6 && memcmp(name, "memory", 6) == 0;
        size_t length = (size_t)(end - path) - 1;
        if ((!v1 && !v2) || (v2 && out[0]) || length >= size) continue;
        memcpy(out, path + 1, length);
        out[length] = '\0';
        *is_v2 = v2;
    }
}

static bool same_memory_cgroup(const char *one, const char *other)
{
    char a[1024], b[1024];
    bool a_v2, b_v2;
    ccol__facts_memory_cgroup(one, a, sizeof a, &a_v2);
    ccol__facts_memory_cgroup(other, b, sizeof b, &b_v2);
    return a_v2 == b_v2 && strcmp(a, b) == 0;
}

void ccol__facts_read(struct process_facts *facts, pid_t pid, struct facts_scratch *scratch)
{
    char *text = scratch->text;
    size_t size = sizeof scratch->text;
    read_stat(facts, pid, text, size);
    read_ids(facts, pid, text, size);
    if (ccol__proc_read_of(pid, "oom_score_adj", text, size, NULL) > 0) facts->oom_score_adj = small_number(text);
    ccol__proc_link(pid, "exe", facts->executable, sizeof facts->executable);
    if (ccol__proc_read_of(pid, "comm", facts->name, sizeof facts->name, NULL) > 0)
        facts->name[strcspn(facts->name, "\n")] = '\0';
    ssize_t length = ccol__proc_read_of(pid, "auxv", facts->auxv, sizeof facts->auxv, NULL);
    facts->auxv_bytes = length > 0 ? (size_t)length : 0;
    if (ccol__proc_read_of(pid, "cgroup", facts->cgroup, sizeof facts->cgroup, NULL) > 0)
        facts->in_other_cgroup = !same_memory_cgroup(facts->cgroup, scratch->own_cgroup);
}

void ccol__facts_read_name(pid_t pid, pid_t tid, char name[16])
{
    char path[64], text[17] = ""; /* with the newline */
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, (int)tid);
    if (ccol__proc_read(path, text, sizeof text, NULL) <= 0) return;
    text[strcspn(text, "\n")] = '\0'; /* behind it are zeros only, and leave as such */
    memcpy(name, text, 16);
}

size_t ccol__facts_read_modules(struct process_facts *facts, pid_t pid, int maps_fd, struct facts_scratch *scratch)
{
    size_t size = scratch->takes_no_memory ? FACTS_READY_BYTES : sizeof scratch->text;
    ssize_t length = maps_fd >= 0 ? ccol__proc_read_open(maps_fd, scratch->text, size)
                                  : ccol__proc_read_of(pid, "maps", scratch->text, size, NULL);
    if (length <= 0) return 0;
    ccol__modules_from_maps(&facts->modules, pid, scratch->text, facts->executable, scratch);
    return (size_t)length;
}

struct facts_scratch *ccol__facts_scratch_map(void)
{
    struct facts_scratch *scratch =
        mmap(NULL, sizeof *scratch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (scratch == MAP_FAILED) return NULL;
    memset(scratch->text, 0, FACTS_READY_BYTES);
    memset(&scratch->modules, 0, sizeof scratch->modules);
    return scratch;
}

uint64_t ccol__facts_auxv(const struct process_facts *facts, uint64_t type)
{
    for (size_t at = 0; at + 16 <= facts->auxv_bytes; at += 16) {
        uint64_t entry[2];
        memcpy(entry, facts->auxv + at, sizeof entry);
        if (entry[0] == type) return entry[1];
        if (entry[0] == AT_NULL) break;
    }
    return 0;
}

static void build_modules(const struct module_table *modules, struct snapshot_build *build)
{
    struct snapshot_module *out = (void *)ccol__build_reserve(build, modules->count * sizeof *out);
    if (!out) {
        ccol__build_error(build, "no room for %zu modules", modules->count);
        return;
    }
    for (size_t i = 0; i < modules->count; i++) {
        out[i] = modules->list[i];
        out[i].path = ccol__build_string(build, modules->paths + modules->list[i].path);
    }
    ccol__build_keep(build, SNAPSHOT_MODULES, 0, 0, modules->count * sizeof *out, sizeof *out);
    if (modules->cut)
        ccol__build_error(build, "%zu modules are left out, %d are kept", modules->cut, FACTS_MODULES_MOST);
}

void ccol__facts_build(const struct process_facts *facts, pid_t pid, struct snapshot_build *build)
{
    struct snapshot_process process = {.pid = pid,
                                       .parent = facts->stat.parent,
                                       .group = facts->stat.group,
                                       .session = facts->stat.session,
                                       .uid = facts->uid,
                                       .gid = facts->gid,
                                       .oom_score_adj = facts->oom_score_adj,
                                       .executable = ccol__build_string(build, facts->executable),
                                       .name = ccol__build_string(build, facts->name),
                                       .started_at_us = facts->started_at_us,
                                       .arg_start = facts->stat.arg_start,
                                       .arg_end = facts->stat.arg_end,
                                       .env_start = facts->stat.env_start,
                                       .env_end = facts->stat.env_end,
                                       .stack_start = facts->stat.stack_start,
                                       .at_random = ccol__facts_auxv(facts, AT_RANDOM),
                                       .at_sysinfo_ehdr = ccol__facts_auxv(facts, AT_SYSINFO_EHDR),
                                       .at_entry = ccol__facts_auxv(facts, AT_ENTRY),
                                       .at_phdr = ccol__facts_auxv(facts, AT_PHDR)};
    ccol__build_add(build, SNAPSHOT_PROCESS, 0, &process, sizeof process, sizeof process);
    build_modules(&facts->modules, build);
    ccol__build_add(build, SNAPSHOT_CGROUP, 0, facts->cgroup, strlen(facts->cgroup), 0);
    ccol__build_add(build, SNAPSHOT_AUXV, 0, facts->auxv, facts->auxv_bytes, 0);
}
