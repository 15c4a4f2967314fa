/* SPDX-License-Identifier: MIT */
/* The snapshot of a dying process, as the keeper writes it and the shipper reads it.
 *
 * A file is a struct snapshot_header at 0, a table of section_count struct snapshot_section at section_offset, and the
 * sections' bytes, each at a multiple of 8. All numbers are little-endian; struct layouts are those below, without
 * hidden padding. A reader skips section types it does not know, and takes of a section with fixed-size entries
 * (PROCESS, REASON, THREADS, FAULTS, MODULES, OOM) `stride` bytes per entry: entries may grow at their end.
 *
 * Which sections are there depends on how the process died: REASON and PROCESS always; THREADS and their MEMORY unless
 * mode is CAPTURE_WAIT or nothing could be read; the texts from /proc unless the process had to be let go at once.
 * What is missing because something failed has a line in ERRORS. */
#ifndef CCOL_KEEPER_SNAPSHOT_H
#define CCOL_KEEPER_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_MAGIC         "ccolsnap"
#define SNAPSHOT_VERSION       1
#define SNAPSHOT_SECTIONS_MAX  16384
#define SNAPSHOT_REGISTERS_MAX 34
#define SNAPSHOT_SIGINFO_BYTES 128

enum snapshot_machine { SNAPSHOT_X86_64 = 62, SNAPSHOT_AARCH64 = 183 }; /* ELF's numbers */

struct snapshot_header {
    char magic[8];
    uint32_t version, header_bytes; /* SNAPSHOT_VERSION, sizeof(struct snapshot_header) */
    uint64_t total_bytes;           /* of the file */
    uint64_t section_offset;
    uint32_t section_count, section_bytes; /* sizeof(struct snapshot_section) */
    uint16_t machine, reserved[3];
    int64_t captured_at_us; /* all times: microseconds since 1970-01-01 UTC */
    uint64_t sequence;      /* number of the file */
};

enum snapshot_type {
    SNAPSHOT_REASON = 1,   /* one struct snapshot_reason */
    SNAPSHOT_PROCESS = 2,  /* one struct snapshot_process */
    SNAPSHOT_THREADS = 3,  /* struct snapshot_thread[], the crashed one first */
    SNAPSHOT_FAULTS = 4,   /* struct snapshot_fault[]: the last fault that the app caught itself, by thread */
    SNAPSHOT_FP = 5,       /* id: tid. x86-64: 512 bytes of FXSAVE; aarch64: 528 bytes, struct user_fpsimd_state */
    SNAPSHOT_MEMORY = 6,   /* id: tid whose stack it is, 0: other memory. address: where it was */
    SNAPSHOT_MODULES = 7,  /* struct snapshot_module[], by address, the executable marked */
    SNAPSHOT_STRINGS = 8,  /* what offsets of names point into; NUL-terminated, offset 0 is "" */
    SNAPSHOT_MAPS = 9,     /* /proc/PID/maps, cut at a line's end if it was too long */
    SNAPSHOT_STATUS = 10,  /* /proc/PID/status */
    SNAPSHOT_LIMITS = 11,  /* /proc/PID/limits */
    SNAPSHOT_CGROUP = 12,  /* /proc/PID/cgroup */
    SNAPSHOT_AUXV = 13,    /* /proc/PID/auxv: pairs of 64-bit numbers */
    SNAPSHOT_CMDLINE = 14, /* /proc/PID/cmdline, arguments with NUL between; only where it may be reported */
    SNAPSHOT_STDIO = 15,   /* id 1 stdout, 2 stderr: bytes that were written by stdio and not flushed */
    SNAPSHOT_OOM = 16,     /* one struct snapshot_oom */
    SNAPSHOT_ERRORS = 17,  /* lines of text: what is missing here and why */
    SNAPSHOT_CAPTURE = 18, /* struct capture_crash of the in-app handler (capture/wire.h) */
    SNAPSHOT_NOTES = 19    /* what the process told of itself while it ran (capture/notes.h) */
};

