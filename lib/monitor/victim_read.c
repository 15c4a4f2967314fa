/* SPDX-License-Identifier: MIT */
/* From a snapshot's sections to a victim. The view has checked that sections lie inside the file; what they say is
 * believed in nothing. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/victim.h"

#define ANY_ID       UINT32_MAX
#define THREADS_MOST 65536
#define MODULES_MOST 65536
#define SIGINFO_CODE 8 /* offsets in the kernel's siginfo_t of 64-bit machines */
#define SIGINFO_ADDR 16

static struct victim_text section_text(const struct snapshot_view *view, enum snapshot_type type, uint32_t id)
{
    const struct snapshot_section *section = ccol__snapshot_find(view, type, id, NULL);
    if (!section) return (struct victim_text){0};
    return (struct victim_text){ccol__snapshot_bytes(view, section), (size_t)section->bytes};
}

static bool first_entry(const struct snapshot_view *view, enum snapshot_type type, void *out, size_t size)
{
    const struct snapshot_section *section = ccol__snapshot_find(view, type, ANY_ID, NULL);
    if (!section || ccol__snapshot_count(section) == 0) return false;
    ccol__snapshot_entry(view, section, 0, out, size);
    return true;
}

static int read_threads(struct victim *victim, const struct snapshot_view *view)
{
    const struct snapshot_section *section = ccol__snapshot_find(view, SNAPSHOT_THREADS, ANY_ID, NULL);
    size_t count = section ? ccol__snapshot_count(section) : 0;
    if (count > THREADS_MOST) count = THREADS_MOST;
    if (count == 0) return 0;
    victim->threads = calloc(count, sizeof *victim->threads);
    if (!victim->threads) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct victim_thread *thread = &victim->threads[i];
        ccol__snapshot_entry(view, section, i, &thread->seen, sizeof thread->seen);
        memcpy(thread->name, thread->seen.name, sizeof thread->seen.name);
        if (thread->seen.flags & SNAPSHOT_CRASHED && !victim->crashed_tid) victim->crashed_tid = thread->seen.tid;
    }
    victim->thread_count = count;
    return 0;
}

static struct victim_thread *find_thread(struct victim *victim, uint32_t tid)
{
    for (size_t i = 0; i < victim->thread_count; i++) {
        if ((uint32_t)victim->threads[i].seen.tid == tid) return &victim->threads[i];
    }
    return NULL;
}

static void read_thread_parts(struct victim *victim, const struct snapshot_view *view)
{
    const struct snapshot_section *section = NULL;
    size_t next = 0; /* they mostly come in the order of the threads */
    while ((section = ccol__snapshot_find(view, SNAPSHOT_FP, ANY_ID, section))) {
        struct victim_thread *thread = next < victim->thread_count ? &victim->threads[next] : NULL;
        if (!thread || (uint32_t)thread->seen.tid != section->id) thread = find_thread(victim, section->id);
        if (!thread) continue;
        thread->floats = (struct victim_text){ccol__snapshot_bytes(view, section), (size_t)section->bytes};
        next = (size_t)(thread - victim->threads) + 1;
    }
    section = ccol__snapshot_find(view, SNAPSHOT_FAULTS, ANY_ID, NULL);
    size_t count = section ? ccol__snapshot_count(section) : 0;
    for (size_t i = 0; i < count && i < THREADS_MOST; i++) {
        struct snapshot_fault fault;
        ccol__snapshot_entry(view, section, i, &fault, sizeof fault);
        struct victim_thread *thread = find_thread(victim, (uint32_t)fault.tid);
        if (!thread) continue;
        thread->fault = fault;
        thread->has_fault = true;
    }
}

static int read_modules(struct victim *victim, const struct snapshot_view *view)
{
    const struct snapshot_section *section = ccol__snapshot_find(view, SNAPSHOT_MODULES, ANY_ID, NULL);
    size_t count = section ? ccol__snapshot_count(section) : 0;
    if (count > MODULES_MOST) count = MODULES_MOST;
    if (count == 0) return 0;
    victim->modules = calloc(count, sizeof *victim->modules);
    if (!victim->modules) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct victim_module *module = &victim->modules[victim->module_count];
        ccol__snapshot_entry(view, section, i, &module->seen, sizeof module->seen);
        if (module->seen.end <= module->seen.start) continue;
        if (module->seen.build_id_bytes > sizeof module->seen.build_id) module->seen.build_id_bytes = 0;
        module->path = ccol__snapshot_string(view, module->seen.path);
        victim->module_count++;
        victim->address_bits |= module->seen.end;
    }
    for (unsigned shift = 1; shift < 64; shift *= 2)
        victim->address_bits |= victim->address_bits >> shift;
    return 0;
}

static int by_address(const void *a, const void *b)
{
    const struct victim_memory *left = a, *right = b;
    if (left->address != right->address) return left->address < right->address ? -1 : 1;
    return left->length < right->length ? 1 : left->length > right->length ? -1 : 0;
}

