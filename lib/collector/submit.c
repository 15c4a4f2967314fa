/* SPDX-License-Identifier: MIT */
/* The way of one report: rules, crash id, discarded fields, queue. Uploads and hosts' own reports meet here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "collector/collector.h"
#include "queue/save_queue.h"
#include "report/record.h"

#define PUMP_LOOK_MS 5

/* Text and metric tag of a result. */
static const char *const result_upper[] = {"ACCEPT", "DEFER", "REJECT", "FAKEACCEPT"};
static const char *const result_lower[] = {"accept", "defer", "reject", "fakeaccept"};

int ccol__collector_admit(ccol_collector *collector, uint64_t bytes, ccol_error *err)
{
    if (ccol__collector_is_closing(collector)) return ccol_fail(err, CCOL_ECLOSED, "the collector is shutting down");
    return ccol__save_queue_admit(ccol__collector_queue(collector), bytes, err);
}

int ccol__collector_decide(ccol_collector *collector, ccol_report *report, ccol_decision *decision)
{
    ccol__metrics_count(ccol__collector_metrics(collector), METRIC_INCOMING_CRASH, NULL);
    int code = ccol__report_sort(report);
    if (code) return code;
    ccol_throttle *throttle = ccol__collector_throttle(collector);
    *decision = (ccol_decision){.size = sizeof *decision};
    ccol_throttle_decide(throttle, report, decision);
    ccol_throttle_unref(throttle);
    return 0;
}

static void tell_decision(ccol_collector *collector, const ccol_report *report, const ccol_decision *decision)
{
    struct metrics *metrics = ccol__collector_metrics(collector);
    ccol__metrics_count(metrics, METRIC_THROTTLE_RULE, decision->rule);
    ccol__metrics_count(metrics, METRIC_THROTTLE, result_lower[decision->verdict]);
    ccol__log(ccol__collector_log(collector), CCOL_LOG_INFO, "throttle", report->id, "matched by %s; returned %s",
              decision->rule, result_upper[decision->verdict]);
}

static int discard_fields(ccol_collector *collector, ccol_report *report)
{
    for (const char *const *field = ccol__collector_options(collector)->discard_fields; *field; field++) {
        char note[256];
        if (!ccol__report_remove(report, *field)) continue;
        int length = snprintf(note, sizeof note, "Removed %s from raw crash.", *field);
        int code = ccol__report_note(report, note, (size_t)length < sizeof note ? (size_t)length : sizeof note - 1);
        if (code) return code;
    }
    return 0;
}

/* May be called again with the same report and the same id. */
static void allow_again(ccol_report *report)
{
    report->refused = true;
}

static void queue_done(void *user, int code, const char *error_text)
{
    struct submission *submission = user;
    ccol_collector *collector = submission->collector;
    ccol_report *report = submission->report;
    if (code) allow_again(report);
    submission->done(submission->user, code, &submission->receipt, error_text);
    ccol_report_unref(report);
    ccol__collector_unref(collector);
}

static int set_identity(ccol_report *report, const ccol_decision *decision, const char *chosen_id, ccol_error *err)
{
    report->received_us = ccol__clock_now_us();
    report->verdict = (int)decision->verdict;
    memcpy(report->rule, decision->rule, sizeof decision->rule);
    report->rule[sizeof report->rule - 1] = '\0';
    if (chosen_id)
        memcpy(report->id, chosen_id, CRASH_ID_LENGTH);
    else if (!ccol__crash_id_make(report->id, report->verdict, report->received_us))
        return ccol_fail(err, -EIO, "the system gives no random numbers");
    return 0;
}

/* Gives a sealed report to the queue. */
static int hand_over(ccol_collector *collector, ccol_report *report, struct submission *submission, ccol_error *err)
{
    submission->collector = ccol__collector_ref(collector);
    submission->report = ccol_report_ref(report);
    ccol__collector_ref(collector); /* for this call: a callback on another thread may free all the others */
    int code = ccol__save_queue_submit(ccol__collector_queue(collector), report, report->verdict == CCOL_ACCEPT,
                                       queue_done, submission, err);
    if (code) {
        allow_again(report);
        ccol_report_unref(report);
        ccol__collector_unref(collector);
    }
    ccol__collector_unref(collector);
    return code;
}

static int keep(ccol_collector *collector, ccol_report *report, struct submission *submission, ccol_error *err)
{
    int code = discard_fields(collector, report);
    /* With a chosen id its digit decides, whatever the rules said. */
    report->verdict = ccol__crash_id_digit(report->id);
    if (!code) code = ccol__record_seal(report);
    if (code) return ccol_fail(err, code, "no memory for the report");
    return hand_over(collector, report, submission, err);
}

static void fill_receipt(struct submission *submission, const ccol_report *report, ccol_verdict verdict)
{
    submission->receipt = (ccol_receipt){.size = sizeof submission->receipt, .verdict = verdict};
    memcpy(submission->receipt.crash_id, report->id, sizeof report->id);
    memcpy(submission->receipt.rule, report->rule, sizeof report->rule);
}

int ccol__collector_accept(ccol_collector *collector, ccol_report *report, const ccol_decision *decision,
                           const char *chosen_id, struct submission *submission, ccol_error *err)
{
    int code = set_identity(report, decision, chosen_id, err);
    if (code) return code;
    tell_decision(collector, report, decision);
    fill_receipt(submission, report, decision->verdict);
    if (decision->verdict == CCOL_ACCEPT || decision->verdict == CCOL_DEFER)
        return keep(collector, report, submission, err);
    submission->done(submission->user, 0, &submission->receipt, "");
    return 0;
}

