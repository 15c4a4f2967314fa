/* SPDX-License-Identifier: MIT */
/* A collector from the inside: what uploads, health and the HTTP server use of it. */
#ifndef CCOL_COLLECTOR_COLLECTOR_H
#define CCOL_COLLECTOR_COLLECTOR_H

#include <crashcollect/collector.h>

#include "base/incident.h"
#include "base/latch.h"
#include "base/log.h"
#include "base/metrics.h"
#include "report/report.h"

/* Whoever holds a reference may still ask a collector that was freed by its owner: it then answers CCOL_ECLOSED. */
ccol_collector *ccol__collector_ref(ccol_collector *collector);
void ccol__collector_unref(ccol_collector *collector);

struct metrics *ccol__collector_metrics(ccol_collector *collector);
const struct log *ccol__collector_log(const ccol_collector *collector);
const struct incidents *ccol__collector_incidents(const ccol_collector *collector);
struct crash_pool *ccol__collector_pool(ccol_collector *collector);
const ccol_collector_options *ccol__collector_options(const ccol_collector *collector);
uint64_t ccol__collector_max_body(const ccol_collector *collector);
struct checks *ccol__collector_checks(ccol_collector *collector);
struct save_queue *ccol__collector_queue(ccol_collector *collector);
ccol_throttle *ccol__collector_throttle(ccol_collector *collector); /* the caller unrefs */
bool ccol__collector_is_closing(const ccol_collector *collector);
/* Brings the gauges up to date; never blocks on anything but a short lock. */
void ccol__collector_update_gauges(ccol_collector *collector);

/* Whether a report of about that many bytes would be accepted now: 0, CCOL_EFULL, CCOL_ECLOSED. */
int ccol__collector_admit(ccol_collector *collector, uint64_t bytes, ccol_error *err);
/* Counts the report as incoming, puts its annotations in order and asks the rules. -ENOMEM. */
int ccol__collector_decide(ccol_collector *collector, ccol_report *report, ccol_decision *decision);

/* One report on its way; the caller's memory until done is called. */
struct submission {
    ccol_submit_fn done;
    void *user;
    ccol_receipt receipt;
    ccol_collector *collector; /* set, referenced and released here, as is the report */
    ccol_report *report;
};

/* Does what was decided: crash id (chosen_id, if not NULL, is a valid one), log and counters, discarded fields, the
 * queue. done is called exactly once if 0 is returned, else never. */
int ccol__collector_accept(ccol_collector *collector, ccol_report *report, const ccol_decision *decision,
                           const char *chosen_id, struct submission *submission, ccol_error *err);

/* ccol_collector_submit under a valid crash id of the caller's choice: a report that may be submitted twice is then
 * kept once. NULL: under one of the collector's. */
int ccol__collector_submit_as(ccol_collector *collector, ccol_report *report, const char *chosen_id,
                              ccol_receipt *receipt, ccol_error *err);

/* Waits until the latch that a done callback sets is set; without threads of the collector's own, by doing the work. */
void ccol__collector_wait(ccol_collector *collector, struct latch *latch);

#endif
