/* SPDX-License-Identifier: MIT */
#include "monitor/crash_loop.h"

#include "base/auto.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define FILE_NAME  "../crash-loops" /* of DATA_DIR/monitor, which holds folders of instances only */
#define KINDS_MOST 64               /* the one that was quiet longest gives way */
#define US_PER_S   INT64_C(1000000)

struct kind {
    uint64_t kind, suppressed;
    int64_t last_us, next_us; /* seen last; before next_us none is reported */
    uint64_t count;           /* reported since it began */
};

uint64_t ccol__crash_loop_kind(const char *executable, const char *reason)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (const char *at = executable; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    hash *= 31;
    for (const char *at = reason; *at && *at != ' '; at++) /* addresses differ from run to run */
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    return hash ? hash : 1;
}

static struct kind *find(struct kind *kinds, uint64_t kind)
{
    struct kind *oldest = &kinds[0];
    for (size_t i = 0; i < KINDS_MOST; i++) {
        if (kinds[i].kind == kind) return &kinds[i];
        if (kinds[i].last_us < oldest->last_us) oldest = &kinds[i];
    }
    *oldest = (struct kind){.kind = kind};
    return oldest;
}

/* A kind that was quiet for long begins anew; so does one whose clock was put back. */
static void begin_anew(struct kind *kind, int64_t longest_us, int64_t now_us)
{
    if (now_us - kind->last_us > longest_us || now_us < kind->last_us - longest_us)
        *kind = (struct kind){.kind = kind->kind, .suppressed = kind->suppressed};
    kind->last_us = now_us;
}

static bool is_due(struct kind *kind, const struct crash_loop_limits *limits, int64_t now_us)
{
    begin_anew(kind, limits->longest_pause_s * US_PER_S, now_us);
    if (now_us >= kind->next_us) return true;
    kind->suppressed++;
    return false;
}

static void reported(struct kind *kind, const struct crash_loop_limits *limits, int64_t now_us)
{
    int64_t longest_us = limits->longest_pause_s * US_PER_S, pause_us = limits->first_pause_s * US_PER_S;
    kind->suppressed = 0;
    kind->count++;
    for (uint64_t i = limits->burst; i < kind->count && pause_us < longest_us; i++)
        pause_us *= 2;
    if (kind->count >= limits->burst) kind->next_us = now_us + (pause_us < longest_us ? pause_us : longest_us);
}

/* The file, locked and read; -1: it cannot be used. */
static int open_kinds(int parent_fd, struct kind kinds[KINDS_MOST])
{
    int fd = openat(parent_fd, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    memset(kinds, 0, KINDS_MOST * sizeof *kinds);
    if (fd < 0) return -1;
    if (flock(fd, LOCK_EX) == 0 && pread(fd, kinds, KINDS_MOST * sizeof *kinds, 0) >= 0) return fd;
    close(fd);
    return -1;
}

static bool write_kinds(int fd, const struct kind kinds[KINDS_MOST])
{
    ssize_t bytes = (ssize_t)(KINDS_MOST * sizeof *kinds);
    return pwrite(fd, kinds, (size_t)bytes, 0) == bytes;
}

bool ccol__crash_loop_due(int parent_fd, const struct crash_loop_limits *limits, uint64_t kind, int64_t now_us,
                          uint64_t *suppressed)
{
    struct kind kinds[KINDS_MOST];
    *suppressed = 0;
    if (limits->burst == 0) return true;
    auto_close int fd = open_kinds(parent_fd, kinds);
    if (fd < 0) return true;
    struct kind *found = find(kinds, kind);
    bool due = is_due(found, limits, now_us);
    if (due) *suppressed = found->suppressed;
    return !write_kinds(fd, kinds) || due;
}

void ccol__crash_loop_reported(int parent_fd, const struct crash_loop_limits *limits, uint64_t kind, int64_t now_us)
{
    struct kind kinds[KINDS_MOST];
    if (limits->burst == 0) return;
    auto_close int fd = open_kinds(parent_fd, kinds);
    if (fd < 0) return;
    reported(find(kinds, kind), limits, now_us);
    if (!write_kinds(fd, kinds)) return; /* then more is reported than would have to be */
}
