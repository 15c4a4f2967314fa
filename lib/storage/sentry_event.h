/* SPDX-License-Identifier: MIT */
/* The Sentry event of a report: what stacktrace_json says if it has one, what its annotations say, and over that what
 * its client gave as parts of an event. */
#ifndef CCOL_STORAGE_SENTRY_EVENT_H
#define CCOL_STORAGE_SENTRY_EVENT_H

#include <crashcollect/report.h>

#include "base/buffer.h"
#include "report/sentry_fields.h"

#define SENTRY_STACK_FILE "stacktrace_json"
#define SENTRY_DUMP_FILE  "upload_file_minidump"

struct sentry_event_options {
    const char *release, *environment, *dist, *server_name; /* NULL: what the report says */
    const char *const *hidden_fields;                       /* annotations that are nobody's business */
    size_t max_bytes;
    const char *dump_note; /* why the dump does not come along, or NULL */
    bool dump_tells; /* the receiver makes exception, threads and images of the dump, if that may take their place */
};

struct sentry_event {
    struct buffer json;
    char id[SENTRY_ID_SIZE];
    bool has_stack; /* stacktrace_json was understood, so it need not be attached */
    bool composed;  /* its exception is ours: a dump must not take its place */
    bool dump_told; /* they are left to the dump */
    unsigned fit;   /* 0: complete; else how far it was cut to fit */
};

#define SENTRY_RELEASE_SIZE 201
/* "app@1.2", copied to out, or NULL. */
const char *ccol__sentry_release(char out[SENTRY_RELEASE_SIZE], const ccol_report *report,
                                 const struct sentry_event_options *options);
const char *ccol__sentry_environment(const ccol_report *report, const struct sentry_event_options *options);
/* Whether it begins as a minidump does. */
bool ccol__sentry_file_is_dump(const ccol_file *file);

/* -ENOMEM; else the event is there, of at most max_bytes, however large the report is. The caller clears it. */
int ccol__sentry_event_make(struct sentry_event *out, const ccol_report *report,
                            const struct sentry_event_options *options, ccol_error *err);
void ccol__sentry_event_fini(struct sentry_event *event);

#endif
