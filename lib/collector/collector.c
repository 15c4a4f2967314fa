/* SPDX-License-Identifier: MIT */
#include "collector/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/thread.h"
#include "base/worker.h"
#include "collector/checks.h"
#include "collector/options.h"
#include "publish/publisher.h"
#include "queue/save_queue.h"
#include "storage/storage.h"

#define PULSE_MS 1000
/* An upload of more than this part of the memory budget waits in a file, if that is large enough to be worth one. */
#define SPILL_SHARE 16
#define SPILL_LEAST ((uint64_t)4 << 20)
/* A call into a storage that does not come back must not keep a host from ending. */
#define STOP_WAIT_MS 10000

/* One storage of those that reports go to, as health asks it. */
struct storage_check {
    ccol_collector *collector;
    ccol_storage *storage; /* borrowed */
    size_t part;
};

struct ccol_collector {
    atomic_uint references; /* the owner's, one per thread of its own, one per upload, call and health in progress */
    atomic_bool closing;
    ccol_collector_options options; /* with defaults filled in; strings are copies */
    struct log log;
    struct incidents incidents;
    struct metrics *metrics;
    struct crash_pool *pool;
    struct save_queue *queue;
    struct checks *checks;
    pthread_mutex_t lock; /* guards throttle and the pulse's wait */
    pthread_cond_t pulse_cond;
    ccol_throttle *throttle;
    struct worker checker, pulse;
    struct storage_check storage_checks[TEE_MAX];
    uint64_t next_pulse_ms; /* no_threads: when the host's loop runs checks again */
};

ccol_collector *ccol__collector_ref(ccol_collector *collector)
{
    atomic_fetch_add_explicit(&collector->references, 1, memory_order_relaxed);
    return collector;
}

static void tear_down(ccol_collector *collector)
{
    if (collector->queue) ccol__save_queue_finish(collector->queue);
    ccol__save_queue_free(collector->queue);
    ccol__checks_free(collector->checks);
    ccol_throttle_unref(collector->throttle);
    ccol__crash_pool_unref(collector->pool);
    ccol__metrics_free(collector->metrics);
    ccol__options_fini(&collector->options);
    ccol__worker_fini(&collector->checker);
    ccol__worker_fini(&collector->pulse);
    pthread_cond_destroy(&collector->pulse_cond);
    pthread_mutex_destroy(&collector->lock);
    free(collector);
}

void ccol__collector_unref(ccol_collector *collector)
{
    if (atomic_fetch_sub_explicit(&collector->references, 1, memory_order_acq_rel) == 1) tear_down(collector);
}

static void thread_enters(void *collector)
{
    ccol__collector_ref(collector);
}

static void thread_leaves(void *collector)
{
    ccol__collector_unref(collector);
}

static struct worker_owner thread_owner(ccol_collector *collector)
{
    return (struct worker_owner){thread_enters, thread_leaves, collector};
}

struct metrics *ccol__collector_metrics(ccol_collector *collector)
{
    return collector->metrics;
}

const struct log *ccol__collector_log(const ccol_collector *collector)
{
    return &collector->log;
}

const struct incidents *ccol__collector_incidents(const ccol_collector *collector)
{
    return &collector->incidents;
}

struct crash_pool *ccol__collector_pool(ccol_collector *collector)
{
    return collector->pool;
}

const ccol_collector_options *ccol__collector_options(const ccol_collector *collector)
{
    return &collector->options;
}

uint64_t ccol__collector_max_body(const ccol_collector *collector)
{
    return collector->options.max_body;
}

struct checks *ccol__collector_checks(ccol_collector *collector)
{
    return collector->checks;
}

struct save_queue *ccol__collector_queue(ccol_collector *collector)
{
    return collector->queue;
}

bool ccol__collector_is_closing(const ccol_collector *collector)
{
    return atomic_load(&collector->closing);
}

ccol_throttle *ccol__collector_throttle(ccol_collector *collector)
{
    pthread_mutex_lock(&collector->lock);
    ccol_throttle *throttle = ccol_throttle_ref(collector->throttle);
    pthread_mutex_unlock(&collector->lock);
    return throttle;
}

void ccol_collector_set_throttle(ccol_collector *collector, ccol_throttle *throttle)
{
    pthread_mutex_lock(&collector->lock);
    ccol_throttle *before = collector->throttle;
    collector->throttle = ccol_throttle_ref(throttle);
    pthread_mutex_unlock(&collector->lock);
    ccol_throttle_unref(before);
}

