/* SPDX-License-Identifier: MIT */
/* Several storages behind one queue: what holds one of them back, or what it refuses, is no matter of the others. */
#include <crashcollect.h>
#include <errno.h>
#include <stdatomic.h>

#include "fixture.h"

#define DRAIN_MS    (FIXTURE_DEADLINE_S * 1000)
#define NEVER_MS    600000
#define NEVER_S     600
#define CRASHMOVERS 2

/* A storage that does as it is told. `held`: each save waits for a post to `go`. */
struct part {
    atomic_int saves, calls, code;
    atomic_uint retry_after_s;
    atomic_bool held;
    sem_t entered, saved, go;
};

static atomic_int published;

static int part_save(void *self, const ccol_report *report, ccol_error *err)
{
    struct part *part = self;
    (void)report;
    atomic_fetch_add(&part->calls, 1);
    sem_post(&part->entered);
    if (atomic_load(&part->held) && !fixture_happens(&part->go)) abort();
    int code = atomic_load(&part->code);
    if (code) {
        ccol_fail(err, code, "told to fail");
        err->retry_after_s = atomic_load(&part->retry_after_s);
        return code;
    }
    atomic_fetch_add(&part->saves, 1);
    sem_post(&part->saved);
    return 0;
}

static int part_check(void *self, ccol_error *err)
{
    (void)self;
    (void)err;
    return 0; /* always well, as a rate-limited far end is */
}

static int count_published(void *self, const char *crash_id, ccol_error *err)
{
    (void)self;
    (void)crash_id;
    (void)err;
    atomic_fetch_add(&published, 1);
    return 0;
}

static void part_init(struct part *part)
{
    memset(part, 0, sizeof *part);
    sem_init(&part->entered, 0, 0);
    sem_init(&part->saved, 0, 0);
    sem_init(&part->go, 0, 0);
}

static ccol_storage *part_storage(struct part *part, const char *name)
{
    ccol_storage *storage = NULL;
    const ccol_storage_ops ops = {.size = sizeof ops, .name = name, .save = part_save, .check = part_check};
    REQUIRE(ccol_storage_new(&storage, &ops, part, NULL) == 0);
    return storage;
}

/* A collector that gives each report to the parts, whose names are single letters. */
static ccol_collector *open_tee(struct part *const *parts, const char *names)
{
    const ccol_publisher_ops herald = {.size = sizeof herald, .name = "herald", .publish = count_published};
    ccol_collector_options options = {.size = sizeof options,
                                      .spool_dir = fixture_folder,
                                      .spool_segment_bytes = UINT64_C(1) << 20,
                                      .crashmovers = CRASHMOVERS,
                                      .check_period_ms = 10,
                                      .retry_first_ms = 1,
                                      .retry_max_ms = 2};
    ccol_storage *storages[8];
    size_t count = strlen(names);
    for (size_t i = 0; i < count; i++)
        storages[i] = part_storage(parts[i], (char[]){names[i], '\0'});
    atomic_store(&published, 0);
    REQUIRE(ccol_storage_new_tee(&options.storage, storages, count, NULL) == 0);
    REQUIRE(ccol_publisher_new(&options.publisher, &herald, NULL, NULL) == 0);
    ccol_collector *collector = NULL;
    REQUIRE(ccol_collector_new(&collector, &options, NULL) == 0);
    ccol_storage_unref(options.storage);
    ccol_publisher_unref(options.publisher);
    for (size_t i = 0; i < count; i++)
        ccol_storage_unref(storages[i]);
    return collector;
}

static void submit(ccol_collector *collector, int times)
{
    for (int i = 0; i < times; i++) {
        ccol_report *report = fixture_report(10);
        REQUIRE(ccol_collector_submit(collector, report, NULL, NULL) == 0);
        ccol_report_unref(report);
    }
}

static void wait_saved(struct part *part, int times)
{
    for (int i = 0; i < times; i++)
        REQUIRE(fixture_happens(&part->saved));
}

static void a_rate_limited_storage_holds_no_other_back(void)
{
    struct part well, limited;
    fixture_fresh("test_tee");
    part_init(&well);
    part_init(&limited);
    atomic_store(&limited.code, CCOL_EREMOTE);
    atomic_store(&limited.retry_after_s, NEVER_S);
    ccol_collector *collector = open_tee((struct part *[]){&limited, &well}, "lw");
    submit(collector, 50);
    wait_saved(&well, 50);
    submit(collector, 50);
    wait_saved(&well, 50);
    CHECK(limited.calls >= 1);
    CHECK(limited.calls <= 1 + CRASHMOVERS); /* those that were under way; health found it well many times since */
    CHECK_INT(published, 0);
    ccol_collector_free(collector);

    part_init(&limited);
    collector = open_tee((struct part *[]){&limited, &well}, "lw");
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(limited.saves, 100);
    CHECK_INT(well.saves, 100); /* nothing twice */
    CHECK_INT(published, 100);
    ccol_collector_free(collector);
}

/* Its saves do not come back: it has all the crashmovers it may have. */
static void a_storage_that_hangs_holds_no_other_back(void)
{
    struct part hanging, well, other;
    fixture_fresh("test_tee");
    part_init(&hanging);
    part_init(&well);
    part_init(&other);
    atomic_store(&hanging.held, true);
    ccol_collector *collector = open_tee((struct part *[]){&hanging, &well, &other}, "hwo");
    submit(collector, 50);
    for (int i = 0; i < CRASHMOVERS; i++)
        REQUIRE(fixture_happens(&hanging.entered));
    wait_saved(&well, 50);
    wait_saved(&other, 50);
    CHECK_INT(hanging.calls, CRASHMOVERS);
    atomic_store(&hanging.held, false);
    for (int i = 0; i < CRASHMOVERS; i++)
        sem_post(&hanging.go);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(hanging.saves, 50);
    CHECK_INT(well.saves + other.saves, 100);
    CHECK_INT(published, 50);
    ccol_collector_free(collector);
}

