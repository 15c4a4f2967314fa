/* SPDX-License-Identifier: MIT */
#include "collector/checks.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"

#define CHECKS_MAX      64
#define CHECK_NAME_SIZE 64

struct check {
    char name[CHECK_NAME_SIZE];
    check_fn ask;
    void *user;
    const void *owner; /* NULL: the collector */
    int code;
    char text[sizeof((ccol_error *)0)->text];
    bool pending; /* asked, no answer yet */
    uint64_t asked_ms, answered_ms;
};

struct checks {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned period_ms, stall_after_ms;
    bool stopping;
    size_t count;
    struct check items[CHECKS_MAX];
    const void *asking; /* owner of the one that is being asked */
    pthread_t asker;
};

struct checks *ccol__checks_new(unsigned period_ms, unsigned stall_after_ms)
{
    struct checks *checks = calloc(1, sizeof *checks);
    if (!checks) return NULL;
    checks->period_ms = period_ms;
    checks->stall_after_ms = stall_after_ms;
    pthread_mutex_init(&checks->lock, NULL);
    ccol__cond_init(&checks->changed);
    return checks;
}

void ccol__checks_free(struct checks *checks)
{
    if (!checks) return;
    pthread_cond_destroy(&checks->changed);
    pthread_mutex_destroy(&checks->lock);
    free(checks);
}

int ccol__checks_add(struct checks *checks, const char *name, check_fn ask, void *user, const void *owner)
{
    pthread_mutex_lock(&checks->lock);
    bool room = checks->count < CHECKS_MAX;
    if (room) {
        struct check *check = &checks->items[checks->count++];
        *check = (struct check){.ask = ask, .user = user, .owner = owner};
        snprintf(check->name, sizeof check->name, "%s", name);
        check->answered_ms = ccol__clock_monotonic_ms();
    }
    pthread_mutex_unlock(&checks->lock);
    return room ? 0 : -ENOSPC;
}

void ccol__checks_remove(struct checks *checks, const void *owner)
{
    pthread_mutex_lock(&checks->lock);
    size_t kept = 0;
    for (size_t i = 0; i < checks->count; i++) {
        if (checks->items[i].owner != owner) checks->items[kept++] = checks->items[i];
    }
    checks->count = kept;
    while (checks->asking == owner && !pthread_equal(checks->asker, pthread_self()))
        pthread_cond_wait(&checks->changed, &checks->lock);
    pthread_mutex_unlock(&checks->lock);
}

static void keep_answer(struct check *check, int code, const ccol_error *err)
{
    check->code = code;
    snprintf(check->text, sizeof check->text, "%s", err->text[0] ? err->text : ccol_strerror(code));
    check->pending = false;
    check->answered_ms = ccol__clock_monotonic_ms();
}

/* Asks the index-th; under the lock, which is let go meanwhile. */
static void ask_one(struct checks *checks, size_t index)
{
    struct check asked = checks->items[index];
    checks->items[index].pending = true;
    checks->items[index].asked_ms = ccol__clock_monotonic_ms();
    checks->asking = asked.owner;
    checks->asker = pthread_self();
    pthread_mutex_unlock(&checks->lock);
    ccol_error err = {0};
    int code = asked.ask(asked.user, &err);
    pthread_mutex_lock(&checks->lock);
    checks->asking = NULL;
    pthread_cond_broadcast(&checks->changed);
    /* The list may have changed meanwhile. */
    for (size_t i = 0; i < checks->count; i++) {
        struct check *check = &checks->items[i];
        if (check->ask == asked.ask && check->user == asked.user && strcmp(check->name, asked.name) == 0)
            keep_answer(check, code, &err);
    }
}

void ccol__checks_run_once(struct checks *checks)
{
    pthread_mutex_lock(&checks->lock);
    for (size_t i = 0; i < checks->count && !checks->stopping; i++)
        ask_one(checks, i);
    pthread_mutex_unlock(&checks->lock);
}

void ccol__checks_run(struct checks *checks)
{
    pthread_mutex_lock(&checks->lock);
    while (!checks->stopping) {
        pthread_mutex_unlock(&checks->lock);
        ccol__checks_run_once(checks);
        pthread_mutex_lock(&checks->lock);
        uint64_t next_ms = ccol__clock_monotonic_ms() + checks->period_ms;
        while (!checks->stopping && ccol__clock_monotonic_ms() < next_ms)
            ccol__cond_wait_until(&checks->changed, &checks->lock, next_ms);
    }
    pthread_mutex_unlock(&checks->lock);
}

void ccol__checks_stop(struct checks *checks)
{
    pthread_mutex_lock(&checks->lock);
    checks->stopping = true;
    pthread_cond_broadcast(&checks->changed);
    pthread_mutex_unlock(&checks->lock);
}

unsigned ccol__checks_write_error(struct buffer *out, unsigned errors, const char *name, const char *text)
{
    if (!text[0]) return errors;
    ccol__buffer_text(out, errors ? ", {\"name\": " : "{\"name\": ");
    ccol__json_write_string(out, name, strlen(name));
    ccol__buffer_text(out, ", \"msg\": ");
    ccol__json_write_string(out, text, strlen(text));
    ccol__buffer_text(out, "}");
    return errors + 1;
}

unsigned ccol__checks_write_errors(struct checks *checks, struct buffer *out, uint64_t *age_ms)
{
    unsigned errors = 0;
    *age_ms = 0;
    pthread_mutex_lock(&checks->lock);
    uint64_t now = ccol__clock_monotonic_ms();
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *check = &checks->items[i];
        char stalled[80];
        const char *text = check->code ? check->text : NULL;
        if (check->pending && now - check->asked_ms >= checks->stall_after_ms) {
            snprintf(stalled, sizeof stalled, "no answer to the health check for %llu s",
                     (unsigned long long)(now - check->asked_ms) / 1000);
            text = stalled;
        }
        if (text) errors = ccol__checks_write_error(out, errors, check->name, text);
        if (now - check->answered_ms > *age_ms) *age_ms = now - check->answered_ms;
    }
    pthread_mutex_unlock(&checks->lock);
    return errors;
}