struct snapshot_section {
    uint32_t type, id;
    uint64_t address; /* MEMORY: where in the process */
    uint64_t offset, bytes;
    uint32_t stride; /* bytes of one entry; 0 for plain bytes */
    uint32_t reserved;
};

enum snapshot_event {
    SNAPSHOT_FATAL_SIGNAL = 1, /* stopped by a signal that was about to end it: all of it was readable */
    SNAPSHOT_KILLED = 2,       /* ended by a signal without a stop before: SIGKILL, OOM, seccomp */
    SNAPSHOT_EXITED = 3,       /* exit status that counts as a crash */
    SNAPSHOT_HANDED_OVER = 4,  /* the in-app handler called; threads are there if the keeper could attach */
    SNAPSHOT_WAITED = 5        /* only the wait status is known */
};

enum snapshot_reason_flags {
    SNAPSHOT_MAIN_PROCESS = 1, /* the process that was started, not a child of it */
    SNAPSHOT_KILL_ASKED = 2,   /* the signal came through the keeper: somebody asked for this death */
    SNAPSHOT_LET_GO = 4,       /* let go right after stacks and registers: modules and texts are from before */
    SNAPSHOT_SAME_CGROUP = 8,  /* keeper and process are in one memory cgroup */
    SNAPSHOT_SIGINFO = 16,     /* siginfo is the kernel's */
    SNAPSHOT_SECCOMP_KILL = 32 /* ended by SIGSYS without a stop: a seccomp filter with KILL */
};

struct snapshot_reason {
    uint32_t event; /* enum snapshot_event */
    uint32_t flags;
    uint32_t mode;                      /* enum capture_mode */
    int32_t wait_status;                /* as waitpid gives it: known, or to be expected from the signal */
    int32_t signal;                     /* 0: none */
    int32_t tid;                        /* crashed thread; 0: not known (SIGKILL) */
    uint32_t thread_count, threads_cut; /* seen, and left out of THREADS because of a limit */
    int64_t happened_at_us;
    uint64_t held_us;  /* how long the app was stopped for this */
    uint64_t log_head; /* head of the log ring then */
    uint8_t siginfo[SNAPSHOT_SIGINFO_BYTES];
};

struct snapshot_process {
    int32_t pid, parent, group, session;
    uint32_t uid, gid;
    int32_t oom_score_adj;
    uint32_t executable; /* offsets in STRINGS */
    uint32_t name;       /* /proc/PID/comm */
    uint32_t reserved;
    int64_t started_at_us;
    uint64_t arg_start, arg_end, env_start, env_end; /* these bytes are cut out of (zeroed in) every MEMORY */
    uint64_t stack_start;                            /* of the main thread: above it lie the strings of exec */
    uint64_t at_random, at_sysinfo_ehdr, at_entry, at_phdr;
};

enum snapshot_thread_flags {
    SNAPSHOT_CRASHED = 1,
    SNAPSHOT_REGISTERS = 2,     /* registers, pc and sp are there */
    SNAPSHOT_STACK_OVERFLOW = 4 /* the fault's address lies just below this thread's stack, or sp in its guard */
};

struct snapshot_thread {
    int32_t tid;
    uint32_t flags;
    char name[16];
    uint64_t pc, sp;
    uint64_t stack_low, stack_high; /* mapping that holds sp, or the first above a guard; 0: not known */
    /* As struct user_regs_struct of x86-64: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs
     * eflags rsp ss fs_base gs_base ds es fs gs; of aarch64: x0..x30 sp pc pstate. The rest is 0. */
    uint64_t registers[SNAPSHOT_REGISTERS_MAX];
};

struct snapshot_fault {
    int32_t tid, signal;
    int64_t at_us;
    uint8_t siginfo[SNAPSHOT_SIGINFO_BYTES];
    uint64_t registers[SNAPSHOT_REGISTERS_MAX];
};

