/* SPDX-License-Identifier: MIT */
/* The modules of a process: its maps put together by file, load bias and build id from the ELF headers in its memory.
 */
#include "keeper/facts.h"
#include "keeper/text_hash.h"
#include "keeper/tracee.h"

#include "base/clock.h"

#include <elf.h>
#include <string.h>

#define HEADERS_MOST  64
#define NOTES_MOST    4096
#define DELETED       " (deleted)"
#define VDSO          "[vdso]"
#define VDSO_NAME     "linux-vdso.so.1"
#define PAGE_MASK     (~UINT64_C(4095))
#define ROUND4(value) (((value) + UINT64_C(3)) & ~UINT64_C(3))

static void find_build_id(struct snapshot_module *module, const char *notes, size_t length)
{
    while (length >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes, sizeof note);
        uint64_t name_end = sizeof note + ROUND4(note.n_namesz), end = name_end + ROUND4(note.n_descsz);
        if (name_end > length || name_end + note.n_descsz > length) return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + sizeof note, "GNU", 4) == 0 &&
            note.n_descsz <= sizeof module->build_id) {
            module->build_id_bytes = note.n_descsz;
            memcpy(module->build_id, notes + name_end, note.n_descsz);
            return;
        }
        if (end >= length) return;
        notes += end;
        length -= end;
    }
}

struct collecting {
    struct module_table *table;
    const struct module_table *old;
    const char *executable;
    pid_t pid;
    struct snapshot_module module;
    uint64_t first_end; /* of its first mapping */
    const char *path;
    size_t path_length;
    bool open, runs; /* runs: one of its mappings is executable */
    bool opens_files;
};

static void add_text_hash(struct collecting *now, const struct mapped_elf *elf)
{
    if (ccol__text_hash(now->module.text_hash, elf, now->path, now->path_length))
        now->module.flags |= SNAPSHOT_TEXT_HASH;
}

/* Fills bias and what names the file; false: there is no ELF header at its start. */
static bool read_headers(struct collecting *now)
{
    struct snapshot_module *module = &now->module;
    pid_t pid = now->pid;
    Elf64_Ehdr head;
    Elf64_Phdr segments[HEADERS_MOST];
    if (!ccol__tracee_read_all(pid, module->start, &head, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof segments[0])
        return false;
    size_t count = head.e_phnum < HEADERS_MOST ? head.e_phnum : HEADERS_MOST;
    if (!ccol__tracee_read_all(pid, module->start + head.e_phoff, segments, count * sizeof segments[0])) return false;
    module->bias = module->start;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].p_type != PT_LOAD) continue;
        module->bias = module->start - ((segments[i].p_vaddr - segments[i].p_offset) & PAGE_MASK);
        break;
    }
    for (size_t i = 0; i < count && !module->build_id_bytes; i++) {
        char notes[NOTES_MOST];
        if (segments[i].p_type != PT_NOTE) continue;
        size_t length = segments[i].p_filesz < sizeof notes ? (size_t)segments[i].p_filesz : sizeof notes;
        find_build_id(module, notes, ccol__tracee_read(pid, module->bias + segments[i].p_vaddr, notes, length));
    }
    if (!module->build_id_bytes && now->opens_files) {
        const struct mapped_elf elf = {pid, module->start, module->bias, now->first_end, &head, segments, count};
        add_text_hash(now, &elf);
    }
    return true;
}

/* What the old table knows already needs no reading. */
static bool take_known(struct snapshot_module *module, const struct module_table *old)
{
    for (size_t i = 0; i < old->count; i++) {
        const struct snapshot_module *known = &old->list[i];
        if (known->start != module->start || known->inode != module->inode ||
            known->device_major != module->device_major || known->device_minor != module->device_minor)
            continue;
        module->bias = known->bias;
        module->build_id_bytes = known->build_id_bytes;
        memcpy(module->build_id, known->build_id, sizeof module->build_id);
        module->flags |= known->flags & SNAPSHOT_TEXT_HASH;
        memcpy(module->text_hash, known->text_hash, sizeof module->text_hash);
        return true;
    }
    return false;
}

static uint32_t keep_path(struct module_table *table, const char *path, size_t length)
{
    if (length + 1 > sizeof table->paths - table->paths_length) return 0;
    uint32_t offset = (uint32_t)table->paths_length;
    memcpy(table->paths + offset, path, length);
    table->paths[offset + length] = '\0';
    table->paths_length += length + 1;
    return offset;
}

static void close_module(struct collecting *now)
{
    struct snapshot_module *module = &now->module;
    if (!now->open || !now->runs || (!take_known(module, now->old) && !read_headers(now))) {
        now->open = false;
        return;
    }
    now->open = false;
    if (now->table->count == FACTS_MODULES_MOST) {
        now->table->cut++;
        return;
    }
    size_t length = now->path_length, deleted = sizeof DELETED - 1;
    if (length > deleted && memcmp(now->path + length - deleted, DELETED, deleted) == 0) {
        module->flags |= SNAPSHOT_DELETED;
        length -= deleted;
    }
    if (length == strlen(now->executable) && memcmp(now->path, now->executable, length) == 0)
        module->flags |= SNAPSHOT_EXECUTABLE;
    if (now->path[0] == '[') {
        module->flags |= SNAPSHOT_VDSO;
        module->path = keep_path(now->table, VDSO_NAME, sizeof VDSO_NAME - 1);
    } else {
        module->path = keep_path(now->table, now->path, length);
    }
    now->table->list[now->table->count++] = *module;
}

static bool is_same_file(const struct collecting *now, const struct proc_map *map)
{
    return now->open && map->offset != 0 && map->inode == now->module.inode &&
           map->device_major == now->module.device_major && map->device_minor == now->module.device_minor &&
           map->path_length == now->path_length && memcmp(map->path, now->path, map->path_length) == 0;
}

static void add_map(struct collecting *now, const struct proc_map *map)
{
    bool is_vdso = map->path_length == sizeof VDSO - 1 && memcmp(map->path, VDSO, sizeof VDSO - 1) == 0;
    if (!is_vdso && (map->path_length == 0 || map->path[0] != '/')) return;
    if (is_same_file(now, map)) {
        now->module.end = map->end;
        now->runs |= map->executable;
        return;
    }
    close_module(now);
    if (map->offset != 0) return;
    now->module = (struct snapshot_module){.start = map->start,
                                           .end = map->end,
                                           .inode = map->inode,
                                           .device_major = map->device_major,
                                           .device_minor = map->device_minor};
    now->path = map->path;
    now->path_length = map->path_length;
    now->open = true;
    now->runs = map->executable;
    now->first_end = map->end;
}

void ccol__modules_from_maps(struct module_table *modules, pid_t pid, const char *maps, const char *executable,
                             struct facts_scratch *scratch)
{
    struct module_table *fresh = &scratch->modules;
    struct collecting now = {
        .table = fresh, .old = modules, .executable = executable, .pid = pid, .opens_files = !scratch->takes_no_memory};
    struct proc_map map;
    fresh->count = fresh->cut = 0;
    fresh->paths[0] = '\0';
    fresh->paths_length = 1;
    while (ccol__proc_map_next(&maps, &map))
        add_map(&now, &map);
    close_module(&now);
    if (fresh->count == 0) return; /* nothing could be read: what is known stays */
    memcpy(modules->list, fresh->list, fresh->count * sizeof fresh->list[0]);
    memcpy(modules->paths, fresh->paths, fresh->paths_length);
    modules->count = fresh->count;
    modules->cut = fresh->cut;
    modules->paths_length = fresh->paths_length;
    modules->read_at_us = ccol__clock_now_us();
}
