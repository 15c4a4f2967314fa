/* SPDX-License-Identifier: MIT */
/* The report of a line that a program logged as an error: no crash, so it has no "crash" in its stacktrace_json and no
 * CrashReason, but ReportKind "log". */
#ifndef CCOL_MONITOR_LOG_REPORT_H
#define CCOL_MONITOR_LOG_REPORT_H

#include <crashcollect/report.h>

#include "monitor/crash.h"
#include "monitor/log_event.h"

/* crash tells of the program, with its log up to the event. Texts are redacted. -ENOMEM. */
int ccol__log_report(ccol_report **out, const struct crash *crash, const struct log_event *event,
                     const struct redactor *redactor, ccol_error *err);

#endif
