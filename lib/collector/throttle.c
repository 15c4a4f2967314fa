/* SPDX-License-Identifier: MIT */
#include <crashcollect/throttle.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "collector/rule_view.h"
#include "collector/rules.h"

#include "collector/embedded_rules.h" /* made by embed_rules.cmake from examples/rules */

/* Either rules, or one callback in front of another throttle. */
struct ccol_throttle {
    atomic_uint references;
    _Atomic uint64_t random; /* splitmix64 */
    struct rules *rules;
    char name[CCOL_RULE_NAME_MAX + 1];
    ccol_throttle_fn decide;
    void (*destroy)(void *user);
    void *user;
    ccol_throttle *then;
};

typedef void (*explain_fn)(void *user, const char *rule, bool matched, const char *result);

static void seed(ccol_throttle *throttle, uint64_t value)
{
    if (value == 0 && !ccol__random_bytes(&value, sizeof value)) value = ccol__clock_monotonic_us();
    atomic_store_explicit(&throttle->random, value, memory_order_relaxed);
}

static ccol_throttle *new_throttle(void)
{
    ccol_throttle *throttle = calloc(1, sizeof *throttle);
    if (!throttle) return NULL;
    atomic_init(&throttle->references, 1);
    seed(throttle, 0);
    return throttle;
}

struct first_mistake {
    ccol_error *err;
    bool told;
};

static void keep_first(void *user, const char *mistake)
{
    struct first_mistake *first = user;
    if (!first->told) ccol_fail(first->err, CCOL_EFORMAT, "%s", mistake);
    first->told = true;
}

int ccol_throttle_new(ccol_throttle **out, const char *json, size_t length, ccol_error *err)
{
    if (!out || !json) return ccol_fail(err, -EINVAL, "out or json is NULL");
    *out = NULL;
    struct first_mistake first = {.err = err};
    ccol_throttle *throttle = new_throttle();
    int code = throttle ? ccol__rules_compile(&throttle->rules, json, length, keep_first, &first) : -ENOMEM;
    if (code) {
        ccol_throttle_unref(throttle);
        return first.told ? code : ccol_fail(err, code, "cannot compile the rules");
    }
    *out = throttle;
    return 0;
}

struct mistake_count {
    void (*tell)(void *user, const char *mistake);
    void *user;
    int count;
};

static void count_mistake(void *user, const char *mistake)
{
    struct mistake_count *counted = user;
    counted->count++;
    if (counted->tell) counted->tell(counted->user, mistake);
}

int ccol_throttle_check(const char *json, size_t length, void (*tell)(void *user, const char *mistake), void *user)
{
    struct mistake_count counted = {tell, user, 0};
    struct rules *rules;
    if (!json) return -EINVAL;
    int code = ccol__rules_compile(&rules, json, length, count_mistake, &counted);
    ccol__rules_free(rules);
    return code == CCOL_EFORMAT ? counted.count : code;
}

/* One byte more than the limit is read, so that the compiler sees what is too large. */
static int read_file(const char *path, char **text, size_t *length, ccol_error *err)
{
    auto_fclose FILE *file = fopen(path, "re");
    if (!file)
        return ccol_fail(err, -errno, "cannot open rules file %.100s (built-in sets are accept-all and mozilla)", path);
    auto_free char *bytes = malloc(RULES_FILE_MAX + 1);
    if (!bytes) return ccol_fail(err, -ENOMEM, "cannot read rules file %.100s", path);
    errno = 0;
    *length = fread(bytes, 1, RULES_FILE_MAX + 1, file);
    if (ferror(file)) return ccol_fail(err, errno ? -errno : -EIO, "cannot read rules file %.100s", path);
    *text = bytes;
    bytes = NULL;
    return 0;
}

int ccol_throttle_new_named(ccol_throttle **out, const char *name_or_path, ccol_error *err)
{
    if (!out || !name_or_path) return ccol_fail(err, -EINVAL, "out or name_or_path is NULL");
    *out = NULL;
    for (size_t i = 0; i < sizeof embedded_rules / sizeof embedded_rules[0]; i++) {
        if (strcmp(embedded_rules[i].name, name_or_path) == 0)
            return ccol_throttle_new(out, (const char *)embedded_rules[i].text, embedded_rules[i].length, err);
    }
    auto_free char *text = NULL;
    size_t length = 0;
    int code = read_file(name_or_path, &text, &length, err);
    if (code) return code;
    ccol_error mistake = {0};
    code = ccol_throttle_new(out, text, length, &mistake);
    return code ? ccol_fail(err, code, "rules file %.80s: %s", name_or_path, mistake.text) : 0;
}