static int start_submission(ccol_collector *collector, ccol_report *report, const char *chosen_id,
                            struct submission *submission, ccol_error *err)
{
    if (!report) return ccol_fail(err, -EINVAL, "there is no report to submit");
    bool again = report->sealed && report->refused;
    if (report->id[0] && !again) return ccol_fail(err, -EBUSY, "the report was submitted before");
    int code = ccol__collector_admit(collector, report->bytes.length, err);
    if (code) return code;
    if (again) { /* its identity stands, only the queue had no room for it */
        report->refused = false;
        fill_receipt(submission, report, (ccol_verdict)report->verdict);
        return hand_over(collector, report, submission, err);
    }
    report->payload_size = report->bytes.length;
    ccol_decision decision;
    code = ccol__collector_decide(collector, report, &decision);
    if (code) return ccol_fail(err, code, "no memory for the report");
    return ccol__collector_accept(collector, report, &decision, chosen_id, submission, err);
}

struct async_submission {
    struct submission submission;
    ccol_submit_fn done;
    void *user;
};

static void async_done(void *user, int code, const ccol_receipt *receipt, const char *error_text)
{
    struct async_submission *async = user;
    async->done(async->user, code, receipt, error_text);
    free(async);
}

int ccol_collector_submit_async(ccol_collector *collector, ccol_report *report, ccol_submit_fn done, void *user,
                                ccol_error *err)
{
    if (!done) return ccol_fail(err, -EINVAL, "submit_async needs a callback");
    struct async_submission *async = calloc(1, sizeof *async);
    if (!async) return ccol_fail(err, -ENOMEM, "no memory for the report");
    async->submission = (struct submission){.done = async_done, .user = async};
    async->done = done;
    async->user = user;
    int code = start_submission(collector, report, NULL, &async->submission, err);
    if (code) free(async);
    return code;
}

struct waiting_submission {
    struct submission submission;
    struct latch latch;
    int code;
    char text[sizeof((ccol_error *)0)->text];
};

static void waiting_done(void *user, int code, const ccol_receipt *receipt, const char *error_text)
{
    (void)receipt;
    struct waiting_submission *waiting = user;
    waiting->code = code;
    snprintf(waiting->text, sizeof waiting->text, "%s", error_text);
    ccol__latch_set(&waiting->latch);
}

void ccol__collector_wait(ccol_collector *collector, struct latch *latch)
{
    /* Without threads it is this one that does the work. */
    while (ccol__collector_options(collector)->no_threads && !ccol__latch_is_set(latch)) {
        const struct timespec pause = {.tv_nsec = PUMP_LOOK_MS * 1000000L};
        unsigned saves = ccol__collector_options(collector)->ack == CCOL_ACK_STORED ? 1 : 0;
        ccol__save_queue_pump(ccol__collector_queue(collector), saves);
        if (!ccol__latch_is_set(latch)) nanosleep(&pause, NULL);
    }
    ccol__latch_wait(latch);
}

int ccol__collector_submit_as(ccol_collector *collector, ccol_report *report, const char *chosen_id,
                              ccol_receipt *receipt, ccol_error *err)
{
    struct waiting_submission waiting = {.submission = {.done = waiting_done, .user = &waiting}};
    if (ccol__save_queue_is_own_thread(ccol__collector_queue(collector)))
        return ccol_fail(err, -EDEADLK, "a callback or a storage cannot wait for its own thread: use submit_async");
    ccol__latch_init(&waiting.latch);
    ccol__collector_ref(collector); /* a callback may free it */
    int code = start_submission(collector, report, chosen_id, &waiting.submission, err);
    if (!code) {
        ccol__collector_wait(collector, &waiting.latch);
        code = waiting.code ? ccol_fail(err, waiting.code, "%s", waiting.text) : 0;
    }
    if (!code && receipt) ccol__struct_out(receipt, &waiting.submission.receipt, sizeof waiting.submission.receipt);
    ccol__latch_fini(&waiting.latch);
    ccol__collector_unref(collector);
    return code;
}

int ccol_collector_submit(ccol_collector *collector, ccol_report *report, ccol_receipt *receipt, ccol_error *err)
{
    return ccol__collector_submit_as(collector, report, NULL, receipt, err);
}

void ccol_collector_stats_get(const ccol_collector *collector, ccol_collector_stats *out)
{
    ccol_collector *live = (ccol_collector *)(uintptr_t)collector;
    struct metrics *metrics = ccol__collector_metrics(live);
    struct save_queue_stats queue;
    ccol__save_queue_stats_get(ccol__collector_queue(live), &queue);
    ccol_collector_stats stats = {
        .incoming = (uint64_t)ccol__metrics_get(metrics, METRIC_INCOMING_CRASH, NULL),
        .accepted = queue.accepted,
        .rejected = (uint64_t)(ccol__metrics_get(metrics, METRIC_THROTTLE, result_lower[CCOL_REJECT]) +
                               ccol__metrics_get(metrics, METRIC_THROTTLE, result_lower[CCOL_FAKEACCEPT])),
        .saved = queue.saved,
        .published = queue.published,
        .quarantined = queue.quarantined,
        .queued = queue.queued,
        .queued_bytes = queue.queued_bytes,
        .oldest_age_ms = queue.oldest_age_ms,
        .memory_bytes = atomic_load(&ccol__crash_pool_budget(ccol__collector_pool(live))->used),
        .save_errors = queue.save_errors,
        .spool_commits = queue.commits,
        .recovered = queue.recovered,
    };
    ccol__struct_out(out, &stats, sizeof stats);
}
