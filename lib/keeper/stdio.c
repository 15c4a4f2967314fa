/* SPDX-License-Identifier: MIT */
/* What a program wrote to stdout or stderr and had not flushed: still in its memory. glibc and musl as libraries say
 * where their streams are, by the names that the loader looks up. A program that has its libc inside says nothing, and
 * may have been stripped: its data are searched for what looks like a stream in all respects. */
#include "keeper/image.h"
#include "keeper/keeper_private.h"

#include <string.h>

#define UNFLUSHED_MOST 65536
#define SEARCH_MOST    (4u << 20)
#define SEARCH_CHUNK   16384
#define STREAMS        2 /* stdout is 1, stderr 2, as descriptors and as ids of sections */

#define GLIBC_MAGIC   0xfbadu /* upper half of the flags of every stream */
#define MUSL_PERM     1u      /* flag of the three streams that are never closed */
#define MUSL_FLAG_MAX 255u

/* struct _IO_FILE_plus, whose layout glibc keeps for old programs. */
struct glibc_file {
    uint32_t flags, gap;
    uint64_t read_ptr, read_end, read_base, write_base, write_ptr, write_end, buf_base, buf_end, save[3], markers,
        chain;
    int32_t fileno, flags2;
    uint64_t old_offset, column, lock, more[9], vtable;
};

/* The beginning of struct _IO_FILE of musl, the same since 0.9. */
struct musl_file {
    uint32_t flags, gap;
    uint64_t rpos, rend, close, wend, wpos, zero, wbase, read, write, seek, buf, buf_size, prev, next;
    int32_t fd, pipe_pid;
};

union stream {
    struct glibc_file glibc;
    struct musl_file musl;
};

struct waiting {
    uint64_t base, end; /* equal: nothing waits */
};

struct libc {
    size_t bytes;               /* of a stream */
    const char *names[STREAMS]; /* of symbols: the streams themselves, or pointers to them */
    bool are_pointers;
    bool (*is_name)(const char *file_name);
    bool (*is_stream)(const struct image *image, const union stream *stream, int32_t fd);
    struct waiting (*waiting)(const union stream *stream);
};

static bool is_glibc_name(const char *name)
{
    return strncmp(name, "libc.so.6", 9) == 0 || strncmp(name, "libc-2.", 7) == 0;
}

static bool is_musl_name(const char *name)
{
    return strncmp(name, "ld-musl-", 8) == 0 || strncmp(name, "libc.musl-", 10) == 0 || strcmp(name, "libc.so") == 0;
}

/* Of every eight bytes that are searched, all but a few end here. */
static bool may_be_stream(const char *bytes)
{
    uint32_t flags;
    memcpy(&flags, bytes, sizeof flags);
    return flags >> 16 == GLIBC_MAGIC || (flags & MUSL_PERM && flags <= MUSL_FLAG_MAX);
}

static bool is_glibc_stream(const struct image *image, const union stream *stream, int32_t fd)
{
    const struct glibc_file *file = &stream->glibc;
    return file->flags >> 16 == GLIBC_MAGIC && file->fileno == fd && ccol__image_holds(image, file->lock) &&
           ccol__image_holds(image, file->vtable);
}

static bool is_musl_stream(const struct image *image, const union stream *stream, int32_t fd)
{
    const struct musl_file *file = &stream->musl;
    return file->fd == fd && file->flags & MUSL_PERM && file->flags <= MUSL_FLAG_MAX && file->zero == 0 &&
           ccol__image_holds(image, file->close) && ccol__image_holds(image, file->write) &&
           ccol__image_holds(image, file->seek);
}

static struct waiting glibc_waiting(const union stream *stream)
{
    const struct glibc_file *file = &stream->glibc;
    bool fits =
        file->buf_base <= file->write_base && file->write_base <= file->write_ptr && file->write_ptr <= file->buf_end;
    return fits ? (struct waiting){file->write_base, file->write_ptr} : (struct waiting){0};
}

static struct waiting musl_waiting(const union stream *stream)
{
    const struct musl_file *file = &stream->musl;
    bool fits = file->buf <= file->wbase && file->wbase <= file->wpos && file->wpos - file->buf <= file->buf_size;
    return fits ? (struct waiting){file->wbase, file->wpos} : (struct waiting){0};
}

static const struct libc libcs[] = {
    {sizeof(struct glibc_file),
     {"_IO_2_1_stdout_", "_IO_2_1_stderr_"},
     false,
     is_glibc_name,
     is_glibc_stream,
     glibc_waiting},
    {sizeof(struct musl_file), {"stdout", "stderr"}, true, is_musl_name, is_musl_stream, musl_waiting},
};

