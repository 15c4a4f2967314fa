/* SPDX-License-Identifier: MIT */
#ifndef CCOL_KEEPER_KEEPER_PRIVATE_H
#define CCOL_KEEPER_KEEPER_PRIVATE_H

#include <signal.h>

#include "capture/wire.h"
#include "keeper/courier.h"
#include "keeper/folder.h"
#include "keeper/keeper.h"
#include "keeper/oom.h"
#include "keeper/output.h"
#include "keeper/ring.h"
#include "keeper/snapshot_build.h"
#include "keeper/tracee.h"
#include "keeper/tracees.h"

#define FAULTS_KEPT 64

/* The shipper's process. */
struct shipper_process {
    pid_t pid; /* 0: none */
    uint64_t started_ms, start_at_ms;
    unsigned starts, quick_ends;
    bool done; /* it ended well after the app did: nothing is left to be shipped */
};

struct keeper {
    struct keeper_options options;
    struct handover_folder folder;
    struct handover_state *state;
    struct ring ring;
    int wake_read, wake_write;
    struct snapshot_build build;
    size_t threads_ready; /* as many threads of a process as the build's memory is ready for */
    struct facts_scratch *scratch;
    struct tracees tracees;
    struct snapshot_fault faults[FAULTS_KEPT]; /* the last ones that the app caught itself, oldest overwritten */
    unsigned fault_next;
    struct oom_watch oom;
    struct output outputs[2]; /* stdout, stderr; the second is unused where both are one file */
    struct shipper_process shipper;
    struct courier courier;
    char **envp; /* the app's, with placeholders for what is known after the fork */
    char *environment_text;
    char *listen_pid, *watchdog_pid;  /* where its digits go, or NULL */
    int capture_fd, capture_child_fd; /* the socket of capture/wire.h, or -1 */
    int signal_fd;
    sigset_t mask_before;
    enum capture_mode mode;
    pid_t app;
    bool executed; /* or tried to */
    bool app_ended;
    bool gives_up; /* asked to end while it waits for others at the end */
    uint64_t alive_ms;
    uint32_t end_flags; /* enum control_flags */
    int app_status;
    int score_before;                      /* the keeper's oom_score_adj as it was */
    bool reap_again;                       /* a SIGCHLD was taken elsewhere, or there is more to reap */
    bool in_burst;                         /* the last stop came soon after the one before */
    uint64_t last_stop_us, output_rest_us; /* the second: until when the app's output is left in its pipes */
    int kill_asked;                        /* signal that was passed on and ends a process, 0: none */
    uint64_t refresh_at_ms;
};

/* A death that a snapshot is to be made of. */
struct death {
    struct traced_process *process;
    enum snapshot_event event;
    uint32_t flags; /* of struct snapshot_reason */
    int signal_number, wait_status;
    pid_t tid; /* crashed thread, stopped; 0: unknown */
    siginfo_t info;
    const struct capture_crash *message; /* SNAPSHOT_HANDED_OVER: of the handler, which waits for the keeper */
};

/* spawn.c: forks the app and waits until it has executed (or could not: -errno). */
int ccol__keeper_spawn(struct keeper *keeper, ccol_error *err);
/* The process's oom_score_adj; setting one that is not allowed changes nothing. */
int ccol__keeper_score(void);
void ccol__keeper_set_score(int points);
/* Prepares the app's environment; before the start. */
int ccol__keeper_prepare_environment(struct keeper *keeper);

/* trace.c: acts upon one result of waitpid. */
void ccol__trace_event(struct keeper *keeper, pid_t tid, int status);
/* Acts upon what waits to be reaped; sets reap_again if that takes long. */
void ccol__trace_reap(struct keeper *keeper);
/* Acts upon what time has brought; when the next comes, in ms, or UINT64_MAX. */
uint64_t ccol__trace_refresh(struct keeper *keeper, uint64_t now_ms);
/* PTRACE_SEIZE with the options that the keeper wants. 0 or -errno. */
int ccol__trace_seize(const struct keeper *keeper, pid_t pid);

/* refresh.c: when facts and modules of the process are read again, sooner after its exec than later; ... */
void ccol__refresh_schedule(struct keeper *keeper, struct traced_process *process, uint64_t now_ms);
/* ... of those whose time has come. */
void ccol__refresh_due(struct keeper *keeper, uint64_t now_ms);
/* A process stands at its exec: its facts are read, then it goes on. */
void ccol__refresh_at_exec(struct keeper *keeper, struct traced_thread *thread);
/* Takes what the courier has read. */
void ccol__refresh_answered(struct keeper *keeper);

/* take.c: stops all threads, copies, lets go, writes the file. The thread death->tid is continued with the signal. */
void ccol__keeper_take(struct keeper *keeper, const struct death *death);

/* stdio.c: adds what the process wrote by stdio and did not flush. */
void ccol__stdio_build(struct keeper *keeper, const struct traced_process *process);

/* capture_socket.c: what the in-app handler says. _open makes the socket. */
int ccol__capture_open(struct keeper *keeper);
/* Puts the handler's registers in the place of those that the waiting thread has. */
void ccol__capture_registers(const struct capture_crash *message, struct snapshot_thread *out);
void ccol__capture_receive(struct keeper *keeper);
/* Adds NOTES of the process, if it has any. */
void ccol__capture_build_notes(struct keeper *keeper, const struct traced_process *process);

/* shipper_process.c */
void ccol__shipper_process_start(struct keeper *keeper, uint64_t now_ms);
void ccol__shipper_process_ended(struct keeper *keeper, int status, uint64_t now_ms);
void ccol__keeper_wake(struct keeper *keeper);

/* courier_process.c: forks the courier; before the app, so that it has nothing of the app's open. 0, or -errno: there
 * is none. */
int ccol__courier_start(struct keeper *keeper);
/* It is gone, by its own mistake or killed by somebody: the keeper does its work itself. */
void ccol__courier_ended(struct keeper *keeper, int status);

/* signals.c: blocks all and opens signal_fd; reads it; sends the app one. */
int ccol__keeper_open_signals(struct keeper *keeper, ccol_error *err);
void ccol__keeper_receive_signals(struct keeper *keeper);
void ccol__keeper_pass_signal(struct keeper *keeper, int number);

/* control.c: tells the host, takes its orders. */
void ccol__control_tell_start(const struct keeper *keeper, int code, const char *text);
void ccol__control_receive(struct keeper *keeper);
void ccol__control_tell_end(const struct keeper *keeper);

/* keeper.c: makes memory this process's own again after a fork, which shares it: the first write would take some. */
void ccol__keeper_own_memory(struct keeper *keeper);
/* Moves what the app wrote into the ring, and on; false: nothing was there to read. */
bool ccol__keeper_pump(struct keeper *keeper);
/* What could not be done; kept in the state for the report. */
void ccol__keeper_trouble(struct keeper *keeper, const char *format, ...) CCOL_PRINTF(2, 3);

#endif
