/* SPDX-License-Identifier: MIT */
/* The pipe under bad storages: what is accepted is saved or kept, who waits gets an answer, memory comes back. */
#include <crashcollect.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "fixture.h"

#define SEGMENT_BYTES (UINT64_C(1) << 20)
#define DRAIN_MS      (FIXTURE_DEADLINE_S * 1000)
#define NEVER_MS      600000

/* A storage that does as it is told. `held`: each save waits for a post to `go`. */
struct scripted {
    atomic_int saves, syncs, published, fail_saves, fail_syncs, save_code;
    atomic_bool held;
    sem_t entered, go;
};

static int scripted_save(void *self, const ccol_report *report, ccol_error *err)
{
    struct scripted *scripted = self;
    size_t length;
    if (!ccol_report_json(report, &length) || !length) return ccol_fail(err, CCOL_EREJECTED, "no raw crash");
    sem_post(&scripted->entered);
    if (atomic_load(&scripted->held) && !fixture_happens(&scripted->go)) abort();
    if (atomic_fetch_sub(&scripted->fail_saves, 1) > 0)
        return ccol_fail(err, atomic_load(&scripted->save_code), "told to fail");
    atomic_store(&scripted->fail_saves, 0);
    atomic_fetch_add(&scripted->saves, 1);
    return 0;
}

static int scripted_sync(void *self, ccol_error *err)
{
    struct scripted *scripted = self;
    atomic_fetch_add(&scripted->syncs, 1);
    return atomic_fetch_sub(&scripted->fail_syncs, 1) > 0 ? ccol_fail(err, -EIO, "told to fail") : 0;
}

static int scripted_publish(void *self, const char *crash_id, ccol_error *err)
{
    struct scripted *scripted = self;
    (void)crash_id;
    (void)err;
    atomic_fetch_add(&scripted->published, 1);
    return 0;
}

static const ccol_storage_ops plain_ops = {.size = sizeof plain_ops, .name = "scripted", .save = scripted_save};
static const ccol_storage_ops syncing_ops = {
    .size = sizeof syncing_ops, .name = "syncing", .save = scripted_save, .sync = scripted_sync};
static const ccol_publisher_ops publisher_ops = {
    .size = sizeof publisher_ops, .name = "herald", .publish = scripted_publish};

static void scripted_init(struct scripted *scripted)
{
    memset(scripted, 0, sizeof *scripted);
    atomic_store(&scripted->save_code, -EIO);
    sem_init(&scripted->entered, 0, 0);
    sem_init(&scripted->go, 0, 0);
}

static ccol_storage *scripted_storage(struct scripted *scripted, const ccol_storage_ops *ops)
{
    ccol_storage *storage = NULL;
    REQUIRE(ccol_storage_new(&storage, ops, scripted, NULL) == 0);
    return storage;
}

static ccol_collector_options usual_options(ccol_ack ack)
{
    return (ccol_collector_options){.size = sizeof(ccol_collector_options),
                                    .ack = ack,
                                    .spool_dir = ack == CCOL_ACK_SPOOLED ? fixture_folder : NULL,
                                    .spool_segment_bytes = SEGMENT_BYTES,
                                    .crashmovers = 2,
                                    .retry_first_ms = 1,
                                    .retry_max_ms = 2};
}

/* Takes over the storage. */
static ccol_collector *open_with(ccol_collector_options *options, ccol_storage *storage)
{
    ccol_error err = {0};
    ccol_collector *collector = NULL;
    options->storage = storage;
    int code = ccol_collector_new(&collector, options, &err);
    if (code) fprintf(stderr, "ccol_collector_new: %s\n", err.text);
    REQUIRE(code == 0);
    ccol_storage_unref(storage);
    return collector;
}

static ccol_collector *open_usual(struct scripted *scripted, ccol_ack ack)
{
    ccol_collector_options options = usual_options(ack);
    return open_with(&options, scripted_storage(scripted, &plain_ops));
}

static int submit_sized(ccol_collector *collector, size_t bytes)
{
    ccol_report *report = fixture_report(bytes);
    int code = ccol_collector_submit(collector, report, NULL, NULL);
    ccol_report_unref(report);
    return code;
}

static int submit(ccol_collector *collector)
{
    return submit_sized(collector, 10);
}

static ccol_collector_stats stats_of(const ccol_collector *collector)
{
    ccol_collector_stats stats = {.size = sizeof stats};
    ccol_collector_stats_get(collector, &stats);
    return stats;
}

struct answer {
    atomic_int calls, code;
    sem_t given;
};

static void keep_answer(void *user, int code, const ccol_receipt *receipt, const char *error_text)
{
    struct answer *answer = user;
    (void)receipt;
    (void)error_text;
    atomic_store(&answer->code, code);
    atomic_fetch_add(&answer->calls, 1);
    sem_post(&answer->given);
}

