/* SPDX-License-Identifier: MIT */
/* One crash as far as it is known, and the forms it is told in. What there is not is NULL, 0 or "". */
#ifndef CCOL_MONITOR_CRASH_H
#define CCOL_MONITOR_CRASH_H

#include <crashcollect/report.h>

#include "monitor/app_notes.h"
#include "monitor/crash_log.h"
#include "monitor/death.h"
#include "monitor/host.h"
#include "monitor/panic.h"
#include "monitor/unwind.h"

#define CRASH_NOTES_MOST  32
#define CRASH_PANICS_MOST 8

/* What was given with the command: about.json of the hand-over folder. */
struct crash_about {
    const struct json *annotations; /* an object of strings, or NULL */
    const char *command;            /* redacted, one line */
};

struct crash {
    const struct victim *victim; /* the dead process; NULL: a panic that ended none, or nothing is known */
    const struct stack_traces *traces;
    const struct oom_verdict *oom;
    const struct panic *panics[CRASH_PANICS_MOST]; /* what the program said of it; oldest first */
    size_t panic_count;
    const struct crash_log *log;
    const struct host *host;
    const struct crash_about *about;
    const struct app_notes *app_notes; /* what it had told of itself */
    struct death_words words;
    int32_t pid;
    const char *executable;
    int64_t started_us, crashed_us; /* since 1970; 0: not known */
    const char *instance, *mode;    /* hand-over folder; how it was watched */
    const char *mode_reason;
    const char *notes[CRASH_NOTES_MOST]; /* what is missing here and why; for people */
    size_t note_count;
};

/* What the program said of it, in one line: the last panic's value, or "". */
const char *ccol__crash_message(const struct crash *crash);
/* "SIGSEGV SEGV_MAPERR at 0x10 - message": CrashReason. Returns out. */
const char *ccol__crash_reason(const struct crash *crash, char *out, size_t size);

/* Appends the stack traces for people, and as version 1 of stacktrace_json. */
void ccol__crash_write_text(struct buffer *out, const struct crash *crash);
void ccol__crash_write_json(struct buffer *out, const struct crash *crash);
/* Adds its member "breadcrumbs". log may be NULL. */
struct json_builder;
void ccol__crash_put_crumbs(struct json_builder *builder, struct json *whole, const struct crash_log *log);

/* Adds the annotations that were given with the command; about may be NULL. -ENOMEM. */
int ccol__crash_annotate_given(ccol_report *report, const struct crash_about *about);
/* The report with its annotations and files. minidump may be NULL. -ENOMEM. */
int ccol__crash_report(ccol_report **out, const struct crash *crash, const struct buffer *minidump, ccol_error *err);

#endif
