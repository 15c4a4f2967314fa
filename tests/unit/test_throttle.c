/* SPDX-License-Identifier: MIT */
#include "annotated.h"
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

#include <crashcollect/throttle.h>

static ccol_throttle *new_named(const char *name)
{
    ccol_error err = {0};
    ccol_throttle *throttle = NULL;
    if (ccol_throttle_new_named(&throttle, name, &err) != 0) fprintf(stderr, "%s\n", err.text);
    REQUIRE(throttle != NULL);
    return throttle;
}

static ccol_throttle *new_from(const char *rules)
{
    ccol_error err = {0};
    ccol_throttle *throttle = NULL;
    if (ccol_throttle_new(&throttle, rules, strlen(rules), &err) != 0) fprintf(stderr, "%s\n", err.text);
    REQUIRE(throttle != NULL);
    return throttle;
}

static ccol_decision decide(ccol_throttle *throttle, const char *annotations)
{
    ccol_report *report = new_report(annotations);
    ccol_decision decision = {.size = sizeof decision, .verdict = CCOL_CONTINUE};
    ccol_throttle_decide(throttle, report, &decision);
    ccol_report_unref(report);
    return decision;
}

struct told {
    size_t count;
    char results[8][128];
};

static void tell(void *user, const char *rule, bool matched, const char *result)
{
    struct told *told = user;
    REQUIRE(told->count < 8);
    snprintf(told->results[told->count++], sizeof told->results[0], "%s %d %s", rule, matched, result);
}

#define COIN                                                                                                           \
    "{\"rules\": [{\"name\": \"coin\", \"result\": {\"percent\": 50, \"then\": \"accept\", \"else\": \"defer\"}}]}"

/* The verdicts of 64 draws as bits. */
static uint64_t draw_64(ccol_throttle *throttle, const ccol_report *report)
{
    uint64_t bits = 0;
    for (int i = 0; i < 64; i++) {
        ccol_decision decision = {.size = sizeof decision};
        ccol_throttle_decide(throttle, report, &decision);
        bits = bits << 1 | (decision.verdict == CCOL_DEFER);
    }
    return bits;
}

static void draws_repeat_with_a_seed_only(void)
{
    ccol_throttle *throttle = new_from(COIN), *other = new_from(COIN);
    ccol_report *report = new_report("{}");
    ccol_throttle_seed(throttle, 7);
    uint64_t first = draw_64(throttle, report);
    ccol_throttle_seed(throttle, 7);
    CHECK(draw_64(throttle, report) == first);
    ccol_throttle_seed(throttle, 8);
    CHECK(draw_64(throttle, report) != first);
    ccol_throttle_seed(throttle, 0);
    CHECK(draw_64(throttle, report) != draw_64(other, report)); /* wrong once in 2^64 runs */
    ccol_report_unref(report);
    ccol_throttle_unref(throttle);
    ccol_throttle_unref(other);
}

static void no_match(void)
{
    ccol_throttle *throttle = new_from("{\"rules\": [{\"name\": \"one\", \"when\": {\"key\": \"A\", \"is\": \"x\"}, "
                                       "\"result\": \"defer\"}, {\"name\": \"two\", \"result\": \"continue\"}]}");
    ccol_decision decision = decide(throttle, "{\"A\": \"y\"}");
    CHECK_TEXT(decision.rule, "NO_MATCH");
    CHECK_INT(decision.verdict, CCOL_REJECT);
    decision = decide(throttle, "{\"A\": \"x\"}");
    CHECK_TEXT(decision.rule, "one");
    CHECK_INT(decision.verdict, CCOL_DEFER);
    ccol_throttle_unref(throttle);
}

static void named_sets(void)
{
    ccol_error err = {0};
    ccol_throttle *throttle = new_named("accept-all");
    CHECK_INT(ccol_throttle_rule_count(throttle), 1);
    ccol_decision decision = decide(throttle, "{}");
    CHECK_TEXT(decision.rule, "accept_everything");
    CHECK_INT(decision.verdict, CCOL_ACCEPT);
    ccol_throttle_unref(throttle);

    CHECK_INT(ccol_throttle_new_named(&throttle, "/nowhere/rules.json", &err), -ENOENT);
    CHECK(strstr(err.text, "accept-all and mozilla") != NULL);
    CHECK(throttle == NULL);
    CHECK(ccol_throttle_new_named(&throttle, "/", &err) < 0);
    CHECK_INT(ccol_throttle_new_named(&throttle, NULL, &err), -EINVAL);
    CHECK_INT(ccol_throttle_new(&throttle, NULL, 0, NULL), -EINVAL);
}