enum snapshot_module_flags { SNAPSHOT_EXECUTABLE = 1, SNAPSHOT_VDSO = 2, SNAPSHOT_DELETED = 4, SNAPSHOT_TEXT_HASH = 8 };

struct snapshot_module {
    uint64_t start, end; /* of all its mappings */
    uint64_t bias;       /* to add to the file's virtual addresses */
    uint64_t inode;
    uint32_t path; /* offset in STRINGS; "linux-vdso.so.1" for the vDSO */
    uint32_t flags;
    uint32_t device_major, device_minor;
    uint32_t build_id_bytes;
    uint8_t build_id[32]; /* read from memory, so right also for replaced files */
    uint32_t reserved;
    uint8_t text_hash[16]; /* with SNAPSHOT_TEXT_HASH: there is no build id, but this (keeper/text_hash.h) */
};

enum snapshot_oom_source { SNAPSHOT_OOM_NONE = 0, SNAPSHOT_OOM_CGROUP1 = 1, SNAPSHOT_OOM_CGROUP2 = 2 };

/* UINT64_MAX: could not be read, or no limit. */
struct snapshot_oom {
    uint32_t source;                              /* enum snapshot_oom_source: where kills_before and _after are from */
    uint32_t path;                                /* the memory cgroup's folder, offset in STRINGS */
    uint64_t kills_before, kills_after;           /* oom_kill of that cgroup: at start (or the last death), and now */
    uint64_t limit, usage, peak;                  /* bytes, of that cgroup; usage is read after the death */
    uint64_t host_kills_before, host_kills_after; /* oom_kill of /proc/vmstat: any process of the host */
    uint64_t group_kills_before, group_kills_after; /* oom_group_kill of cgroup v2 */
    int64_t read_at_us;
};

_Static_assert(sizeof(struct snapshot_header) == 64 && sizeof(struct snapshot_section) == 40, "no hidden padding");
_Static_assert(sizeof(struct snapshot_reason) == 184 && sizeof(struct snapshot_process) == 120, "no hidden padding");
_Static_assert(sizeof(struct snapshot_thread) == 328 && sizeof(struct snapshot_fault) == 416, "no hidden padding");
_Static_assert(sizeof(struct snapshot_module) == 104 && sizeof(struct snapshot_oom) == 88, "no hidden padding");

/* A snapshot in memory whose header and table were checked: every section lies inside it. Borrows the bytes, which
 * must be aligned to 8. */
struct snapshot_view {
    const char *bytes;
    size_t length;
    const struct snapshot_header *header;
    const struct snapshot_section *sections;
};

/* 0, or CCOL_EFORMAT with *cause saying what is wrong with it. Whatever the bytes are, no read leaves them. */
int ccol__snapshot_view_init(struct snapshot_view *view, const void *bytes, size_t length, const char **cause);
/* The section of that type and id (UINT32_MAX: any) after `after` (NULL: the first), or NULL. */
const struct snapshot_section *ccol__snapshot_find(const struct snapshot_view *view, enum snapshot_type type,
                                                   uint32_t id, const struct snapshot_section *after);
/* Bytes of a section (never NULL for one of this view). */
const void *ccol__snapshot_bytes(const struct snapshot_view *view, const struct snapshot_section *section);
/* Number of entries of a section with fixed-size ones, and a copy of the index-th: as much of it as both sides know,
 * the rest of out zeroed. size is that of the reader's struct. */
size_t ccol__snapshot_count(const struct snapshot_section *section);
void ccol__snapshot_entry(const struct snapshot_view *view, const struct snapshot_section *section, size_t index,
                          void *out, size_t size);
/* A name of STRINGS; "" for an offset that is none. */
const char *ccol__snapshot_string(const struct snapshot_view *view, uint32_t offset);

#endif
