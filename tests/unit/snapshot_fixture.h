/* SPDX-License-Identifier: MIT */
/* Snapshots for tests of what reads them: of a real crash in this very process, seen from a signal handler, or made up.
 */
#ifndef CCOL_TESTS_SNAPSHOT_FIXTURE_H
#define CCOL_TESTS_SNAPSHOT_FIXTURE_H

#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"
#include "keeper/handover.h"
#include "keeper/snapshot_build.h"

#define SNAPSHOT_ROOM     ((size_t)4 << 20)
#define SNAPSHOT_SECTIONS 4096
#define SNAPSHOT_STACK    ((size_t)64 << 10)

static struct snapshot_build snapshot_fixture;
static sigjmp_buf snapshot_back;
static struct {
    struct snapshot_thread thread;
    siginfo_t info;
    char stack[SNAPSHOT_STACK];
    uint64_t stack_address, code_address;
    size_t stack_bytes;
    char code[256];
    pid_t tid;
} snapshot_seen;

static inline struct snapshot_build *snapshot_begin(void)
{
    if (!snapshot_fixture.memory) REQUIRE(ccol__build_init(&snapshot_fixture, SNAPSHOT_ROOM, SNAPSHOT_SECTIONS) == 0);
    ccol__build_start(&snapshot_fixture);
    return &snapshot_fixture;
}

static inline void snapshot_add(enum snapshot_type type, uint32_t id, const void *bytes, size_t length, size_t stride)
{
    REQUIRE(ccol__build_add(&snapshot_fixture, type, id, bytes, length, (uint32_t)stride));
}

static inline void snapshot_add_memory(uint32_t id, uint64_t address, const void *bytes, size_t length)
{
    char *room = ccol__build_reserve(&snapshot_fixture, length);
    REQUIRE(room);
    memcpy(room, bytes, length);
    ccol__build_keep(&snapshot_fixture, SNAPSHOT_MEMORY, id, address, length, 0);
}

#if defined(__x86_64__)
static inline void snapshot_registers(struct snapshot_thread *thread, const mcontext_t *at)
{
    static const int places[] = {REG_R15, REG_R14, REG_R13, REG_R12, REG_RBP, REG_RBX, REG_R11,
                                 REG_R10, REG_R9,  REG_R8,  REG_RAX, REG_RCX, REG_RDX, REG_RSI,
                                 REG_RDI, -1,      REG_RIP, -1,      REG_EFL, REG_RSP};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        thread->registers[i] = places[i] < 0 ? 0 : (uint64_t)at->gregs[places[i]];
    thread->sp = (uint64_t)at->gregs[REG_RSP];
    thread->pc = (uint64_t)at->gregs[REG_RIP];
}
#else
static inline void snapshot_registers(struct snapshot_thread *thread, const mcontext_t *at)
{
    for (size_t i = 0; i < 31; i++)
        thread->registers[i] = at->regs[i];
    thread->registers[31] = thread->sp = at->sp;
    thread->registers[32] = thread->pc = at->pc;
    thread->registers[33] = at->pstate;
}
#endif

__attribute__((no_sanitize("address"))) static inline void snapshot_on_fault(int number, siginfo_t *info, void *context)
{
    const ucontext_t *at = context;
    (void)number;
    memset(&snapshot_seen.thread, 0, sizeof snapshot_seen.thread);
    snapshot_registers(&snapshot_seen.thread, &at->uc_mcontext);
    uint64_t sp = snapshot_seen.thread.sp, pc = snapshot_seen.thread.pc;
    snapshot_seen.thread.flags = SNAPSHOT_CRASHED | SNAPSHOT_REGISTERS;
    snapshot_seen.tid = snapshot_seen.thread.tid = (int32_t)syscall(SYS_gettid);
    snapshot_seen.info = *info;
    snapshot_seen.stack_address = sp - 128;
    snapshot_seen.stack_bytes = SNAPSHOT_STACK;
    struct iovec here = {snapshot_seen.stack, SNAPSHOT_STACK}, there = {(void *)(sp - 128), SNAPSHOT_STACK};
    ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
    snapshot_seen.stack_bytes = got > 0 ? (size_t)got : 0;
    struct iovec code = {snapshot_seen.code, 256}, from = {(void *)(pc - 128), 256};
    snapshot_seen.code_address = process_vm_readv(getpid(), &code, 1, &from, 1, 0) == 256 ? pc - 128 : 0;
    siglongjmp(snapshot_back, 1);
}

