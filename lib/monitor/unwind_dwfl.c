/* SPDX-License-Identifier: MIT */
/* libdwfl on a copy: memory and registers come from the snapshot, modules from the files that were mapped, if they are
 * still the same by their build ids. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "base/auto.h"
#include "monitor/symbols.h"

#define VDSO_BYTES      ((size_t)8 << 10)
#define X86_64_COLUMNS  17
#define AARCH64_COLUMNS 32
#define ROOM_ABOVE_VDSO 4096

/* DWARF's column of each register of user_regs_struct that has one. */
static const struct {
    uint8_t column, place;
} x86_64_columns[X86_64_COLUMNS] = {{0, 10}, {1, 12}, {2, 11}, {3, 5},  {4, 13}, {5, 14}, {6, 4},  {7, 19}, {8, 9},
                                    {9, 8},  {10, 7}, {11, 6}, {12, 3}, {13, 2}, {14, 1}, {15, 0}, {16, 16}};

struct walk {
    struct unwinding *unwinding;
    const struct victim_thread *thread;
    struct frame_list *list;
    struct symbols *symbols; /* NULL: addresses only */
    bool popped;             /* the walk begins at the caller of a call to nowhere */
};

/* Whether the file is the one that was mapped. Without a build id in memory nobody can tell: then it is believed. */
static bool is_same_file(Elf *elf, const struct snapshot_module *module)
{
    const void *build_id;
    ssize_t bytes = dwelf_elf_gnu_build_id(elf, &build_id);
    if (module->build_id_bytes == 0) return bytes <= 0;
    return bytes == (ssize_t)module->build_id_bytes && memcmp(build_id, module->build_id, (size_t)bytes) == 0;
}

/* The vDSO has no file, but ours is the victim's if the kernel is the same. */
static int find_vdso(const struct snapshot_module *module, Elf **elf)
{
    char *image = (char *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (!image || module->end - module->start > VDSO_BYTES + ROOM_ABOVE_VDSO) return -1;
    *elf = elf_memory(image, module->end - module->start);
    if (*elf && is_same_file(*elf, module)) return -1; /* there is no descriptor, but an Elf */
    elf_end(*elf);
    *elf = NULL;
    return -1;
}

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **file_name, Elf **elf)
{
    const struct victim_module *module = *userdata;
    struct stat status;
    (void)mod;
    (void)name;
    (void)base;
    if (module->seen.flags & SNAPSHOT_VDSO) return find_vdso(&module->seen, elf);
    /* not to wait for a FIFO that took the file's place */
    auto_close int fd = open(module->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return -1;
    Elf *opened = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    bool same = opened && is_same_file(opened, &module->seen);
    elf_end(opened);
    if (!same) return -1;
    *file_name = strdup(module->path);
    int kept = fd;
    fd = -1;
    return kept;
}

/* What lies on this machine. libdwfl's own search would also ask the servers of DEBUGINFOD_URLS, for minutes. */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, const char *file_name,
                          const char *link, GElf_Word crc, char **found)
{
    int fd = dwfl_build_id_find_debuginfo(mod, userdata, name, base, file_name, link, crc, found);
    if (fd >= 0 || getenv("DEBUGINFOD_URLS")) return fd;
    return dwfl_standard_find_debuginfo(mod, userdata, name, base, file_name, link, crc, found);
}

static int no_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, const char *file_name,
                        const char *link, GElf_Word crc, char **found)
{
    (void)mod;
    (void)userdata;
    (void)name;
    (void)base;
    (void)file_name;
    (void)link;
    (void)crc;
    (void)found;
    return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *dwfl_arg, void **thread_arg)
{
    (void)dwfl;
    if (*thread_arg) return 0;
    struct walk *walk = dwfl_arg;
    *thread_arg = walk;
    return walk->thread->seen.tid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *dwfl_arg, void **thread_arg)
{
    (void)dwfl;
    struct walk *walk = dwfl_arg;
    *thread_arg = walk;
    return tid == walk->thread->seen.tid;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *dwfl_arg)
{
    (void)dwfl;
    const struct walk *walk = dwfl_arg;
    uint64_t word;
    if (!ccol__victim_read(walk->unwinding->victim, address, &word, sizeof word)) return false;
    *result = ccol__victim_return_address(walk->unwinding->victim, word);
    return true;
}