static void rules_from_a_file(void)
{
    char path[] = "/tmp/test_throttle_XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    REQUIRE(write(fd, COIN, strlen(COIN)) == (ssize_t)strlen(COIN));
    ccol_throttle *throttle = new_named(path);
    CHECK_INT(ccol_throttle_rule_count(throttle), 1);
    ccol_throttle_unref(throttle);
    REQUIRE(write(fd, "]", 1) == 1);
    ccol_error err = {0};
    CHECK_INT(ccol_throttle_new_named(&throttle, path, &err), CCOL_EFORMAT);
    CHECK(strstr(err.text, path) != NULL && strstr(err.text, "not JSON") != NULL);
    close(fd);
    unlink(path);
}

static ccol_verdict by_digit(void *user, const ccol_report *report)
{
    ++*(int *)user;
    const char *digit = ccol_report_annotation(report, "Digit");
    return digit ? (ccol_verdict)(digit[0] - '0') : CCOL_CONTINUE;
}

static void count_end(void *user)
{
    *(int *)user += 1000;
}

/* The callback's data may go when its throttle does, and not before; a throttle that was never made leaves it alone. */
static void callback_ends(void)
{
    int calls = 0;
    ccol_throttle *throttle = NULL;
    CHECK_INT(ccol_throttle_new_callback(&throttle, "not a name", by_digit, &calls, count_end, NULL, NULL), -EINVAL);
    REQUIRE(ccol_throttle_new_callback(&throttle, "mine", by_digit, &calls, count_end, NULL, NULL) == 0);
    ccol_throttle_ref(throttle);
    ccol_throttle_unref(throttle);
    CHECK_INT(calls, 0);
    ccol_throttle_unref(throttle);
    CHECK_INT(calls, 1000);
}

static void callbacks(void)
{
    int calls = 0;
    ccol_error err = {0};
    ccol_throttle *first = NULL, *second = NULL, *mozilla = new_named("mozilla");
    REQUIRE(ccol_throttle_new_callback(&first, "mine", by_digit, &calls, NULL, NULL, &err) == 0);
    CHECK_INT(ccol_throttle_rule_count(first), 2);
    ccol_decision decision = decide(first, "{\"Digit\": \"3\"}");
    CHECK_TEXT(decision.rule, "mine");
    CHECK_INT(decision.verdict, CCOL_FAKEACCEPT);
    decision = decide(first, "{\"Digit\": \"4\"}");
    CHECK_TEXT(decision.rule, "accept_everything");
    CHECK_INT(decision.verdict, CCOL_ACCEPT);
    decision = decide(first, "{\"Digit\": \"9\"}"); /* no verdict at all */
    CHECK_TEXT(decision.rule, "accept_everything");
    decision = decide(first, "{\"Digit\": \"!\"}"); /* negative */
    CHECK_TEXT(decision.rule, "accept_everything");
    CHECK_INT(calls, 4);
    ccol_throttle_unref(first);

    REQUIRE(ccol_throttle_new_callback(&first, "mine", by_digit, &calls, NULL, mozilla, &err) == 0);
    REQUIRE(ccol_throttle_new_callback(&second, "before_mine", by_digit, &calls, NULL, first, &err) == 0);
    ccol_throttle_unref(first);
    ccol_throttle_unref(mozilla);
    CHECK_INT(ccol_throttle_rule_count(second), 16 + 2);
    decision = decide(second, "{\"ProductName\": \"b2g\"}");
    CHECK_TEXT(decision.rule, "b2g");
    decision = decide(second, "{\"ProductName\": \"b2g\", \"Digit\": \"1\"}");
    CHECK_TEXT(decision.rule, "before_mine");
    CHECK_INT(decision.verdict, CCOL_DEFER);
    ccol_throttle_seed(second, 7);
    ccol_throttle_unref(second);

    CHECK_INT(ccol_throttle_new_callback(&first, "not a name", by_digit, NULL, NULL, NULL, &err), -EINVAL);
    CHECK_INT(ccol_throttle_new_callback(&first, "NO_MATCH", by_digit, NULL, NULL, NULL, &err), -EINVAL);
    CHECK_INT(ccol_throttle_new_callback(&first, "mine", NULL, NULL, NULL, NULL, &err), -EINVAL);
}

#define EXPLAINED                                                                                                      \
    "{\"rules\": [{\"name\": \"one\", \"when\": {\"key\": \"A\", \"is\": \"x\"}, \"result\": \"reject\"}, "            \
    "{\"name\": \"two\", \"result\": {\"percent\": 12.5, \"then\": \"continue\", \"else\": \"defer\"}}, "              \
    "{\"name\": \"three\", \"result\": \"accept\"}]}"

