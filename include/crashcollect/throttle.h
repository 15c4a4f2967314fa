/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_THROTTLE_H
#define CRASHCOLLECT_THROTTLE_H

#include <crashcollect/report.h>

CCOL_BEGIN

/* The four results are also the seventh character from the end of a crash id. */
typedef enum ccol_verdict {
    CCOL_ACCEPT = 0,     /* save and publish */
    CCOL_DEFER = 1,      /* save, do not publish */
    CCOL_REJECT = 2,     /* tell the client which rule refused it; keep nothing */
    CCOL_FAKEACCEPT = 3, /* answer like ACCEPT; keep nothing */
    CCOL_CONTINUE = 4    /* only from rules and callbacks: go on with the next rule */
} ccol_verdict;

/* An ordered set of rules. Reference-counted and immutable: to change the rules, give the collector another one
 * (ccol_collector_set_throttle). */
typedef struct ccol_throttle ccol_throttle;

#define CCOL_RULE_NAME_MAX 63

typedef struct ccol_decision {
    size_t size;
    ccol_verdict verdict;              /* never CCOL_CONTINUE */
    char rule[CCOL_RULE_NAME_MAX + 1]; /* "NO_MATCH" (with REJECT) when no rule matched */
} ccol_decision;

/* A rule in C. Returns a verdict, CCOL_CONTINUE to let the rules after it decide; may be called by several threads. */
typedef ccol_verdict (*ccol_throttle_fn)(void *user, const ccol_report *report);

/* Rules from JSON text (crashcollectd(8) has the format). CCOL_EFORMAT names the rule and what is wrong with it. */
CCOL_API int ccol_throttle_new(ccol_throttle **out, const char *json, size_t length, ccol_error *err);
/* Tells every mistake in JSON text of rules, one line each (tell may be NULL), and returns how many there are; 0: the
 * rules are fine; -ENOMEM. */
CCOL_API int ccol_throttle_check(const char *json, size_t length, void (*tell)(void *user, const char *mistake),
                                 void *user);
/* Rules by the name of a built-in set ("accept-all", "mozilla") or from a file. */
CCOL_API int ccol_throttle_new_named(ccol_throttle **out, const char *name_or_path, ccol_error *err);
/* One rule in C, named `rule` ([A-Za-z0-9_]+), asked before `then`'s rules (NULL: whatever it lets pass is accepted
 * by the rule accept_everything). destroy (may be NULL) gets user once, after the last decision; if this function
 * fails it is not called. */
CCOL_API int ccol_throttle_new_callback(ccol_throttle **out, const char *rule, ccol_throttle_fn decide, void *user,
                                        void (*destroy)(void *user), ccol_throttle *then, ccol_error *err);
CCOL_API ccol_throttle *ccol_throttle_ref(ccol_throttle *throttle);
CCOL_API void ccol_throttle_unref(ccol_throttle *throttle);

/* Makes percentages repeatable (tests); 0 goes back to the system's random numbers. Not thread-safe with decide. */
CCOL_API void ccol_throttle_seed(ccol_throttle *throttle, uint64_t seed);
CCOL_API size_t ccol_throttle_rule_count(const ccol_throttle *throttle);
/* Decides on a report. The caller sets decision->size. */
CCOL_API void ccol_throttle_decide(ccol_throttle *throttle, const ccol_report *report, ccol_decision *decision);
/* The same, and calls tell() once per rule looked at, in order: for `crashcollectd rules explain`. result is "" when
 * the rule did not match, else what came out of it, for a person: "reject", or "continue (drew 3.14 of 100: up to 10
 * continue, else reject)". */
CCOL_API void ccol_throttle_explain(ccol_throttle *throttle, const ccol_report *report, ccol_decision *decision,
                                    void (*tell)(void *user, const char *rule, bool matched, const char *result),
                                    void *user);

CCOL_END
#endif
