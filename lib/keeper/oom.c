/* SPDX-License-Identifier: MIT */
#include "keeper/oom.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 8192
#define UNKNOWN   UINT64_MAX

struct counters {
    uint64_t kills, group_kills, host_kills, limit, usage, peak;
};

/* The value behind "NAME " at the start of a line (memory.events, memory.oom_control, vmstat). */
static uint64_t keyed(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ' ') continue;
        uint64_t value = 0;
        for (const char *at = line + length + 1; *at >= '0' && *at <= '9'; at++)
            value = value * 10 + (unsigned)(*at - '0');
        return value;
    }
    return UNKNOWN;
}

static bool read_in(const char *folder, const char *name, char *text)
{
    char path[1200];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length > 0 && (size_t)length < sizeof path && ccol__proc_read(path, text, TEXT_SIZE, NULL) > 0;
}

/* "max" and what is no number: unknown. v1 writes a huge number for no limit. */
static uint64_t read_amount(const char *folder, const char *name)
{
    char text[TEXT_SIZE];
    uint64_t value = 0;
    if (!read_in(folder, name, text) || text[0] < '0' || text[0] > '9') return UNKNOWN;
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (unsigned)(*at - '0');
    return value >= (UINT64_C(1) << 62) ? UNKNOWN : value;
}

static void read_counters(const struct oom_watch *watch, struct counters *out)
{
    char text[TEXT_SIZE];
    *out = (struct counters){UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};
    if (ccol__proc_read("/proc/vmstat", text, sizeof text, NULL) > 0) out->host_kills = keyed(text, "oom_kill");
    if (watch->source == SNAPSHOT_OOM_CGROUP2) {
        if (read_in(watch->folder, "memory.events", text)) {
            out->kills = keyed(text, "oom_kill");
            out->group_kills = keyed(text, "oom_group_kill");
        }
        out->limit = read_amount(watch->folder, "memory.max");
        out->usage = read_amount(watch->folder, "memory.current");
        out->peak = read_amount(watch->folder, "memory.peak");
    } else if (watch->source == SNAPSHOT_OOM_CGROUP1) {
        if (read_in(watch->folder, "memory.oom_control", text)) out->kills = keyed(text, "oom_kill");
        out->limit = read_amount(watch->folder, "memory.limit_in_bytes");
        out->usage = read_amount(watch->folder, "memory.usage_in_bytes");
        out->peak = read_amount(watch->folder, "memory.max_usage_in_bytes");
    }
}

/* The n-th field, counted from 0, of a line with blanks between; its length, 0 if there is none. */
static size_t field_of(const char *line, unsigned n, const char **out)
{
    for (; n > 0; n--) {
        line += strcspn(line, " \n");
        if (*line != ' ') return 0;
        line++;
    }
    *out = line;
    return strcspn(line, " \n");
}

/* Does this line of mountinfo mount the hierarchy? Then its root and mount point. */
static bool is_mount(const char *line, const char *end, bool v2, const char **root, size_t *root_length,
                     const char **point, size_t *point_length)
{
    const char *type = memmem(line, (size_t)(end - line), " - ", 3);
    const char *options;
    if (!type) return false;
    type += 3;
    if (v2 && strncmp(type, "cgroup2 ", 8) != 0) return false;
    if (!v2) {
        size_t length = field_of(type, 2, &options);
        if (strncmp(type, "cgroup ", 7) != 0 || !length || !memmem(options, length, "memory", 6)) return false;
    }
    *root_length = field_of(line, 3, root);
    *point_length = field_of(line, 4, point);
    return *root_length && *point_length;
}

/* Where the hierarchy is mounted, and the cgroup's place below that. In a container the mount's root may be the
 * container's own cgroup, while the path counts from the host's root. */
static bool find_folder(struct oom_watch *watch, bool v2)
{
    if (ccol__proc_read_of(0, "mountinfo", watch->mounts, sizeof watch->mounts, NULL) <= 0) return false;
    for (const char *line = watch->mounts, *end; *line; line = *end ? end + 1 : end) {
        const char *root = NULL, *point = NULL;
        size_t root_length = 0, point_length = 0;
        end = strchrnul(line, '\n');
        if (!is_mount(line, end, v2, &root, &root_length, &point, &point_length)) continue;
        const char *below = watch->cgroup;
        bool inside = root_length > 1 && strncmp(below, root, root_length) == 0 && strchr("/", below[root_length]);
        if (inside) below += root_length;
        if (strcmp(below, "/") == 0) below = "";
        int length = snprintf(watch->folder, sizeof watch->folder, "%.*s%s", (int)point_length, point, below);
        return length > 0 && (size_t)length < sizeof watch->folder;
    }
    return false;
}

void ccol__oom_watch(struct oom_watch *watch, const char *cgroup_text)
{
    char path[sizeof watch->cgroup];
    bool v2;
    ccol__facts_memory_cgroup(cgroup_text, path, sizeof path, &v2);
    if (watch->source != SNAPSHOT_OOM_NONE && strcmp(path, watch->cgroup) == 0) return;
    memcpy(watch->cgroup, path, sizeof path);
    watch->source = SNAPSHOT_OOM_NONE;
    if (path[0] && find_folder(watch, v2)) watch->source = v2 ? SNAPSHOT_OOM_CGROUP2 : SNAPSHOT_OOM_CGROUP1;
    struct counters now;
    read_counters(watch, &now);
    watch->kills = now.kills;
    watch->group_kills = now.group_kills;
    watch->host_kills = now.host_kills;
}

void ccol__oom_build(struct oom_watch *watch, const char *cgroup_text, struct snapshot_build *build, int64_t now_us)
{
    char path[sizeof watch->cgroup];
    bool v2;
    uint64_t host_before = watch->host_kills;
    ccol__facts_memory_cgroup(cgroup_text, path, sizeof path, &v2);
    bool known = strcmp(path, watch->cgroup) == 0;
    if (!known) ccol__oom_watch(watch, cgroup_text);
    struct counters now;
    read_counters(watch, &now);
    struct snapshot_oom oom = {.source = watch->source,
                               .path = ccol__build_string(build, watch->folder),
                               .kills_before = known ? watch->kills : UNKNOWN,
                               .kills_after = now.kills,
                               .limit = now.limit,
                               .usage = now.usage,
                               .peak = now.peak,
                               .host_kills_before = host_before,
                               .host_kills_after = now.host_kills,
                               .group_kills_before = known ? watch->group_kills : UNKNOWN,
                               .group_kills_after = now.group_kills,
                               .read_at_us = now_us};
    ccol__build_add(build, SNAPSHOT_OOM, 0, &oom, sizeof oom, sizeof oom);
    watch->kills = now.kills;
    watch->group_kills = now.group_kills;
    watch->host_kills = now.host_kills;
}
