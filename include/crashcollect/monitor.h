/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_MONITOR_H
#define CRASHCOLLECT_MONITOR_H

#include <crashcollect/log.h>
#include <crashcollect/publish.h>
#include <crashcollect/storage.h>

CCOL_BEGIN

/* A program that a host starts and watches, as crashcollect-run(1) does: its death becomes a report. The watching
 * parent (the keeper) is a process of its own, forked here, so the host's own waitpid and signals stay untouched: it
 * sees neither SIGCHLD nor a child that waitpid(-1) returns. A thread of the library makes the reports. */
typedef struct ccol_monitor ccol_monitor;

typedef enum ccol_capture {
    CCOL_CAPTURE_AUTO = 0, /* the first of these that works here */
    CCOL_CAPTURE_PTRACE,   /* traced from outside */
    CCOL_CAPTURE_ATTACH,   /* a handler that the program installs itself (capture.h) */
    CCOL_CAPTURE_WAIT      /* exit status, output and evidence of a kill for lack of memory only */
} ccol_capture;

/* 0 or NULL in any member means its default. */
typedef struct ccol_monitor_options {
    size_t size;
    char *const *argv;              /* required: program and arguments, NULL-terminated */
    char *const *envp;              /* default: the host's environment */
    const char *data_dir;           /* required: hand-over folders of all instances are in its folder monitor */
    ccol_storage *storage;          /* required: where reports go; the monitor takes its own reference */
    ccol_publisher *publisher;      /* default: none */
    const char *const *annotations; /* NAME, VALUE, NAME, VALUE, ..., NULL: go into each report, such as ProductName */
    ccol_capture capture;
    bool no_command_line;      /* leave it out of reports */
    bool exits_are_crashes;    /* an exit status other than 0 is reported too */
    unsigned drain_timeout_ms; /* how long the end waits for the storage; what is not saved then is by the next monitor
                                  on this data folder; default 5000 */
    ccol_log_fn log;
    void *log_user;
} ccol_monitor_options;

/* How the program ended. */
typedef struct ccol_death {
    size_t size;
    int pid;
    int wait_status; /* as waitpid gives it */
    int exit_status; /* -1: by a signal */
    int signal;      /* 0: by itself */
} ccol_death;

/* Starts the program; it runs when this returns. The host may have threads. -ENOENT and others from exec: it could not
 * be executed; else it cannot be watched here, with the cause. */
CCOL_API int ccol_monitor_start(ccol_monitor **out, const ccol_monitor_options *options, ccol_error *err);
/* The program's pid, for messages: it is the keeper's child, not the host's. */
CCOL_API int ccol_monitor_pid(const ccol_monitor *monitor);
/* Becomes readable when the program has ended: for a host's own event loop. The monitor's. */
CCOL_API int ccol_monitor_fd(const ccol_monitor *monitor);
/* Waits for the end: 0 with *death (which may be asked for again); -ETIMEDOUT; -ECHILD: the keeper was killed, how the
 * program ends will not be known. timeout_ms -1: for ever, 0: not at all. One thread at a time. */
CCOL_API int ccol_monitor_wait(ccol_monitor *monitor, int timeout_ms, ccol_death *death);
/* Sends the program a signal. An end that was asked for so is no crash. -ESRCH: it has ended. Any thread. */
CCOL_API int ccol_monitor_signal(ccol_monitor *monitor, int number);
/* Ends a program that still runs (SIGKILL; ask it to end first), waits until its reports are durable and for
 * drain_timeout_ms until they are stored, and frees everything. */
CCOL_API void ccol_monitor_free(ccol_monitor *monitor);

CCOL_END
#endif