static void a_dead_storage_holds_no_other_back(void)
{
    struct part dead, well;
    fixture_fresh("test_tee");
    part_init(&dead);
    part_init(&well);
    atomic_store(&dead.code, -EIO);
    ccol_collector *collector = open_tee((struct part *[]){&dead, &well}, "dw");
    submit(collector, 200);
    wait_saved(&well, 200);
    CHECK_INT(published, 0);
    atomic_store(&dead.code, 0);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(dead.saves, 200);
    CHECK_INT(well.saves, 200);
    CHECK_INT(published, 200);
    ccol_collector_free(collector);
}

/* The storages come in another order, and one is new, while the spool holds reports that some have. */
static void other_settings_skip_no_storage(void)
{
    struct part first, second, third;
    fixture_fresh("test_tee");
    part_init(&first);
    part_init(&second);
    part_init(&third);
    atomic_store(&second.code, -EIO);
    ccol_collector *collector = open_tee((struct part *[]){&first, &second}, "ab");
    submit(collector, 20);
    wait_saved(&first, 20);
    ccol_collector_free(collector);

    atomic_store(&second.code, 0);
    collector = open_tee((struct part *[]){&second, &third, &first}, "bca");
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(first.saves, 20);
    CHECK_INT(second.saves, 20);
    CHECK_INT(third.saves, 20);
    CHECK_INT(published, 20);
    ccol_collector_free(collector);
}

/* The one that still lacked the reports is gone from the settings: they are as good as saved, and are published. */
static void a_storage_that_is_gone_is_not_waited_for(void)
{
    struct part kept, gone;
    fixture_fresh("test_tee");
    part_init(&kept);
    part_init(&gone);
    atomic_store(&gone.code, -EIO);
    ccol_collector *collector = open_tee((struct part *[]){&gone, &kept}, "gk");
    submit(collector, 5);
    wait_saved(&kept, 5);
    ccol_collector_free(collector);
    collector = open_tee((struct part *[]){&kept}, "k");
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    CHECK_INT(kept.saves, 5);
    CHECK_INT(published, 5);
    ccol_collector_free(collector);
}

static int count_failed(void *user, const ccol_spooled *spooled)
{
    *(int *)user += strcmp(spooled->state, "failed") == 0;
    return 0;
}

static void what_one_refuses_the_others_have(void)
{
    for (int all = 0; all < 2; all++) {
        struct part refusing, other;
        int failed = 0;
        fixture_fresh("test_tee");
        part_init(&refusing);
        part_init(&other);
        atomic_store(&refusing.code, CCOL_EREJECTED);
        atomic_store(&other.code, all ? CCOL_ETOOLARGE : 0);
        ccol_collector *collector = open_tee((struct part *[]){&refusing, &other}, "ro");
        submit(collector, 3);
        CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
        CHECK_INT(refusing.calls, 3);
        CHECK_INT(other.saves, all ? 0 : 3);
        CHECK_INT(published, all ? 0 : 3); /* where none has it there is nothing to be told */
        CHECK_INT(ccol_spool_each(fixture_folder, count_failed, &failed, NULL), 0);
        CHECK_INT(failed, 3);
        ccol_collector_free(collector);
    }
}

/* Ack stored: who waits is told as soon as one of them refuses, and only once. */
static void who_waits_hears_of_the_refusal(void)
{
    struct part refusing, held;
    fixture_fresh("test_tee");
    part_init(&refusing);
    part_init(&held);
    atomic_store(&refusing.code, CCOL_EREJECTED);
    ccol_storage *storages[] = {part_storage(&refusing, "r"), part_storage(&held, "h")};
    ccol_collector_options options = {
        .size = sizeof options, .ack = CCOL_ACK_STORED, .crashmovers = 1, .retry_first_ms = NEVER_MS};
    REQUIRE(ccol_storage_new_tee(&options.storage, storages, 2, NULL) == 0);
    ccol_collector *collector = NULL;
    REQUIRE(ccol_collector_new(&collector, &options, NULL) == 0);
    ccol_report *report = fixture_report(10);
    ccol_error err = {0};
    CHECK_INT(ccol_collector_submit(collector, report, NULL, &err), CCOL_EREJECTED);
    CHECK(strstr(err.text, "told to fail"));
    ccol_report_unref(report);
    CHECK_INT(ccol_collector_drain(collector, DRAIN_MS), 0);
    ccol_collector_free(collector);
    ccol_storage_unref(options.storage);
    ccol_storage_unref(storages[0]);
    ccol_storage_unref(storages[1]);
}

int main(void)
{
    RUN(a_rate_limited_storage_holds_no_other_back);
    RUN(a_storage_that_hangs_holds_no_other_back);
    RUN(a_dead_storage_holds_no_other_back);
    RUN(other_settings_skip_no_storage);
    RUN(a_storage_that_is_gone_is_not_waited_for);
    RUN(what_one_refuses_the_others_have);
    RUN(who_waits_hears_of_the_refusal);
    fixture_remove();
    return check_done();
}