static bool set_x86_64(Dwfl_Thread *thread, const struct walk *walk, Dwarf_Word *columns)
{
    for (size_t i = 0; i < X86_64_COLUMNS; i++)
        columns[x86_64_columns[i].column] = walk->thread->seen.registers[x86_64_columns[i].place];
    if (walk->popped) { /* as if the call had returned */
        uint64_t sp = columns[7];
        if (!ccol__victim_read(walk->unwinding->victim, sp, &columns[16], sizeof columns[16])) return false;
        columns[7] = sp + sizeof(uint64_t);
    }
    return dwfl_thread_state_registers(thread, 0, X86_64_COLUMNS, columns);
}

static bool set_aarch64(Dwfl_Thread *thread, const struct walk *walk, Dwarf_Word *columns)
{
    const uint64_t *registers = walk->thread->seen.registers;
    for (size_t i = 0; i < AARCH64_COLUMNS; i++)
        columns[i] = registers[i];
    columns[AARCH64_LR] = ccol__victim_return_address(walk->unwinding->victim, registers[AARCH64_LR]);
    dwfl_thread_state_register_pc(thread, walk->popped ? columns[AARCH64_LR] : registers[AARCH64_PC]);
    return dwfl_thread_state_registers(thread, 0, AARCH64_COLUMNS, columns);
}

static bool set_registers(Dwfl_Thread *thread, void *thread_arg)
{
    const struct walk *walk = thread_arg;
    Dwarf_Word columns[AARCH64_COLUMNS];
    if (walk->unwinding->victim->machine == SNAPSHOT_X86_64) return set_x86_64(thread, walk, columns);
    return set_aarch64(thread, walk, columns);
}

/* Adds one address as all the frames that it stands for. */
static bool add_frames(struct walk *walk, uint64_t address, bool is_caller, enum frame_trust trust)
{
    const struct victim *victim = walk->unwinding->victim;
    size_t count = 1;
    struct frame frame = {.address = address,
                          .module = ccol__victim_module_at(victim, address - (is_caller && address > 0)),
                          .function = "",
                          .file = "",
                          .trust = trust};
    const struct frame *frames = &frame;
    if (walk->symbols) frames = ccol__symbols_find(walk->symbols, &frame, is_caller, &count);
    for (size_t i = 0; i < count; i++) {
        struct frame one = frames[i];
        one.trust = trust;
        if (!ccol__frame_list_add(walk->unwinding, walk->list, &one)) return false;
    }
    return true;
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
    struct walk *walk = arg;
    Dwarf_Addr pc;
    bool is_activation;
    if (!dwfl_frame_pc(state, &pc, &is_activation) || pc == 0) return DWARF_CB_ABORT;
    bool is_first = walk->list->count == 0;
    if (walk->popped && walk->list->count == 1) is_activation = false;
    return add_frames(walk, pc, !is_activation, is_first ? FRAME_CONTEXT : FRAME_CFI) ? DWARF_CB_OK : DWARF_CB_ABORT;
}

/* The callers by guessing, with their names. */
static void scan(struct walk *walk)
{
    struct frame_list guessed = {.most = walk->list->most};
    ccol__unwind_scan(walk->unwinding, walk->thread, &guessed);
    for (size_t i = 0; i < guessed.count; i++) {
        if (!add_frames(walk, guessed.frames[i].address, true, FRAME_SCAN)) return;
    }
}

static const Dwfl_Thread_Callbacks thread_callbacks = {.next_thread = next_thread,
                                                       .get_thread = get_thread,
                                                       .memory_read = read_memory,
                                                       .set_initial_registers = set_registers};

