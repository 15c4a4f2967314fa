/* SPDX-License-Identifier: MIT */
/* A process that ended, as far as a snapshot (keeper/snapshot.h) holds it: checked, sorted, without overlaps. */
#ifndef CCOL_MONITOR_VICTIM_H
#define CCOL_MONITOR_VICTIM_H

#include <crashcollect/error.h>

#include "keeper/snapshot.h"

/* Places in struct snapshot_thread's registers. */
enum { X86_64_RBP = 4, X86_64_RIP = 16, X86_64_RSP = 19 };
enum { AARCH64_FP = 29, AARCH64_LR = 30, AARCH64_SP = 31, AARCH64_PC = 32 };

#define VICTIM_STDIO_STREAMS 2 /* stdout, stderr */

struct victim_text {
    const char *data; /* not NUL-terminated; NULL: not there */
    size_t length;
};

struct victim_memory {
    uint64_t address;
    size_t length;
    const uint8_t *bytes;
};

struct victim_thread {
    struct snapshot_thread seen;
    char name[17];
    struct victim_text floats; /* FXSAVE image or user_fpsimd_state */
    bool has_fault;
    struct snapshot_fault fault; /* the last one that the app caught itself on this thread */
};

struct victim_module {
    struct snapshot_module seen;
    const char *path; /* NUL-terminated, never NULL */
};

struct victim_memories {
    struct victim_memory *list; /* in order of address, none overlaps another */
    size_t count;
};

/* Texts point into the snapshot's bytes, which must outlive this. */
struct victim {
    enum snapshot_machine machine;
    struct snapshot_reason reason;
    struct snapshot_process process;
    struct snapshot_oom oom;
    bool has_oom;
    const char *executable, *name, *oom_path; /* NUL-terminated, never NULL */
    int32_t crashed_tid;                      /* 0: no thread stands out */
    int code;                                 /* si_code; with has_code */
    uint64_t address;                         /* of the fault; with has_address */
    bool has_code, has_address;
    struct victim_thread *threads; /* the crashed one first */
    size_t thread_count;
    struct victim_module *modules; /* by address */
    size_t module_count;
    uint64_t address_bits; /* every bit that an address in a module may have set */
    struct victim_memories memories;
    struct victim_text maps, status, limits, cgroup, auxv, command, errors;
    struct victim_text unflushed[VICTIM_STDIO_STREAMS];
};

/* Reads a whole snapshot, which must be aligned to 8 and outlive the victim. CCOL_EFORMAT: it is none, with the cause;
 * -ENOMEM. */
int ccol__victim_read_snapshot(struct victim *victim, const void *bytes, size_t length, ccol_error *err);
void ccol__victim_fini(struct victim *victim);

/* The thread's instruction and stack pointer; 0 where its registers are not known. */
uint64_t ccol__victim_ip(const struct victim *victim, const struct victim_thread *thread);
uint64_t ccol__victim_sp(const struct victim *victim, const struct victim_thread *thread);
/* The thread that crashed, or NULL. */
const struct victim_thread *ccol__victim_crashed(const struct victim *victim);
/* The module that holds the address, or NULL. */
const struct victim_module *ccol__victim_module_at(const struct victim *victim, uint64_t address);
/* A word that may be a return address, as the address it stands for: aarch64 signs them in bits that no address uses
 * (pointer authentication). A word that leads to no module either way is given back as it is. */
uint64_t ccol__victim_return_address(const struct victim *victim, uint64_t word);
/* Copies bytes of the victim's memory; false: the snapshot does not hold all of them. */
bool ccol__victim_read(const struct victim *victim, uint64_t address, void *out, size_t length);
/* The memory that holds the address or, within `reach` above it, begins; NULL: none. */
const struct victim_memory *ccol__victim_memory_at(const struct victim *victim, uint64_t address, uint64_t reach);

#endif
