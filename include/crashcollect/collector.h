/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_COLLECTOR_H
#define CRASHCOLLECT_COLLECTOR_H

#include <crashcollect/incident.h>
#include <crashcollect/publish.h>
#include <crashcollect/storage.h>
#include <crashcollect/throttle.h>

CCOL_BEGIN

/* The one pipe: throttle -> crash id -> spool -> crashmovers -> storage -> publish. */
typedef struct ccol_collector ccol_collector;

/* When a report counts as accepted, and so when a submitter is answered. */
typedef enum ccol_ack {
    CCOL_ACK_SPOOLED = 0, /* it is durable in the spool; needs spool_dir */
    CCOL_ACK_STORED,      /* the storage has it */
    CCOL_ACK_QUEUED       /* it is in memory: fast, and lost if this process is killed */
} ccol_ack;

/* One measurement, Antenna's names without "socorro."; kind is 'c' counter, 'g' gauge, 't' timing in ms, 'h' histogram.
 * tags is "key:value[,key:value]" or "". Any thread, several at once; must be quick. */
typedef void (*ccol_metric_fn)(void *user, char kind, const char *name, double value, const char *tags);

/* 0 or NULL in any member means its default. */
typedef struct ccol_collector_options {
    size_t size;
    ccol_storage *storage;     /* required; the collector takes its own reference */
    ccol_publisher *publisher; /* default: none */
    ccol_throttle *throttle;   /* default: accept-all */
    ccol_ack ack;
    const char *spool_dir; /* made if absent, mode 0750; one running collector per folder */
    unsigned crashmovers;  /* most calls at once into one storage, or the publisher; default 4, at most 256 */
    bool no_threads;       /* the host's loop does the work: see ccol_collector_fd */

    uint64_t spool_max_bytes;     /* default 10 GiB; beyond it submit answers CCOL_EFULL */
    uint64_t spool_max_reports;   /* default: no limit with a spool, 10000 in memory */
    unsigned spool_max_age_s;     /* default: none; older reports that still cannot be saved go into quarantine */
    uint64_t spool_segment_bytes; /* default 64 MiB, at least 1 MiB */

    uint64_t memory_budget;    /* bytes of uploads and queued reports held in memory; default 512 MiB. What is larger
                                  than a sixteenth of it, and 4 MiB, waits in unnamed files in spool_dir */
    uint64_t max_body;         /* bytes of a request's body as sent; default 25 MiB */
    uint64_t max_inflated;     /* bytes of a compressed body after inflation; default 200 MiB */
    uint64_t max_annotation;   /* bytes of one text annotation; default 20 MiB */
    unsigned max_parts;        /* parts of one upload; default 100000 */
    unsigned max_part_headers; /* bytes of one part's headers; default 8192 */
    unsigned max_json_depth;   /* nesting of JSON annotations; default 1000 */

    const char *const
        *discard_fields;         /* NULL-terminated list; default Antenna's four; an empty list discards nothing */
    bool no_dump_checksums;      /* leave out SHA-256; a CRC guards spooled reports either way */
    const char *submitter_token; /* bearer token that lets a client choose the crash id; default: nobody may */
    const char *crash_id_prefix; /* in answers only; default "bp-" */

    unsigned save_attempts;   /* ack stored only: after so many failed saves the submitter is refused; default 5 */
    unsigned retry_first_ms;  /* pause after the first failed save or publish, doubled each time; default 1000 */
    unsigned retry_max_ms;    /* longest pause; default 60000 */
    unsigned check_period_ms; /* how often health asks storage, spool and publisher; default 5000 */
    unsigned stall_after_ms;  /* a save or check that takes longer is reported by health; default 30000 */

    ccol_log_fn log;
    void *log_user;
    ccol_metric_fn metric;
    void *metric_user;
    ccol_incident_fn incident; /* errors that nobody handles; ccol_reporter_report sends them to Sentry */
    void *incident_user;
    const char *const *sentry_keys; /* public keys whose holders may post as Sentry's SDKs do; NULL-terminated list;
                                     * default: nobody */
} ccol_collector_options;