static inline size_t snapshot_build_id(const struct dl_phdr_info *info, uint8_t *out, size_t most)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_NOTE) continue;
        const char *at = (const char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
                   *end = at + info->dlpi_phdr[i].p_memsz;
        while (at + sizeof(ElfW(Nhdr)) < end) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof note);
            const char *name = at + sizeof note, *value = name + ((note.n_namesz + 3) & ~3u);
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz <= most) {
                memcpy(out, value, note.n_descsz);
                return note.n_descsz;
            }
            at = value + ((note.n_descsz + 3) & ~3u);
        }
    }
    return 0;
}

struct snapshot_modules {
    struct snapshot_module list[64];
    size_t count;
};

static inline int snapshot_on_module(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    struct snapshot_modules *modules = user;
    struct snapshot_module *module = &modules->list[modules->count];
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD) continue;
        if (header->p_vaddr < least) least = header->p_vaddr;
        if (header->p_vaddr + header->p_memsz > most) most = header->p_vaddr + header->p_memsz;
    }
    if (modules->count == 64 || least > most) return 0;
    char executable[256] = "";
    if (modules->count == 0 && readlink("/proc/self/exe", executable, sizeof executable - 1) < 0) return 0;
    *module = (struct snapshot_module){.start = info->dlpi_addr + (least & ~UINT64_C(4095)),
                                       .end = (info->dlpi_addr + most + 4095) & ~UINT64_C(4095),
                                       .bias = info->dlpi_addr,
                                       .flags = modules->count == 0 ? SNAPSHOT_EXECUTABLE : 0};
    if (strstr(info->dlpi_name, "vdso")) module->flags |= SNAPSHOT_VDSO;
    module->path = ccol__build_string(&snapshot_fixture, modules->count == 0 ? executable : info->dlpi_name);
    module->build_id_bytes = (uint32_t)snapshot_build_id(info, module->build_id, sizeof module->build_id);
    modules->count++;
    return 0;
}

/* What else the next snapshot is to have, once. */
static void (*snapshot_more)(void);

/* Calls crash(), which must fault, and makes a snapshot of the moment; its length goes to *length. */
static inline const void *snapshot_of(void (*crash)(void), size_t *length)
{
    static char alternate[1 << 16];
    struct sigaction action = {.sa_sigaction = snapshot_on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, old_stack;
    REQUIRE(sigaltstack(&stack, &old_stack) == 0 && sigaction(SIGSEGV, &action, &old) == 0);
    if (sigsetjmp(snapshot_back, 1) == 0) crash();
    REQUIRE(sigaction(SIGSEGV, &old, NULL) == 0 && sigaltstack(&old_stack, NULL) == 0);

    static struct snapshot_modules modules;
    modules.count = 0;
    struct snapshot_build *build = snapshot_begin();
    struct snapshot_reason reason = {.event = SNAPSHOT_FATAL_SIGNAL,
                                     .flags = SNAPSHOT_MAIN_PROCESS | SNAPSHOT_SIGINFO,
                                     .mode = CAPTURE_PTRACE,
                                     .wait_status = SIGSEGV,
                                     .signal = SIGSEGV,
                                     .tid = snapshot_seen.tid,
                                     .thread_count = 1,
                                     .happened_at_us = INT64_C(1790000000000000)};
    memcpy(reason.siginfo, &snapshot_seen.info, sizeof reason.siginfo);
    struct snapshot_process process = {.pid = getpid(), .executable = ccol__build_string(build, "/bin/victim")};
    process.name = ccol__build_string(build, "victim");
    snprintf(snapshot_seen.thread.name, sizeof snapshot_seen.thread.name, "leaf_thread");
    snapshot_add(SNAPSHOT_REASON, 0, &reason, sizeof reason, sizeof reason);
    snapshot_add(SNAPSHOT_PROCESS, 0, &process, sizeof process, sizeof process);
    snapshot_add(SNAPSHOT_THREADS, 0, &snapshot_seen.thread, sizeof snapshot_seen.thread, sizeof snapshot_seen.thread);
    snapshot_add_memory((uint32_t)snapshot_seen.tid, snapshot_seen.stack_address, snapshot_seen.stack,
                        snapshot_seen.stack_bytes);
    if (snapshot_seen.code_address) snapshot_add_memory(0, snapshot_seen.code_address, snapshot_seen.code, 256);
    dl_iterate_phdr(snapshot_on_module, &modules);
    snapshot_add(SNAPSHOT_MODULES, 0, modules.list, modules.count * sizeof modules.list[0], sizeof modules.list[0]);
    if (snapshot_more) snapshot_more();
    snapshot_more = NULL;
    *length = ccol__build_finish(build, 1, reason.happened_at_us);
    return build->memory;
}

#endif