/* Nobody's arguments or environment leave here either, wherever a broken stream points. */
static bool is_of_exec(const struct process_facts *facts, const struct waiting *waiting)
{
    const struct proc_stat *stat = &facts->stat;
    return facts->has_stat && ((waiting->base < stat->arg_end && stat->arg_start < waiting->end) ||
                               (waiting->base < stat->env_end && stat->env_start < waiting->end));
}

static void add_waiting(struct keeper *keeper, const struct traced_process *process, uint32_t id,
                        struct waiting waiting)
{
    if (waiting.end - waiting.base > UNFLUSHED_MOST) waiting.end = waiting.base + UNFLUSHED_MOST;
    size_t length = (size_t)(waiting.end - waiting.base);
    if (!length || is_of_exec(process->facts, &waiting)) return;
    char *into = ccol__build_reserve(&keeper->build, length);
    size_t got = into ? ccol__tracee_read(process->pid, waiting.base, into, length) : 0;
    if (got) ccol__build_keep(&keeper->build, SNAPSHOT_STDIO, id, waiting.base, got, 0);
}

static void add_named(struct keeper *keeper, const struct traced_process *process, const struct image *image,
                      const struct libc *libc)
{
    for (int32_t i = 0; i < STREAMS; i++) {
        union stream stream = {0};
        uint64_t address = ccol__image_symbol(image, libc->names[i]);
        if (!address || (libc->are_pointers && !ccol__tracee_read_all(image->pid, address, &address, sizeof address)) ||
            !ccol__tracee_read_all(image->pid, address, &stream, libc->bytes) ||
            !libc->is_stream(image, &stream, i + 1))
            continue;
        add_waiting(keeper, process, (uint32_t)i + 1, libc->waiting(&stream));
    }
}

/* Takes the streams among the bytes, and marks them as found. */
static void search_bytes(struct keeper *keeper, const struct traced_process *process, const struct image *image,
                         const char *bytes, size_t length, bool found[STREAMS])
{
    for (size_t at = 0; at + sizeof(uint32_t) <= length; at += 8) {
        if (!may_be_stream(bytes + at)) continue;
        for (size_t i = 0; i < sizeof libcs / sizeof libcs[0]; i++) {
            union stream stream;
            if (length - at < libcs[i].bytes) continue;
            memcpy(&stream, bytes + at, libcs[i].bytes);
            for (int32_t id = 0; id < STREAMS; id++) {
                if (found[id] || !libcs[i].is_stream(image, &stream, id + 1)) continue;
                found[id] = true;
                add_waiting(keeper, process, (uint32_t)id + 1, libcs[i].waiting(&stream));
            }
        }
    }
}

/* From the end: linkers put libc's data behind the program's own. False: there was more than the limit. */
static bool search(struct keeper *keeper, const struct traced_process *process, const struct image *image)
{
    char bytes[SEARCH_CHUNK];
    bool found[STREAMS] = {false};
    uint64_t left = SEARCH_MOST;
    for (size_t i = image->data_count; i-- > 0;) {
        uint64_t start = (image->data[i].address + 7) & ~UINT64_C(7);
        uint64_t end = image->data[i].address + image->data[i].bytes, at = end;
        while (at > start) {
            if (found[0] && found[1]) return true;
            if (left < sizeof bytes) return false;
            left -= sizeof bytes;
            uint64_t from = at - start > sizeof bytes ? (at - sizeof bytes + 7) & ~UINT64_C(7) : start;
            size_t got = ccol__tracee_read(image->pid, from, bytes, (size_t)(at - from));
            search_bytes(keeper, process, image, bytes, got, found);
            at = from > start ? from + sizeof(union stream) : start; /* one that is cut off here is whole in the next */
        }
    }
    return true;
}

void ccol__stdio_build(struct keeper *keeper, const struct traced_process *process)
{
    const struct module_table *modules = &process->facts->modules;
    const struct snapshot_module *executable = NULL;
    struct image image;
    for (size_t i = 0; i < modules->count; i++) {
        const char *path = modules->paths + modules->list[i].path, *slash = strrchr(path, '/');
        if (modules->list[i].flags & SNAPSHOT_EXECUTABLE) executable = &modules->list[i];
        for (size_t k = 0; k < sizeof libcs / sizeof libcs[0]; k++) {
            if (!libcs[k].is_name(slash ? slash + 1 : path)) continue;
            if (ccol__image_open(&image, process->pid, &modules->list[i]))
                add_named(keeper, process, &image, &libcs[k]);
            return;
        }
    }
    if (executable && ccol__image_open(&image, process->pid, executable) && !search(keeper, process, &image))
        ccol__build_error(&keeper->build, "unflushed output: only the last %u MiB of the program's data were searched",
                          SEARCH_MOST >> 20);
}
