/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "queue/retry.h"

static void pauses_double_up_to_the_most(void)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 1000, .random = 1};
    const unsigned wanted[] = {100, 200, 400, 800, 1000, 1000};
    for (unsigned i = 0; i < 6; i++) {
        for (int k = 0; k < 100; k++) {
            uint64_t pause = ccol__backoff_pause_ms(&backoff, i + 1, 0);
            CHECK(pause >= wanted[i] / 2 && pause <= wanted[i]);
        }
    }
    CHECK(ccol__backoff_pause_ms(&backoff, UINT32_MAX, 0) <= 1000);
    CHECK_INT(ccol__backoff_pause_ms(&backoff, 1, 30), 30000);
    backoff = (struct backoff){.first_ms = UINT32_MAX, .max_ms = UINT32_MAX, .random = 1};
    CHECK(ccol__backoff_pause_ms(&backoff, 64, 0) <= UINT32_MAX);
    CHECK_INT(ccol__backoff_pause_ms(&backoff, 1, UINT32_MAX), UINT32_MAX * UINT64_C(1000));
}

static void a_gate_closes_and_lets_one_try(void)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 100, .random = 1};
    struct gate gate = {.threshold = 3};
    for (int i = 0; i < 2; i++)
        ccol__gate_failed(&gate, &backoff, 1000, 0);
    CHECK(ccol__gate_pass(&gate, 1000, 5000));
    CHECK(ccol__gate_pass(&gate, 1000, 5000));
    CHECK(!ccol__gate_succeeded(&gate, 6100));
    for (int i = 0; i < 3; i++)
        ccol__gate_failed(&gate, &backoff, 1000, 0);
    CHECK(!ccol__gate_pass(&gate, 1049, 5000));
    CHECK(ccol__gate_pass(&gate, 1100, 5000)); /* the probe */
    CHECK(!ccol__gate_pass(&gate, 6099, 5000));
    CHECK(ccol__gate_pass(&gate, 6100, 5000)); /* it never told */
    CHECK(ccol__gate_succeeded(&gate, 6100));
    CHECK(ccol__gate_pass(&gate, 6100, 5000));
    CHECK(!ccol__gate_succeeded(&gate, 6100));
}

static void a_pass_that_was_not_used_goes_to_the_next(void)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 100, .random = 1};
    struct gate gate = {.threshold = 1};
    ccol__gate_failed(&gate, &backoff, 1000, 0);
    REQUIRE(ccol__gate_pass(&gate, 1100, 5000));
    ccol__gate_unused(&gate, 1101);
    CHECK(ccol__gate_pass(&gate, 1101, 5000));
    CHECK(!ccol__gate_pass(&gate, 1101, 5000));
    CHECK(ccol__gate_succeeded(&gate, 6100));
    ccol__gate_unused(&gate, 2000); /* an open one stays open */
    CHECK(ccol__gate_pass(&gate, 2000, 5000) && ccol__gate_pass(&gate, 2000, 5000));
}

static void the_far_end_may_close_it_at_once(void)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 100, .random = 1};
    struct gate gate = {.threshold = 3};
    ccol__gate_failed(&gate, &backoff, 1000, 7);
    CHECK(!ccol__gate_pass(&gate, 7999, 100));
    CHECK(ccol__gate_pass(&gate, 8000, 100));
}

static void what_the_far_end_asked_for_is_kept(void)
{
    struct backoff backoff = {.first_ms = 100, .max_ms = 100, .random = 1};
    struct gate gate = {.threshold = 3};
    ccol__gate_failed(&gate, &backoff, 1000, 7);
    ccol__gate_failed(&gate, &backoff, 1500, 2); /* one that was under way: asks for less */
    CHECK(!ccol__gate_succeeded(&gate, 2000));   /* a health check, or one that was under way */
    ccol__gate_unused(&gate, 2000);
    CHECK(!ccol__gate_pass(&gate, 7999, 100));
    CHECK(ccol__gate_succeeded(&gate, 8000));
    CHECK(ccol__gate_pass(&gate, 8000, 100) && ccol__gate_pass(&gate, 8000, 100));
}

int main(void)
{
    RUN(pauses_double_up_to_the_most);
    RUN(a_gate_closes_and_lets_one_try);
    RUN(a_pass_that_was_not_used_goes_to_the_next);
    RUN(the_far_end_may_close_it_at_once);
    RUN(what_the_far_end_asked_for_is_kept);
    return check_done();
}