/* Cuts from each what the ones before it hold. */
static void remove_overlaps(struct victim_memories *memories)
{
    uint64_t end = 0;
    size_t kept = 0;
    for (size_t i = 0; i < memories->count; i++) {
        struct victim_memory memory = memories->list[i];
        if (memory.address < end) {
            uint64_t cut = end - memory.address;
            if (cut >= memory.length) continue;
            memory.address += cut;
            memory.bytes += cut;
            memory.length -= cut;
        }
        end = memory.address + memory.length;
        memories->list[kept++] = memory;
    }
    memories->count = kept;
}

static int read_memories(struct victim_memories *memories, const struct snapshot_view *view)
{
    const struct snapshot_section *section = NULL;
    size_t count = 0;
    while ((section = ccol__snapshot_find(view, SNAPSHOT_MEMORY, ANY_ID, section)))
        count++;
    if (count == 0) return 0;
    memories->list = calloc(count, sizeof *memories->list);
    if (!memories->list) return -ENOMEM;
    while ((section = ccol__snapshot_find(view, SNAPSHOT_MEMORY, ANY_ID, section))) {
        if (section->bytes == 0 || section->address > UINT64_MAX - section->bytes) continue;
        memories->list[memories->count++] =
            (struct victim_memory){section->address, (size_t)section->bytes, ccol__snapshot_bytes(view, section)};
    }
    qsort(memories->list, memories->count, sizeof *memories->list, by_address);
    remove_overlaps(memories);
    return 0;
}

static void read_siginfo(struct victim *victim)
{
    int code;
    if (!(victim->reason.flags & SNAPSHOT_SIGINFO) || victim->reason.signal == SIGKILL) return;
    memcpy(&code, victim->reason.siginfo + SIGINFO_CODE, sizeof code);
    victim->code = code;
    victim->has_code = true;
    int number = victim->reason.signal;
    bool is_fault = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP;
    if (!is_fault || code <= 0 || code == SI_KERNEL) return; /* sent by somebody, or an address the CPU did not tell */
    memcpy(&victim->address, victim->reason.siginfo + SIGINFO_ADDR, sizeof victim->address);
    victim->has_address = true;
}

static void read_texts(struct victim *victim, const struct snapshot_view *view)
{
    victim->maps = section_text(view, SNAPSHOT_MAPS, ANY_ID);
    victim->status = section_text(view, SNAPSHOT_STATUS, ANY_ID);
    victim->limits = section_text(view, SNAPSHOT_LIMITS, ANY_ID);
    victim->cgroup = section_text(view, SNAPSHOT_CGROUP, ANY_ID);
    victim->auxv = section_text(view, SNAPSHOT_AUXV, ANY_ID);
    victim->command = section_text(view, SNAPSHOT_CMDLINE, ANY_ID);
    victim->errors = section_text(view, SNAPSHOT_ERRORS, ANY_ID);
    for (uint32_t i = 0; i < VICTIM_STDIO_STREAMS; i++)
        victim->unflushed[i] = section_text(view, SNAPSHOT_STDIO, i + 1);
}

int ccol__victim_read_snapshot(struct victim *victim, const void *bytes, size_t length, ccol_error *err)
{
    struct snapshot_view view;
    const char *cause = "";
    *victim = (struct victim){.executable = "", .name = "", .oom_path = ""};
    if (ccol__snapshot_view_init(&view, bytes, length, &cause) != 0)
        return ccol_fail(err, CCOL_EFORMAT, "no usable snapshot: %s", cause);
    victim->machine = (enum snapshot_machine)view.header->machine;
    if (victim->machine != SNAPSHOT_X86_64 && victim->machine != SNAPSHOT_AARCH64)
        return ccol_fail(err, CCOL_EFORMAT, "no usable snapshot: of a machine of kind %u", view.header->machine);
    if (!first_entry(&view, SNAPSHOT_REASON, &victim->reason, sizeof victim->reason) ||
        !first_entry(&view, SNAPSHOT_PROCESS, &victim->process, sizeof victim->process))
        return ccol_fail(err, CCOL_EFORMAT, "no usable snapshot: it does not tell the process and how it ended");
    victim->executable = ccol__snapshot_string(&view, victim->process.executable);
    victim->name = ccol__snapshot_string(&view, victim->process.name);
    victim->crashed_tid = victim->reason.tid;
    victim->has_oom = first_entry(&view, SNAPSHOT_OOM, &victim->oom, sizeof victim->oom);
    if (victim->has_oom) victim->oom_path = ccol__snapshot_string(&view, victim->oom.path);
    read_siginfo(victim);
    read_texts(victim, &view);
    int code = read_threads(victim, &view);
    if (!code) code = read_modules(victim, &view);
    if (!code) code = read_memories(&victim->memories, &view);
    if (code) return ccol_fail(err, code, "cannot read the snapshot");
    read_thread_parts(victim, &view);
    return 0;
}

void ccol__victim_fini(struct victim *victim)
{
    free(victim->threads);
    free(victim->modules);
    free(victim->memories.list);
    *victim = (struct victim){0};
}