static void submit_async(ccol_collector *collector, struct answer *answer)
{
    memset(answer, 0, sizeof *answer);
    sem_init(&answer->given, 0, 0);
    ccol_report *report = fixture_report(10);
    CHECK_INT(ccol_collector_submit_async(collector, report, keep_answer, answer, NULL), 0);
    ccol_report_unref(report);
}

static void memory_and_counts_come_back(void)
{
    static const ccol_ack acks[] = {CCOL_ACK_SPOOLED, CCOL_ACK_STORED, CCOL_ACK_QUEUED};
    for (int i = 0; i < 3; i++) {
        struct scripted scripted;
        fixture_fresh("test_save_queue");
        scripted_init(&scripted);
        ccol_collector *collector = open_usual(&scripted, acks[i]);
        for (int k = 0; k < 20; k++)
            CHECK_INT(submit_sized(collector, (size_t)k * 20000), 0);
        CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
        ccol_collector_stats stats = stats_of(collector);
        CHECK_INT(stats.incoming, 20);
        CHECK_INT(stats.accepted, 20);
        CHECK_INT(stats.saved, 20);
        CHECK_INT(stats.queued, 0);
        CHECK_INT(stats.queued_bytes, 0);
        CHECK_INT(stats.memory_bytes, 0);
        ccol_collector_free(collector);
    }
}

/* Ack stored: the storage is dead, the report waits for its next attempt, and the collector is freed. */
static void who_waits_is_answered_when_the_collector_ends(void)
{
    struct scripted scripted;
    struct answer answer;
    scripted_init(&scripted);
    atomic_store(&scripted.fail_saves, 1000);
    ccol_collector_options options = usual_options(CCOL_ACK_STORED);
    options.retry_first_ms = options.retry_max_ms = NEVER_MS;
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    submit_async(collector, &answer);
    REQUIRE(fixture_happens(&scripted.entered));
    ccol_collector_free(collector);
    REQUIRE(fixture_happens(&answer.given));
    CHECK_INT(answer.code, CCOL_ECLOSED);
    CHECK_INT(answer.calls, 1);
}

static void patience_ends_also_behind_a_closed_gate(void)
{
    struct scripted scripted;
    struct answer answers[20];
    scripted_init(&scripted);
    atomic_store(&scripted.fail_saves, 1000);
    ccol_collector_options options = usual_options(CCOL_ACK_STORED);
    options.save_attempts = 3;
    options.stall_after_ms = NEVER_MS; /* a probe that is not told of would hold all others back */
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    for (int i = 0; i < 20; i++)
        submit_async(collector, &answers[i]);
    for (int i = 0; i < 20; i++) {
        REQUIRE(fixture_happens(&answers[i].given));
        CHECK_INT(answers[i].code, CCOL_EREJECTED);
    }
    CHECK_INT(1000 - atomic_load(&scripted.fail_saves), 60);
    CHECK_INT(stats_of(collector).accepted, 0);
    ccol_collector_free(collector);
}

static void without_threads_the_end_answers_too(void)
{
    struct scripted scripted;
    struct answer answer;
    for (int ack = CCOL_ACK_SPOOLED; ack <= CCOL_ACK_STORED; ack++) {
        fixture_fresh("test_save_queue");
        scripted_init(&scripted);
        ccol_collector_options options = usual_options((ccol_ack)ack);
        options.no_threads = true;
        ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
        submit_async(collector, &answer);
        ccol_collector_free(collector);
        REQUIRE(fixture_happens(&answer.given));
        CHECK_INT(answer.code, ack == CCOL_ACK_SPOOLED ? 0 : CCOL_ECLOSED);
        CHECK_INT(answer.calls, 1);
    }
}

static void the_hosts_loop_does_the_work(void)
{
    struct scripted scripted;
    struct answer answer;
    fixture_fresh("test_save_queue");
    scripted_init(&scripted);
    atomic_store(&scripted.fail_saves, 2);
    ccol_collector_options options = usual_options(CCOL_ACK_SPOOLED);
    options.no_threads = true;
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    CHECK(ccol_collector_fd(collector) >= 0);
    submit_async(collector, &answer);
    CHECK_INT(answer.calls, 0);
    CHECK_INT(ccol_collector_pump(collector, 0), 0);
    CHECK_INT(answer.calls, 1);
    CHECK_INT(answer.code, 0);
    CHECK_INT(submit(collector), 0);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(atomic_load(&scripted.saves), 2);
    CHECK_INT(stats_of(collector).memory_bytes, 0);
    ccol_collector_free(collector);
}