typedef struct ccol_receipt {
    size_t size;
    ccol_verdict verdict;
    char crash_id[40];
    char rule[CCOL_RULE_NAME_MAX + 1];
} ccol_receipt;

typedef struct ccol_collector_stats {
    size_t size;
    uint64_t incoming; /* well-formed reports seen */
    uint64_t accepted; /* acknowledged, deferred ones included */
    uint64_t rejected; /* by a throttle rule, fake accepts included */
    uint64_t saved;    /* taken by the storage */
    uint64_t published;
    uint64_t quarantined; /* refused for good by the storage, or too old */
    uint64_t queued;      /* now in the save queue */
    uint64_t queued_bytes;
    uint64_t oldest_age_ms; /* of what is queued */
    uint64_t memory_bytes;  /* of the memory budget in use */
    uint64_t save_errors;   /* failed attempts to save */
    uint64_t spool_commits; /* group commits: one write and one fdatasync each */
    uint64_t recovered;     /* reports found in the spool at start */
} ccol_collector_stats;

/* Opens the spool (recovering what an earlier process left), asks storage and publisher to verify, starts the threads.
 * Errors: whatever verify said; -EBUSY another process uses the spool; CCOL_EABI; -EINVAL with the option's name. */
CCOL_API int ccol_collector_new(ccol_collector **out, const ccol_collector_options *options, ccol_error *err);

/* Takes one report through the pipe and returns when the ack mode's promise holds. The report must not be changed
 * afterwards; the caller keeps its reference. receipt may be NULL. 0 also for a rejected report: see receipt->verdict.
 * Errors mean that nothing was accepted: CCOL_EFULL (the same report may be submitted again, and keeps its crash id),
 * CCOL_ETOOLARGE, CCOL_ECLOSED, -EBUSY (submitted before), -EDEADLK (called on a thread of the collector's own),
 * -ENOMEM, the storage's. */
CCOL_API int ccol_collector_submit(ccol_collector *collector, ccol_report *report, ccol_receipt *receipt,
                                   ccol_error *err);

/* The same without waiting. If it returns an error, done is never called; else exactly once, on a thread of the
 * library (or inside _pump, or inside this very call when the verdict needs no saving), with code 0 or an error. */
typedef void (*ccol_submit_fn)(void *user, int code, const ccol_receipt *receipt, const char *error_text);
CCOL_API int ccol_collector_submit_async(ccol_collector *collector, ccol_report *report, ccol_submit_fn done,
                                         void *user, ccol_error *err);

/* Puts other rules in place; reports in flight finish with those they met. */
CCOL_API void ccol_collector_set_throttle(ccol_collector *collector, ccol_throttle *throttle);

/* Waits until the queue is empty: 0, or -ETIMEDOUT. Submitting stays possible. */
CCOL_API int ccol_collector_drain(ccol_collector *collector, unsigned timeout_ms);

/* For hosts with their own event loop (no_threads): poll the descriptor for reading, then call _pump, which commits
 * what waits, saves at most max_saves reports on this thread and returns how many it saved. Storage calls block that
 * thread. All calls then belong to one thread. -1 where the collector has its own threads. */
CCOL_API int ccol_collector_fd(const ccol_collector *collector);
CCOL_API int ccol_collector_pump(ccol_collector *collector, unsigned max_saves);

CCOL_API void ccol_collector_stats_get(const ccol_collector *collector, ccol_collector_stats *out);

/* Stops accepting, lets running saves end, keeps what is not saved in the spool (without a spool it is lost: drain
 * first) and frees everything. Any thread, also from inside a callback or a storage method: the last thread out then
 * does the rest. */
CCOL_API void ccol_collector_free(ccol_collector *collector);

CCOL_END
#endif
