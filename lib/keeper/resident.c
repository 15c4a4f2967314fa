/* SPDX-License-Identifier: MIT */
#include "keeper/resident.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keeper/proc.h"

#define MAPS_BYTES    ((size_t)64 << 10)
#define STACK_BYTES   ((size_t)64 << 10)
#define PAGES_AT_ONCE 512
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; older kernels refuse it, and the pages come when they are used */
#endif

void ccol__resident_code(void)
{
    static char maps[MAPS_BYTES];
    struct proc_map map;
    const char *at = maps;
    if (ccol__proc_read_of(0, "maps", maps, sizeof maps, NULL) <= 0) return;
    while (ccol__proc_map_next(&at, &map)) {
        if (map.executable && map.readable && map.inode)
            madvise((void *)(uintptr_t)map.start, map.end - map.start, MADV_POPULATE_READ);
    }
}

static void touch(volatile char *byte)
{
    *byte = *byte;
}

void ccol__resident_own(void *memory, size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char present[PAGES_AT_ONCE];
    uintptr_t start = (uintptr_t)memory & ~(uintptr_t)(page - 1), end = (uintptr_t)memory + length;
    for (uintptr_t at = start; at < end; at += PAGES_AT_ONCE * page) {
        size_t pages = (end - at + page - 1) / page;
        if (pages > PAGES_AT_ONCE) pages = PAGES_AT_ONCE;
        if (mincore((void *)at, pages * page, present) != 0) continue;
        for (size_t i = 0; i < pages; i++) {
            uintptr_t byte = at + i * page;
            if (present[i] & 1) touch((volatile char *)(byte < (uintptr_t)memory ? (uintptr_t)memory : byte));
        }
    }
}

void ccol__resident_stack(void)
{
    volatile char room[STACK_BYTES];
    for (size_t i = 0; i < sizeof room; i += 4096)
        room[i] = 0;
}
