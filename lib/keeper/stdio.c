/* SPDX-License-Identifier: MIT */
/* What a glibc program wrote to stdout or stderr and had not flushed: still in its memory. The streams are found by
 * their names in libc's table of dynamic symbols, as the loader finds them. */
#include "keeper/keeper_private.h"

#include <elf.h>
#include <string.h>

#define UNFLUSHED_MOST 65536
#define SEGMENTS_MOST  64
#define DYNAMIC_MOST   128
#define CHAIN_MOST     4096

/* Of struct _IO_FILE, whose layout glibc keeps for old programs. */
struct io_file {
    int32_t flags, gap;
    uint64_t read_ptr, read_end, read_base, write_base, write_ptr, write_end;
};

struct symbol_table {
    pid_t pid;
    uint64_t bias, symbols, names, hash;
};

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* Addresses in the dynamic section are relocated by glibc, but not by every loader. */
static uint64_t address_of(const struct symbol_table *table, uint64_t value)
{
    return value < table->bias ? value + table->bias : value;
}

static bool open_table(struct symbol_table *table, const struct snapshot_module *module)
{
    Elf64_Ehdr head;
    Elf64_Phdr segments[SEGMENTS_MOST];
    Elf64_Dyn entries[DYNAMIC_MOST];
    table->bias = module->bias;
    if (!ccol__tracee_read_all(table->pid, module->start, &head, sizeof head) || head.e_phnum > SEGMENTS_MOST ||
        !ccol__tracee_read_all(table->pid, module->start + head.e_phoff, segments, head.e_phnum * sizeof segments[0]))
        return false;
    size_t count = 0;
    for (size_t i = 0; i < head.e_phnum; i++) {
        if (segments[i].p_type != PT_DYNAMIC) continue;
        size_t bytes = segments[i].p_memsz < sizeof entries ? (size_t)segments[i].p_memsz : sizeof entries;
        count = ccol__tracee_read(table->pid, table->bias + segments[i].p_vaddr, entries, bytes) / sizeof entries[0];
    }
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
        uint64_t value = address_of(table, entries[i].d_un.d_ptr);
        if (entries[i].d_tag == DT_SYMTAB) table->symbols = value;
        if (entries[i].d_tag == DT_STRTAB) table->names = value;
        if (entries[i].d_tag == DT_GNU_HASH) table->hash = value;
    }
    return table->symbols && table->names && table->hash;
}

/* Address of a symbol, or 0. */
static uint64_t find_symbol(const struct symbol_table *table, const char *name)
{
    uint32_t head[4], index, value, wanted = hash_of(name); /* buckets, first symbol, words of the filter, shift */
    if (!ccol__tracee_read_all(table->pid, table->hash, head, sizeof head) || head[0] == 0) return 0;
    uint64_t buckets = table->hash + sizeof head + (uint64_t)head[2] * 8;
    uint64_t chains = buckets + (uint64_t)head[0] * 4;
    if (!ccol__tracee_read_all(table->pid, buckets + (uint64_t)(wanted % head[0]) * 4, &index, sizeof index) ||
        index < head[1])
        return 0;
    for (unsigned i = 0; i < CHAIN_MOST; i++, index++) {
        Elf64_Sym symbol;
        char text[32];
        if (!ccol__tracee_read_all(table->pid, chains + (uint64_t)(index - head[1]) * 4, &value, sizeof value))
            return 0;
        if ((value | 1) == (wanted | 1) &&
            ccol__tracee_read_all(table->pid, table->symbols + (uint64_t)index * sizeof symbol, &symbol,
                                  sizeof symbol) &&
            ccol__tracee_read_text(table->pid, table->names + symbol.st_name, text, sizeof text) &&
            strcmp(text, name) == 0)
            return table->bias + symbol.st_value;
        if (value & 1) return 0;
    }
    return 0;
}

static bool is_libc(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return strncmp(name, "libc.so.6", 9) == 0 || strncmp(name, "libc-2.", 7) == 0;
}

static void add_stream(struct keeper *keeper, const struct symbol_table *table, const char *name, uint32_t id)
{
    struct io_file file;
    uint64_t address = find_symbol(table, name);
    if (!address || !ccol__tracee_read_all(table->pid, address, &file, sizeof file) ||
        file.write_ptr <= file.write_base)
        return;
    uint64_t length = file.write_ptr - file.write_base;
    if (length > UNFLUSHED_MOST) length = UNFLUSHED_MOST;
    char *into = ccol__build_reserve(&keeper->build, (size_t)length);
    size_t got = into ? ccol__tracee_read(table->pid, file.write_base, into, (size_t)length) : 0;
    if (got) ccol__build_keep(&keeper->build, SNAPSHOT_STDIO, id, file.write_base, got, 0);
}

void ccol__stdio_build(struct keeper *keeper, const struct traced_process *process)
{
    const struct module_table *modules = &process->facts->modules;
    for (size_t i = 0; i < modules->count; i++) {
        struct symbol_table table = {.pid = process->pid};
        if (!is_libc(modules->paths + modules->list[i].path) || !open_table(&table, &modules->list[i])) continue;
        add_stream(keeper, &table, "_IO_2_1_stdout_", 1);
        add_stream(keeper, &table, "_IO_2_1_stderr_", 2);
        return;
    }
}