int ccol_throttle_new_callback(ccol_throttle **out, const char *rule, ccol_throttle_fn decide, void *user,
                               void (*destroy)(void *user), ccol_throttle *then, ccol_error *err)
{
    if (!out || !rule || !decide) return ccol_fail(err, -EINVAL, "out, rule or decide is NULL");
    *out = NULL;
    size_t length = strlen(rule);
    if (!ccol__rule_name_is_valid(rule, length))
        return ccol_fail(err, -EINVAL, "a rule's name must be 1 to %d of A-Z, a-z, 0-9 and _, and not NO_MATCH",
                         CCOL_RULE_NAME_MAX);
    ccol_throttle *throttle = new_throttle();
    if (!throttle) return ccol_fail(err, -ENOMEM, "cannot make a throttle");
    memcpy(throttle->name, rule, length + 1);
    throttle->decide = decide;
    throttle->user = user;
    int code = 0;
    if (then)
        throttle->then = ccol_throttle_ref(then);
    else
        code = ccol_throttle_new_named(&throttle->then, "accept-all", err);
    if (code) {
        ccol_throttle_unref(throttle);
        return code;
    }
    throttle->destroy = destroy;
    *out = throttle;
    return 0;
}

ccol_throttle *ccol_throttle_ref(ccol_throttle *throttle)
{
    if (throttle) atomic_fetch_add_explicit(&throttle->references, 1, memory_order_relaxed);
    return throttle;
}

void ccol_throttle_unref(ccol_throttle *throttle)
{
    while (throttle && atomic_fetch_sub_explicit(&throttle->references, 1, memory_order_acq_rel) == 1) {
        ccol_throttle *then = throttle->then;
        if (throttle->destroy) throttle->destroy(throttle->user);
        ccol__rules_free(throttle->rules);
        free(throttle);
        throttle = then;
    }
}

void ccol_throttle_seed(ccol_throttle *throttle, uint64_t value)
{
    for (; throttle; throttle = throttle->then)
        seed(throttle, value);
}

size_t ccol_throttle_rule_count(const ccol_throttle *throttle)
{
    size_t count = 0;
    for (; throttle; throttle = throttle->then)
        count += throttle->decide ? 1 : throttle->rules->count;
    return count;
}

/* A number from 0 to 100, 100 itself left out. */
static double draw(ccol_throttle *throttle)
{
    uint64_t before = atomic_load_explicit(&throttle->random, memory_order_relaxed), after, number;
    do {
        after = before;
        number = ccol__random_next(&after);
    } while (!atomic_compare_exchange_weak_explicit(&throttle->random, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return (double)(number >> 11) * 0x1.0p-53 * 100;
}

static ccol_verdict ask_rule(ccol_throttle *throttle, const struct rule *rule, explain_fn tell, void *user)
{
    if (rule->percent >= 100) {
        if (tell) tell(user, rule->name, true, ccol__verdict_name(rule->then));
        return rule->then;
    }
    double drawn = draw(throttle);
    ccol_verdict verdict = drawn <= rule->percent ? rule->then : rule->otherwise;
    if (tell) {
        char result[96];
        snprintf(result, sizeof result, "%s (drew %.2f of 100: up to %g %s, else %s)", ccol__verdict_name(verdict),
                 drawn, rule->percent, ccol__verdict_name(rule->then), ccol__verdict_name(rule->otherwise));
        tell(user, rule->name, true, result);
    }
    return verdict;
}

static ccol_verdict ask_rules(ccol_throttle *throttle, const ccol_report *report, const char **name, explain_fn tell,
                              void *user)
{
    struct rule_view view;
    ccol_verdict verdict = CCOL_CONTINUE;
    ccol__rule_view_init(&view, report);
    for (size_t i = 0; i < throttle->rules->count && verdict == CCOL_CONTINUE; i++) {
        const struct rule *rule = &throttle->rules->rules[i];
        *name = rule->name;
        if (ccol__rule_view_matches(&view, rule))
            verdict = ask_rule(throttle, rule, tell, user);
        else if (tell)
            tell(user, rule->name, false, "");
    }
    ccol__rule_view_fini(&view);
    return verdict;
}

static ccol_verdict ask_callback(ccol_throttle *throttle, const ccol_report *report, const char **name, explain_fn tell,
                                 void *user)
{
    ccol_verdict verdict = throttle->decide(throttle->user, report);
    if ((unsigned)verdict > CCOL_CONTINUE) verdict = CCOL_CONTINUE; /* a host's slip must not refuse reports */
    *name = throttle->name;
    if (tell) tell(user, throttle->name, verdict != CCOL_CONTINUE, ccol__verdict_name(verdict));
    return verdict;
}

void ccol_throttle_explain(ccol_throttle *throttle, const ccol_report *report, ccol_decision *decision,
                           void (*tell)(void *user, const char *rule, bool matched, const char *result), void *user)
{
    ccol_decision made = {.size = sizeof made};
    ccol_verdict verdict = CCOL_CONTINUE;
    const char *name = "";
    for (; throttle && verdict == CCOL_CONTINUE; throttle = throttle->then)
        verdict = (throttle->decide ? ask_callback : ask_rules)(throttle, report, &name, tell, user);
    if (verdict == CCOL_CONTINUE) {
        verdict = CCOL_REJECT;
        name = "NO_MATCH";
    }
    made.verdict = verdict;
    memcpy(made.rule, name, strlen(name));
    ccol__struct_out(decision, &made, sizeof made);
}

void ccol_throttle_decide(ccol_throttle *throttle, const ccol_report *report, ccol_decision *decision)
{
    ccol_throttle_explain(throttle, report, decision, NULL, NULL);
}