static void walk_thread(Dwfl *dwfl, struct walk *walk, bool attached)
{
    const struct victim *victim = walk->unwinding->victim;
    uint64_t ip = ccol__victim_ip(victim, walk->thread);
    if (!(walk->thread->seen.flags & SNAPSHOT_REGISTERS)) return;
    walk->popped = !ccol__victim_module_at(victim, ip);
    if (walk->popped && !add_frames(walk, ip, false, FRAME_CONTEXT)) return;
    if (attached) dwfl_getthread_frames(dwfl, walk->thread->seen.tid, on_frame, walk);
    if (walk->list->count == 0) add_frames(walk, ip, false, FRAME_CONTEXT);
    const struct frame_list *list = walk->list;
    if (list->count > 0 && list->frames[list->count - 1].trust == FRAME_CONTEXT) scan(walk); /* no caller was found */
}

static void report_modules(Dwfl *dwfl, const struct victim *victim)
{
    dwfl_report_begin(dwfl);
    for (size_t i = 0; i < victim->module_count; i++) {
        struct victim_module *module = &victim->modules[i];
        void **userdata;
        Dwfl_Module *mod = dwfl_report_module(dwfl, module->path, module->seen.start, module->seen.end);
        if (!mod) continue;
        dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
        *userdata = module;
    }
    dwfl_report_end(dwfl, NULL, NULL);
}

/* Tells of the modules that were in use but whose files are not there any more. */
static void note_missing(struct unwinding *unwinding, Dwfl *dwfl)
{
    unsigned missing = 0;
    const struct victim_module *first = NULL;
    for (size_t i = 0; i < unwinding->victim->module_count; i++) {
        const struct victim_module *module = &unwinding->victim->modules[i];
        Dwfl_Module *mod = dwfl_addrmodule(dwfl, module->seen.start);
        GElf_Addr bias;
        if (!mod || dwfl_module_getelf(mod, &bias)) continue;
        if (missing++ == 0) first = module;
    }
    if (missing)
        snprintf(unwinding->out->note, sizeof unwinding->out->note,
                 "modules whose files are gone or were replaced since: %u, the first is %s; frames in them have no "
                 "names and may be guessed",
                 missing, first->path);
}

static int walk_threads(struct unwinding *unwinding, Dwfl *dwfl, ccol_error *err)
{
    const struct victim *victim = unwinding->victim;
    struct walk walk = {.unwinding = unwinding};
    if (!unwinding->options.no_symbols) walk.symbols = ccol__symbols_new(unwinding, dwfl);
    bool attached = dwfl_attach_state(dwfl, NULL, victim->process.pid, &thread_callbacks, &walk);
    for (size_t i = 0; i < victim->thread_count; i++) {
        struct frame_list list = {.most = unwinding->options.frames_most_else};
        if (i == 0) list.most = unwinding->options.frames_most;
        walk.thread = &victim->threads[i];
        walk.list = &list;
        walk_thread(dwfl, &walk, attached);
        if (list.failed) return ccol_fail(err, -ENOMEM, "no memory for the stack traces");
        unwinding->out->threads[i] = (struct thread_frames){list.frames, list.count, list.cut};
    }
    note_missing(unwinding, dwfl);
    if (!unwinding->options.no_symbols && ccol__unwinding_is_late(unwinding))
        snprintf(unwinding->out->note, sizeof unwinding->out->note,
                 "looking up names took longer than %u ms: the rest are addresses", unwinding->options.deadline_ms);
    return 0;
}

int ccol__unwind_dwfl(struct unwinding *unwinding, ccol_error *err)
{
    auto_free char *debug_path = strdup(unwinding->options.debug_path);
    if (!debug_path) return ccol_fail(err, -ENOMEM, "no memory for the stack traces");
    const Dwfl_Callbacks callbacks = {.find_elf = find_elf,
                                      .find_debuginfo = unwinding->options.no_symbols ? no_debuginfo : find_debuginfo,
                                      .debuginfo_path = &debug_path};
    elf_version(EV_CURRENT); /* libelf wants to be told */
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (!dwfl) return ccol_fail(err, -ENOMEM, "no memory for the stack traces");
    report_modules(dwfl, unwinding->victim);
    int code = walk_threads(unwinding, dwfl, err);
    dwfl_end(dwfl);
    return code;
}