void ccol__collector_update_gauges(ccol_collector *collector)
{
    struct save_queue_stats stats;
    ccol__save_queue_stats_get(collector->queue, &stats);
    struct metrics *metrics = collector->metrics;
    ccol__metrics_gauge(metrics, METRIC_SAVE_QUEUE_SIZE, (double)stats.queued);
    ccol__metrics_gauge(metrics, METRIC_SAVE_QUEUE_BYTES, (double)stats.queued_bytes);
    ccol__metrics_gauge(metrics, METRIC_SAVE_QUEUE_AGE, (double)stats.oldest_age_ms);
    ccol__metrics_gauge(metrics, METRIC_SPOOL_BYTES, (double)stats.disk_bytes);
    ccol__metrics_gauge(metrics, METRIC_MEMORY_BYTES,
                        (double)atomic_load(&ccol__crash_pool_budget(collector->pool)->used));
}

static int ask_storage(void *user, ccol_error *err)
{
    const struct storage_check *check = user;
    int code = ccol_storage_check(check->storage, err);
    if (!code && ccol__storage_has_check(check->storage))
        ccol__save_queue_storage_well(check->collector->queue, check->part);
    return code;
}

static int ask_publisher(void *user, ccol_error *err)
{
    ccol_collector *collector = user;
    int code = ccol_publisher_check(collector->options.publisher, err);
    if (!code && ccol__publisher_has_check(collector->options.publisher))
        ccol__save_queue_publisher_well(collector->queue);
    return code;
}

/* Storage and publisher may take their time to answer, so they have a thread that does nothing else. */
static void run_checks(void *user)
{
    ccol_collector *collector = user;
    ccol__checks_run(collector->checks);
}

static void pulse_once(ccol_collector *collector)
{
    ccol__collector_update_gauges(collector);
    ccol__save_queue_take_retries(collector->queue);
}

static void run_pulse(void *user)
{
    ccol_collector *collector = user;
    pthread_mutex_lock(&collector->lock);
    while (!atomic_load(&collector->closing)) {
        pthread_mutex_unlock(&collector->lock);
        pulse_once(collector);
        pthread_mutex_lock(&collector->lock);
        if (!atomic_load(&collector->closing))
            ccol__cond_wait_until(&collector->pulse_cond, &collector->lock, ccol__clock_monotonic_ms() + PULSE_MS);
    }
    pthread_mutex_unlock(&collector->lock);
}

static int start(ccol_collector *collector, ccol_error *err)
{
    int code = ccol__save_queue_start(collector->queue, err);
    if (code || collector->options.no_threads) return code;
    const struct worker_owner owner = thread_owner(collector);
    code = ccol__worker_start(&collector->checker, &owner, "ccol-health", run_checks, collector);
    if (!code) code = ccol__worker_start(&collector->pulse, &owner, "ccol-pulse", run_pulse, collector);
    return code ? ccol_fail(err, code, "cannot start the collector's threads") : 0;
}

static int make_queue(ccol_collector *collector, ccol_error *err)
{
    const ccol_collector_options *options = &collector->options;
    static const enum queue_ack acks[] = {QUEUE_ACK_SPOOLED, QUEUE_ACK_STORED, QUEUE_ACK_QUEUED};
    struct save_queue_options queue = {.storage = options->storage,
                                       .publisher = options->publisher,
                                       .spool_dir = options->spool_dir,
                                       .ack = acks[options->ack],
                                       .crashmovers = options->crashmovers,
                                       .no_threads = options->no_threads,
                                       .max_bytes = options->spool_max_bytes,
                                       .max_reports = options->spool_max_reports,
                                       .segment_bytes = options->spool_segment_bytes,
                                       .max_age_s = options->spool_max_age_s,
                                       .save_attempts = options->save_attempts,
                                       .retry_first_ms = options->retry_first_ms,
                                       .retry_max_ms = options->retry_max_ms,
                                       .stall_after_ms = options->stall_after_ms,
                                       .pool = collector->pool,
                                       .log = &collector->log,
                                       .incidents = &collector->incidents,
                                       .metrics = collector->metrics,
                                       .owner = thread_owner(collector)};
    return ccol__save_queue_new(&collector->queue, &queue, err);
}

static int make_checks(ccol_collector *collector)
{
    const ccol_collector_options *options = &collector->options;
    collector->checks = ccol__checks_new(options->check_period_ms, options->stall_after_ms);
    if (!collector->checks) return -ENOMEM;
    ccol_storage *const *parts;
    size_t count = ccol__storage_parts(&options->storage, &parts);
    int code = 0;
    for (size_t i = 0; !code && i < count; i++) {
        struct storage_check *check = &collector->storage_checks[i];
        *check = (struct storage_check){collector, parts[i], i};
        code = ccol__checks_add(collector->checks, ccol_storage_name(parts[i]), ask_storage, check, NULL);
    }
    if (code || !options->publisher) return code;
    return ccol__checks_add(collector->checks, ccol_publisher_name(options->publisher), ask_publisher, collector, NULL);
}