/* Explains seed after seed until both results of rule two were seen. */
static void explanations(void)
{
    static const char tail[] = " of 100: up to 12.5 continue, else defer)";
    int calls = 0, deferred = 0, continued = 0;
    ccol_throttle *rules = new_from(EXPLAINED), *throttle = NULL;
    REQUIRE(ccol_throttle_new_callback(&throttle, "mine", by_digit, &calls, NULL, rules, NULL) == 0);
    ccol_report *report = new_report("{\"A\": \"y\"}");
    for (uint64_t seed = 1; seed < 200 && !(deferred && continued); seed++) {
        struct told told = {0};
        ccol_decision decision = {.size = sizeof decision};
        ccol_throttle_seed(throttle, seed);
        ccol_throttle_explain(throttle, report, &decision, tell, &told);
        REQUIRE(told.count >= 3);
        CHECK_TEXT(told.results[0], "mine 0 continue");
        CHECK_TEXT(told.results[1], "one 0 ");
        CHECK(strstr(told.results[2], tail) != NULL);
        if (strncmp(told.results[2], "two 1 continue (drew ", 21) == 0) {
            continued++;
            CHECK_INT(told.count, 4);
            CHECK_TEXT(told.results[3], "three 1 accept");
            CHECK_TEXT(decision.rule, "three");
        } else {
            deferred++;
            CHECK(strncmp(told.results[2], "two 1 defer (drew ", 18) == 0);
            CHECK_INT(told.count, 3);
            CHECK_TEXT(decision.rule, "two");
            CHECK_INT(decision.verdict, CCOL_DEFER);
        }
    }
    CHECK(deferred && continued);
    ccol_report_unref(report);
    ccol_throttle_unref(throttle);
    ccol_throttle_unref(rules);
}

/* A caller built against an older, shorter decision gets only what it knows. */
static void short_decisions(void)
{
    struct {
        ccol_decision decision;
        char guard;
    } given;
    memset(&given, 'x', sizeof given);
    given.decision.size = offsetof(ccol_decision, rule);
    ccol_throttle *throttle = new_named("accept-all");
    ccol_report *report = new_report("{}");
    ccol_throttle_decide(throttle, report, &given.decision);
    CHECK_INT(given.decision.verdict, CCOL_ACCEPT);
    CHECK_INT(given.decision.size, offsetof(ccol_decision, rule));
    CHECK_INT(given.decision.rule[0], 'x');
    ccol_report_unref(report);
    ccol_throttle_unref(throttle);
}

enum { THREADS = 4, DRAWS = 20000 };

struct decider {
    ccol_throttle *throttle;
    ccol_report *report;
    int accepted;
};

static void *decide_often(void *user)
{
    struct decider *decider = user;
    ccol_throttle *throttle = ccol_throttle_ref(decider->throttle);
    for (int i = 0; i < DRAWS; i++) {
        ccol_decision decision = {.size = sizeof decision};
        ccol_throttle_decide(throttle, decider->report, &decision);
        if (decision.verdict == CCOL_ACCEPT) decider->accepted++;
    }
    ccol_throttle_unref(throttle);
    return NULL;
}

/* Four threads share one generator: the draws are those one thread would have made, in whatever order. */
static void threads_share_the_draws(void)
{
    ccol_throttle *throttle = new_from(COIN);
    ccol_report *report = new_report("{}");
    pthread_t threads[THREADS];
    struct decider deciders[THREADS];
    int accepted = 0, expected = 0;
    ccol_throttle_seed(throttle, 11);
    for (int i = 0; i < THREADS; i++) {
        deciders[i] = (struct decider){throttle, report, 0};
        REQUIRE(pthread_create(&threads[i], NULL, decide_often, &deciders[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        accepted += deciders[i].accepted;
    }
    ccol_throttle_seed(throttle, 11);
    for (int i = 0; i < THREADS * DRAWS; i++) {
        ccol_decision decision = {.size = sizeof decision};
        ccol_throttle_decide(throttle, report, &decision);
        if (decision.verdict == CCOL_ACCEPT) expected++;
    }
    CHECK_INT(accepted, expected);
    ccol_report_unref(report);
    ccol_throttle_unref(throttle);
}

int main(void)
{
    RUN(draws_repeat_with_a_seed_only);
    RUN(no_match);
    RUN(named_sets);
    RUN(rules_from_a_file);
    RUN(callbacks);
    RUN(callback_ends);
    RUN(explanations);
    RUN(short_decisions);
    RUN(threads_share_the_draws);
    return check_done();
}
