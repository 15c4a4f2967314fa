/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_INCIDENT_H
#define CRASHCOLLECT_INCIDENT_H

#include <crashcollect/log.h>

CCOL_BEGIN

typedef struct ccol_header {
    const char *name, *value;
} ccol_header;

/* An error of this library that nobody handles: a report that its storage refuses for good, a storage that keeps
 * failing, a damaged record in the spool, a crash id that is never published, a start that fails, and GET /__broken__.
 * It holds neither secrets nor anything of a user's crash but its id. */
typedef struct ccol_incident {
    size_t size;
    int code;                   /* as error.h has it, or 0 */
    const char *type;           /* the code's name, or a word: "CCOL_EREJECTED", "ENOSPC", "Broken" */
    const char *text;           /* one line: the cause and, where there is one, the cure */
    const char *part;           /* "crashmover.save", "health", "startup" */
    const char *crash_id;       /* "" where none applies */
    const char *method, *path;  /* of the request that met it, or NULL */
    const ccol_header *headers; /* of that request, as they came */
    size_t header_count;
} ccol_incident;

/* Told on the thread that met it, several at once; must be quick. As a reporter's `before` it may return false, and
 * then nothing is sent, or put other texts into *incident, which must live until the reporter has returned. Elsewhere
 * the result says nothing. */
typedef bool (*ccol_incident_fn)(void *user, ccol_incident *incident);

/* Sends incidents to Sentry from a thread of its own. Never waits, never grows, and its own failures are counted and
 * logged once a minute, but no incidents. */
typedef struct ccol_reporter ccol_reporter;

typedef struct ccol_reporter_options {
    size_t size;
    const char *dsn;         /* required */
    const char *release;     /* default "none:unknown" */
    const char *environment; /* default "production" */
    const char *server_name; /* default: none */
    const char *ca_file;     /* PEM; default: the system's */
    const char *proxy;       /* a URL, or "off"; default: the environment's */
    unsigned timeout_ms;     /* of sending one; default 5000 */
    unsigned per_minute;     /* more than so many are counted, not sent; the next one tells their number; default 30 */
    ccol_incident_fn before; /* may veto and edit each one */
    void *before_user;
    ccol_log_fn log;
    void *log_user;
} ccol_reporter_options;

typedef struct ccol_reporter_stats {
    size_t size;
    uint64_t sent;
    uint64_t vetoed;     /* by `before` */
    uint64_t suppressed; /* beyond per_minute, or the queue was full */
    uint64_t failed;     /* could not be delivered */
} ccol_reporter_stats;

CCOL_API int ccol_reporter_new(ccol_reporter **out, const ccol_reporter_options *options, ccol_error *err);
/* A ccol_incident_fn whose `user` is the reporter: give both to ccol_collector_options, or call it with an incident of
 * your own. Any thread. Always true. */
CCOL_API bool ccol_reporter_report(void *reporter, ccol_incident *incident);
/* Waits until all that was reported is sent or given up: 0, or -ETIMEDOUT. */
CCOL_API int ccol_reporter_flush(ccol_reporter *reporter, unsigned timeout_ms);
CCOL_API void ccol_reporter_stats_get(ccol_reporter *reporter, ccol_reporter_stats *out);
/* Gives up on what is not sent yet: flush first. After every other call has returned. */
CCOL_API void ccol_reporter_free(ccol_reporter *reporter);

CCOL_END
#endif