/* What is large against the budget waits in the spool's folder instead. */
static int make_spill(const ccol_collector *collector, ccol_error *err)
{
    const ccol_collector_options *options = &collector->options;
    int fd = -1;
    if (!options->spool_dir) return 0;
    int code = ccol__folder_open(AT_FDCWD, options->spool_dir, 0750, &fd, err);
    if (code) return code;
    uint64_t share = options->memory_budget / SPILL_SHARE;
    ccol__crash_pool_spill(collector->pool, fd, share > SPILL_LEAST ? share : SPILL_LEAST, options->spool_max_bytes);
    return 0;
}

/* Everything in place, nothing running. */
static int assemble(ccol_collector *collector, ccol_error *err)
{
    const ccol_collector_options *options = &collector->options;
    collector->log = (struct log){.write = options->log, .user = options->log_user};
    collector->incidents = (struct incidents){.tell = options->incident, .user = options->incident_user};
    collector->pool = ccol__crash_pool_new(options->memory_budget);
    int code =
        collector->pool ? ccol__metrics_new(&collector->metrics, options->metric, options->metric_user) : -ENOMEM;
    if (code) return ccol_fail(err, code, "cannot make a collector");
    if (options->throttle)
        collector->throttle = ccol_throttle_ref(options->throttle);
    else
        code = ccol_throttle_new_named(&collector->throttle, "accept-all", err);
    if (!code) code = ccol_storage_verify(options->storage, err);
    if (!code && options->publisher) code = ccol_publisher_verify(options->publisher, err);
    if (!code) code = make_queue(collector, err);
    if (!code) code = make_spill(collector, err);
    if (!code && (code = make_checks(collector))) ccol_fail(err, code, "cannot make a collector");
    return code;
}

int ccol_collector_new(ccol_collector **out, const ccol_collector_options *options, ccol_error *err)
{
    ccol_collector *collector = calloc(1, sizeof *collector);
    if (!collector) return ccol_fail(err, -ENOMEM, "cannot make a collector");
    atomic_init(&collector->references, 1);
    pthread_mutex_init(&collector->lock, NULL);
    ccol__cond_init(&collector->pulse_cond);
    int code = ccol__options_init(&collector->options, options, err);
    if (!code) code = assemble(collector, err);
    if (!code) code = start(collector, err);
    if (code) {
        ccol_collector_free(collector);
        return code;
    }
    *out = collector;
    return 0;
}

static bool is_own_thread(const ccol_collector *collector)
{
    return ccol__worker_is_self(&collector->checker) || ccol__worker_is_self(&collector->pulse) ||
           (collector->queue && ccol__save_queue_is_own_thread(collector->queue));
}

void ccol_collector_free(ccol_collector *collector)
{
    if (!collector) return;
    uint64_t deadline_ms = is_own_thread(collector) ? 0 : ccol__clock_monotonic_ms() + STOP_WAIT_MS;
    pthread_mutex_lock(&collector->lock);
    atomic_store(&collector->closing, true);
    pthread_cond_broadcast(&collector->pulse_cond);
    pthread_mutex_unlock(&collector->lock);
    if (collector->checks) ccol__checks_stop(collector->checks);
    ccol__worker_let_go(&collector->pulse, deadline_ms);
    if (collector->queue) ccol__save_queue_stop(collector->queue, deadline_ms);
    ccol__worker_let_go(&collector->checker, deadline_ms);
    ccol__collector_unref(collector);
}

int ccol_collector_drain(ccol_collector *collector, unsigned timeout_ms)
{
    return ccol__save_queue_drain(collector->queue, timeout_ms);
}

int ccol_collector_fd(const ccol_collector *collector)
{
    return ccol__save_queue_fd(collector->queue);
}

int ccol_collector_pump(ccol_collector *collector, unsigned max_saves)
{
    if (!collector->options.no_threads) return -EINVAL;
    uint64_t now = ccol__clock_monotonic_ms();
    ccol__collector_ref(collector); /* a callback may free it */
    if (now >= collector->next_pulse_ms) {
        collector->next_pulse_ms = now + collector->options.check_period_ms;
        ccol__checks_run_once(collector->checks);
        pulse_once(collector);
    }
    int saved = ccol__save_queue_pump(collector->queue, max_saves);
    ccol__collector_unref(collector);
    return saved;
}