static void a_failed_flush_saves_again(void)
{
    struct scripted scripted;
    fixture_fresh("test_save_queue");
    scripted_init(&scripted);
    atomic_store(&scripted.fail_syncs, 2);
    ccol_publisher *publisher = NULL;
    REQUIRE(ccol_publisher_new(&publisher, &publisher_ops, &scripted, NULL) == 0);
    ccol_collector_options options = usual_options(CCOL_ACK_SPOOLED);
    options.publisher = publisher;
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &syncing_ops));
    CHECK_INT(submit(collector), 0);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(atomic_load(&scripted.saves), 3);
    CHECK_INT(atomic_load(&scripted.syncs), 3);
    CHECK_INT(atomic_load(&scripted.published), 1);
    ccol_collector_free(collector);
    ccol_publisher_unref(publisher);
}

/* The first of two storages is flushed in vain: what it was given does not count as saved. */
static void a_failed_flush_makes_a_tee_save_again(void)
{
    struct scripted first, second;
    scripted_init(&first);
    scripted_init(&second);
    atomic_store(&first.fail_syncs, 1);
    ccol_storage *both[] = {scripted_storage(&first, &syncing_ops), scripted_storage(&second, &plain_ops)}, *tee = NULL;
    REQUIRE(ccol_storage_new_tee(&tee, both, 2, NULL) == 0);
    ccol_storage_unref(both[0]);
    ccol_storage_unref(both[1]);
    ccol_collector_options options = usual_options(CCOL_ACK_STORED);
    ccol_collector *collector = open_with(&options, tee);
    CHECK_INT(submit(collector), 0);
    CHECK_INT(atomic_load(&first.saves), 2);
    ccol_collector_free(collector);
}

static void a_dead_storage_makes_no_other_save_twice(void)
{
    struct scripted well, dead;
    fixture_fresh("test_save_queue");
    scripted_init(&well);
    scripted_init(&dead);
    atomic_store(&dead.fail_saves, 3);
    ccol_storage *both[] = {scripted_storage(&well, &plain_ops), scripted_storage(&dead, &plain_ops)}, *tee = NULL;
    REQUIRE(ccol_storage_new_tee(&tee, both, 2, NULL) == 0);
    ccol_storage_unref(both[0]);
    ccol_storage_unref(both[1]);
    ccol_collector_options options = usual_options(CCOL_ACK_SPOOLED);
    ccol_collector *collector = open_with(&options, tee);
    CHECK_INT(submit(collector), 0);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(atomic_load(&well.saves), 1);
    CHECK_INT(atomic_load(&dead.saves), 1);
    CHECK_INT(stats_of(collector).save_errors, 3);
    ccol_collector_free(collector);
}

static void a_full_queue_takes_reports_again(void)
{
    for (int spooled = 0; spooled < 2; spooled++) {
        struct scripted scripted;
        fixture_fresh("test_save_queue");
        scripted_init(&scripted);
        atomic_store(&scripted.held, true);
        ccol_collector_options options = usual_options(spooled ? CCOL_ACK_SPOOLED : CCOL_ACK_QUEUED);
        options.spool_max_bytes = 4 * SEGMENT_BYTES;
        ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
        int accepted = 0, code;
        while ((code = submit_sized(collector, 300000)) == 0 && accepted < 100)
            accepted++;
        CHECK_INT(code, CCOL_EFULL);
        CHECK(accepted >= 9);
        atomic_store(&scripted.held, false);
        sem_post(&scripted.go);
        sem_post(&scripted.go);
        CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
        CHECK_INT(atomic_load(&scripted.saves), accepted);
        CHECK_INT(submit_sized(collector, 300000), 0);
        CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
        CHECK_INT(stats_of(collector).memory_bytes, 0);
        ccol_collector_free(collector);
    }
}

static void what_can_never_be_kept_shuts_out_nobody(void)
{
    struct scripted scripted;
    fixture_fresh("test_save_queue");
    scripted_init(&scripted);
    ccol_collector_options options = usual_options(CCOL_ACK_SPOOLED);
    options.spool_max_bytes = 4 * SEGMENT_BYTES;
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    CHECK_INT(submit_sized(collector, 5 * SEGMENT_BYTES), CCOL_ETOOLARGE);
    CHECK_INT(submit(collector), 0);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(submit_sized(collector, 3 * SEGMENT_BYTES), 0);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(submit(collector), 0);
    ccol_collector_free(collector);
}

static int count_failed(void *user, const ccol_spooled *spooled)
{
    *(int *)user += strcmp(spooled->state, "failed") == 0;
    return 0;
}

static int keep_id(void *user, const ccol_spooled *spooled)
{
    snprintf(user, 40, "%s", spooled->crash_id);
    return 0;
}

