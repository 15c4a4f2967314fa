/* SPDX-License-Identifier: MIT */
#include "keeper/snapshot_build.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
#define MACHINE SNAPSHOT_X86_64
#elif defined(__aarch64__)
#define MACHINE SNAPSHOT_AARCH64
#else
#error "the keeper knows the registers of x86-64 and aarch64 only"
#endif

#define SET_ASIDE        (BUILD_ERRORS_BYTES + BUILD_STRINGS_BYTES)
#define READY_PER_THREAD ((size_t)17 << 10) /* its registers, and some stack */
#define READY_FOR_ALL    ((size_t)448 << 10)
#define FEW_THREADS      8

static size_t aligned(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

int ccol__build_init(struct snapshot_build *build, size_t capacity, uint32_t sections_most)
{
    size_t head = sizeof(struct snapshot_header) + sections_most * sizeof(struct snapshot_section);
    build->capacity = head + capacity + SET_ASIDE;
    build->sections_most = sections_most;
    build->memory =
        mmap(NULL, build->capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (build->memory == MAP_FAILED) {
        build->memory = NULL;
        return -errno;
    }
    build->ready = 0;
    ccol__build_make_ready(build, FEW_THREADS);
    ccol__build_limit(build, false);
    memset(build->errors, 0, sizeof build->errors);
    memset(build->strings, 0, sizeof build->strings);
    ccol__build_start(build);
    return 0;
}

void ccol__build_fini(struct snapshot_build *build)
{
    if (build->memory) munmap(build->memory, build->capacity);
    build->memory = NULL;
}

void ccol__build_make_ready(struct snapshot_build *build, size_t threads)
{
    size_t head = sizeof(struct snapshot_header) + build->sections_most * sizeof(struct snapshot_section);
    size_t wanted = head + SET_ASIDE + READY_FOR_ALL;
    if (wanted > build->capacity || threads > (build->capacity - wanted) / READY_PER_THREAD)
        wanted = build->capacity;
    else
        wanted += threads * READY_PER_THREAD;
    if (wanted <= build->ready) return;
    memset(build->memory + build->ready, 0, wanted - build->ready);
    build->ready = wanted;
}

void ccol__build_limit(struct snapshot_build *build, bool ready_only)
{
    build->limit = ready_only ? build->ready : build->capacity;
}

void ccol__build_start(struct snapshot_build *build)
{
    build->sections = (void *)(build->memory + sizeof(struct snapshot_header));
    build->used = sizeof(struct snapshot_header) + build->sections_most * sizeof(struct snapshot_section);
    build->count = 0;
    build->errors_length = 0;
    build->strings_length = 1;
    build->strings[0] = '\0';
}

size_t ccol__build_room(const struct snapshot_build *build)
{
    return build->limit - SET_ASIDE - build->used;
}

char *ccol__build_reserve(struct snapshot_build *build, size_t bytes)
{
    /* two sections are kept for STRINGS and ERRORS */
    if (bytes > ccol__build_room(build) || build->count + 2 >= build->sections_most) return NULL;
    return build->memory + build->used;
}

void ccol__build_keep(struct snapshot_build *build, enum snapshot_type type, uint32_t id, uint64_t address,
                      size_t bytes, uint32_t stride)
{
    build->sections[build->count++] = (struct snapshot_section){
        .type = type, .id = id, .address = address, .offset = build->used, .bytes = bytes, .stride = stride};
    memset(build->memory + build->used + bytes, 0, aligned(bytes) - bytes);
    build->used += aligned(bytes);
}

bool ccol__build_add(struct snapshot_build *build, enum snapshot_type type, uint32_t id, const void *bytes,
                     size_t length, uint32_t stride)
{
    char *room = ccol__build_reserve(build, length);
    if (!room) {
        ccol__build_error(build, "no room for section %d of %zu bytes: raise the snapshot size", (int)type, length);
        return false;
    }
    memcpy(room, bytes, length);
    ccol__build_keep(build, type, id, 0, length, stride);
    return true;
}

uint32_t ccol__build_string(struct snapshot_build *build, const char *text)
{
    size_t bytes = strlen(text) + 1;
    if (bytes == 1 || bytes > sizeof build->strings - build->strings_length) return 0;
    uint32_t offset = (uint32_t)build->strings_length;
    memcpy(build->strings + offset, text, bytes);
    build->strings_length += bytes;
    return offset;
}

void ccol__build_error(struct snapshot_build *build, const char *format, ...)
{
    size_t room = sizeof build->errors - build->errors_length;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(build->errors + build->errors_length, room, format, args);
    va_end(args);
    if (length < 0 || (size_t)length + 1 >= room) return; /* the cut line is not counted */
    build->errors_length += (size_t)length;
    build->errors[build->errors_length++] = '\n';
}

/* Both fit: their room was set aside. */
static void add_last(struct snapshot_build *build, enum snapshot_type type, const char *bytes, size_t length)
{
    memcpy(build->memory + build->used, bytes, length);
    ccol__build_keep(build, type, 0, 0, length, 0);
}

size_t ccol__build_finish(struct snapshot_build *build, uint64_t sequence, int64_t now_us)
{
    add_last(build, SNAPSHOT_STRINGS, build->strings, build->strings_length);
    add_last(build, SNAPSHOT_ERRORS, build->errors, build->errors_length);
    struct snapshot_header header = {.version = SNAPSHOT_VERSION,
                                     .header_bytes = sizeof header,
                                     .total_bytes = build->used,
                                     .section_offset = sizeof header,
                                     .section_count = build->count,
                                     .section_bytes = sizeof(struct snapshot_section),
                                     .machine = MACHINE,
                                     .captured_at_us = now_us,
                                     .sequence = sequence};
    memcpy(header.magic, SNAPSHOT_MAGIC, sizeof header.magic);
    memcpy(build->memory, &header, sizeof header);
    return build->used;
}
