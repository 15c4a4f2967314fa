/* SPDX-License-Identifier: MIT */
/* The keeper: the process that starts an app, watches it and survives it. One thread, no network, no allocation once it
 * runs. A program becomes the keeper by calling _run; a host with threads forks one (monitor/monitor.c). */
#ifndef CCOL_KEEPER_KEEPER_H
#define CCOL_KEEPER_KEEPER_H

#include <sys/types.h>

#include <crashcollect/error.h>

#include "keeper/handover.h"

enum output_policy {
    OUTPUT_AUTO = 0, /* stderr and terminals drop, all else blocks */
    OUTPUT_BLOCK,    /* the app waits for whoever reads its output, as it would without a keeper */
    OUTPUT_DROP      /* once its reader has taken nothing for stall_ms, the app waits no more: what finds no room is
                        counted and left out */
};

enum kill_stacks {
    KILL_STACKS_ALL = 0, /* every thread stops once when it ends: SIGKILL and OOM show all stacks */
    KILL_STACKS_MAIN,    /* only the main thread does */
    KILL_STACKS_OFF
};

/* What the shipper's process gets. The descriptors are open until it ends. */
struct keeper_shipper {
    int folder_fd, wake_fd; /* see handover.h */
    const char *instance;   /* name of the folder below DATA_DIR/monitor */
    unsigned starts;        /* 1: the first of this keeper */
};

/* 0 or NULL in any member means its default. What is pointed to must stay until ccol__keeper_free. */
struct keeper_options {
    char *const *argv;      /* required: program and arguments, NULL-terminated */
    char *const *envp;      /* default: environ */
    const char *data_dir;   /* required */
    const char *about;      /* text of about.json; default: {} */
    enum capture_mode mode; /* default CAPTURE_PTRACE */
    bool degrade;           /* take a lesser mode where this one does not work; else it is an error */
    const char *preload;    /* path of the library for CAPTURE_PRELOAD; NULL: there is none */
    bool pty, line_buffered;
    enum output_policy stdout_policy, stderr_policy;
    size_t output_bytes;     /* held for a slow reader, per stream; default 256 KiB */
    unsigned stall_ms;       /* of OUTPUT_DROP; default 1000 */
    uint64_t ring_bytes;     /* default 1 MiB */
    size_t snapshot_bytes;   /* default 4 MiB */
    size_t threads_most;     /* that are told apart; default 4096 */
    size_t processes_most;   /* default 256 */
    size_t stacks_most;      /* threads of one snapshot; default 1000 */
    unsigned snapshots_most; /* that wait for a shipper; later deaths are only counted; default 64 */
    unsigned freeze_ms;      /* longest wait for threads to stop; default 50 */
    unsigned linger_ms;      /* longest wait for the shipper and for slow output at the end; default 10000 */
    uint64_t signals;        /* bit N - 1: death by signal N is a crash; default: those that dump core, and SIGKILL */
    bool exits_are_crashes;  /* an exit status other than 0 is one too (of the main process) */
    bool wait_children;      /* stay until all children of the app are gone as well */
    bool no_cmdline;         /* leave the command line out of snapshots */
    enum kill_stacks kill_stacks;
    int oom_points; /* by how much the app's oom_score_adj is raised where the keeper's cannot be lowered; default 10,
                       negative: leave both alone */
    /* Runs in a process of its own, forked from the keeper, and started again when it dies; its result is its exit
     * status. NULL: somebody else ships, by ccol__keeper_wake_fd. */
    int (*shipper)(void *user, const struct keeper_shipper *shipper);
    void *shipper_user;
    int control_fd; /* a SOCK_SEQPACKET socket (control.h) or 0: none */
};

struct keeper;

/* Makes the hand-over folder and everything the keeper needs, but starts nothing. */
int ccol__keeper_new(struct keeper **out, const struct keeper_options *options, ccol_error *err);
/* Starts the app, watches it to its end and returns 0 with its wait status; the caller then dies likewise. On an error
 * *wait_status is 127 << 8 (no such program) or 126 << 8 where the app could not be executed, and -1 where it was not
 * tried. All signals are blocked when it returns. One call per keeper, in a process without other threads. */
int ccol__keeper_run(struct keeper *keeper, int *wait_status, ccol_error *err);
void ccol__keeper_free(struct keeper *keeper);
/* For a host that forked: the child's part, which runs the keeper and never returns, ... */
_Noreturn void ccol__keeper_run_in_child(struct keeper *keeper);
/* ... and the host's: it lets go of everything but the folder and the wake descriptor. */
void ccol__keeper_leave_to_child(struct keeper *keeper);
/* Frees one that never ran, and removes its folder. */
void ccol__keeper_discard(struct keeper *keeper);

/* The wake descriptor and folder for who ships; both are the keeper's. */
int ccol__keeper_wake_fd(const struct keeper *keeper);
int ccol__keeper_folder_fd(const struct keeper *keeper);
const char *ccol__keeper_instance(const struct keeper *keeper);

/* May this process trace a child and see it killed? 0, or -errno with the reason in err. Starts and ends a child. */
int ccol__keeper_probe(ccol_error *err);

#endif