/* The queue is empty again after a save has begun. */
static void wait_for_end_of_save(ccol_collector *collector, struct scripted *scripted)
{
    REQUIRE(fixture_happens(&scripted->entered));
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    while (sem_trywait(&scripted->entered) ==
           0) { /* it was refused while its files were being removed, and tried again */
    }
}

/* Put back again and again while the storage still refuses: it is in the queue or in quarantine, never nowhere. */
static void a_retry_that_is_refused_again_loses_nothing(void)
{
    struct scripted scripted;
    char id[40] = "";
    fixture_fresh("test_save_queue");
    scripted_init(&scripted);
    atomic_store(&scripted.save_code, CCOL_EREJECTED);
    atomic_store(&scripted.fail_saves, 1000);
    ccol_collector *collector = open_usual(&scripted, CCOL_ACK_SPOOLED);
    CHECK_INT(submit(collector), 0);
    for (unsigned round = 1; round <= 3; round++) {
        wait_for_end_of_save(collector, &scripted);
        CHECK_INT(stats_of(collector).quarantined, round);
        int failed = 0;
        CHECK_INT(ccol_spool_each(fixture_folder, count_failed, &failed, NULL), 0);
        CHECK_INT(failed, 1);
        REQUIRE(ccol_spool_each(fixture_folder, keep_id, id, NULL) == 0);
        if (round == 3) atomic_store(&scripted.fail_saves, 0);
        REQUIRE(ccol_spool_retry(fixture_folder, id, NULL) == 0);
    }
    wait_for_end_of_save(collector, &scripted);
    CHECK_INT(atomic_load(&scripted.saves), 1);
    ccol_collector_free(collector);
}

static void what_is_only_queued_is_kept_when_there_is_a_spool(void)
{
    struct scripted scripted;
    fixture_fresh("test_save_queue");
    scripted_init(&scripted);
    atomic_store(&scripted.fail_saves, 1000);
    ccol_collector_options options = usual_options(CCOL_ACK_QUEUED);
    options.spool_dir = fixture_folder;
    options.retry_first_ms = options.retry_max_ms = NEVER_MS;
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    for (int i = 0; i < 5; i++)
        CHECK_INT(submit(collector), 0);
    ccol_collector_free(collector);

    scripted_init(&scripted);
    collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    CHECK_INT(stats_of(collector).recovered, 5);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(atomic_load(&scripted.saves), 5);
    ccol_collector_free(collector);
}

/* A process is killed after its last acknowledgement. */
static void a_killed_process_loses_nothing(void)
{
    struct scripted scripted;
    fixture_fresh("test_save_queue");
    scripted_init(&scripted);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        atomic_store(&scripted.fail_saves, 1000);
        ccol_collector_options options = usual_options(CCOL_ACK_SPOOLED);
        options.no_threads = true; /* so that the child has none after the fork */
        ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
        int failed = 0;
        for (int i = 0; i < 10; i++)
            failed += submit_sized(collector, 200000) != 0;
        _exit(failed);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ccol_collector *collector = open_usual(&scripted, CCOL_ACK_SPOOLED);
    CHECK_INT(stats_of(collector).recovered, 10);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(atomic_load(&scripted.saves), 10);
    ccol_collector_free(collector);
}

static void limits_hold_exactly_at_the_edge(void)
{
    struct scripted scripted;
    scripted_init(&scripted);
    atomic_store(&scripted.held, true);
    ccol_collector_options options = usual_options(CCOL_ACK_QUEUED);
    options.spool_max_reports = 3;
    ccol_collector *collector = open_with(&options, scripted_storage(&scripted, &plain_ops));
    for (int i = 0; i < 3; i++)
        CHECK_INT(submit(collector), 0);
    CHECK_INT(submit(collector), CCOL_EFULL);
    CHECK_INT(stats_of(collector).queued, 3);
    for (int i = 0; i < 3; i++)
        sem_post(&scripted.go);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    ccol_collector_free(collector);
}

int main(void)
{
    RUN(memory_and_counts_come_back);
    RUN(who_waits_is_answered_when_the_collector_ends);
    RUN(patience_ends_also_behind_a_closed_gate);
    RUN(without_threads_the_end_answers_too);
    RUN(the_hosts_loop_does_the_work);
    RUN(a_failed_flush_saves_again);
    RUN(a_failed_flush_makes_a_tee_save_again);
    RUN(a_dead_storage_makes_no_other_save_twice);
    RUN(a_full_queue_takes_reports_again);
    RUN(what_can_never_be_kept_shuts_out_nobody);
    RUN(a_retry_that_is_refused_again_loses_nothing);
    RUN(what_is_only_queued_is_kept_when_there_is_a_spool);
    RUN(a_killed_process_loses_nothing);
    RUN(limits_hold_exactly_at_the_edge);
    fixture_remove();
    return check_done();
}
