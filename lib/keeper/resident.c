/* SPDX-License-Identifier: MIT */
#include "keeper/resident.h"

#include <link.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES   ((size_t)64 << 10)
#define PAGES_AT_ONCE 512
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; older kernels refuse it, and the pages come when they are used */
#endif

static bool holds(const struct dl_phdr_info *object, uintptr_t address)
{
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = object->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && address >= start && address < start + segment->p_memsz) return true;
    }
    return false;
}

/* The library itself, libc with what a sanitizer puts in front of it, and the dynamic linker. */
static bool is_used(const struct dl_phdr_info *object)
{
    const uintptr_t places[] = {(uintptr_t)ccol__resident_code, (uintptr_t)poll, (uintptr_t)getpagesize,
                                (uintptr_t)getauxval(AT_BASE)};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (holds(object, places[i])) return true;
    }
    return false;
}

/* Calls act for what is never written of all that is loaded. */
static int visit(struct dl_phdr_info *object, size_t size, void *user)
{
    void (*const *act)(void *, size_t, bool) = user;
    uintptr_t page = (uintptr_t)getpagesize();
    bool used = is_used(object);
    (void)size;
    for (size_t i = object->dlpi_phnum; i-- > 0;) { /* backwards: this table lies in the first that is loaded */
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W) continue;
        (*act)((void *)start, end - start, used);
    }
    return 0;
}

static void bring_or_drop(void *memory, size_t length, bool used)
{
    madvise(memory, length, used ? MADV_POPULATE_READ : MADV_DONTNEED);
}

void ccol__resident_code(void)
{
    void (*act)(void *, size_t, bool) = bring_or_drop;
    dl_iterate_phdr(visit, &act);
}

static void lock_if_used(void *memory, size_t length, bool used)
{
    if (used) ccol__resident_lock(memory, length);
}

bool ccol__resident_lock_all(void)
{
    /* sanitizers make mlockall() do nothing */
    if (syscall(SYS_mlockall, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return true;
    void (*act)(void *, size_t, bool) = lock_if_used;
    dl_iterate_phdr(visit, &act);
    return false;
}

void ccol__resident_lock(const void *memory, size_t length)
{
    if (mlock2(memory, length, MLOCK_ONFAULT) != 0) return; /* the limit does not allow it */
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
