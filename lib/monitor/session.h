/* SPDX-License-Identifier: MIT */
/* Reports that tell of a run and of no crash. One of how it ended, for statistics of how many end well: ReportKind
 * "session", and the file session_json:
 * {"version":1,"id":UUID,"started_at":TIME,"ended_at":TIME,"duration_ms":N,"status":"exited"|"crashed"|"abnormal",
 * "errors":N}
 * And those of lines that it logged: ReportKind "logs", and the file logs_json as log_batch.h has it. */
#ifndef CCOL_MONITOR_SESSION_H
#define CCOL_MONITOR_SESSION_H

#include <crashcollect/report.h>

#include "monitor/crash.h"
#include "monitor/handover.h"

enum session_status {
    SESSION_EXITED,  /* by itself, or by a signal that asks for the end */
    SESSION_CRASHED, /* by a signal that tells of a mistake, or by a panic */
    SESSION_ABNORMAL /* killed, by whomever, or without a trace */
};

struct session {
    const struct handover_facts *facts;
    const struct crash_about *about;
    const char *host, *id; /* id: the same whoever tells of the run, and however often */
    enum session_status status;
    int64_t ended_us;
    uint64_t errors; /* crashes of its processes, panics, lines that became reports */
};

/* How a run ended whose wait status is known. `panicked`: the program told so. */
enum session_status ccol__session_status(int wait_status, bool panicked);
/* -ENOMEM. */
int ccol__session_report(ccol_report **out, const struct session *session, ccol_error *err);
/* Of the session only facts, about and host are asked for. */
int ccol__logs_report(ccol_report **out, const struct session *session, const char *json, size_t length,
                      ccol_error *err);

#endif
