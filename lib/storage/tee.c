/* SPDX-License-Identifier: MIT */
/* Several storages at once. The save queue looks at the parts and brings each report to every one on its own, so that a
 * dead one neither holds up the others nor makes them save twice; what is here serves who calls a tee directly. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/storage.h"

struct tee {
    size_t count;
    ccol_storage *storages[TEE_MAX];
};

/* Keeps the failure that must decide: one that may pass comes before one that is for good, so that the caller tries
 * again until every storage that can take it has it. */
static void keep_worst(int *worst, ccol_error *worst_error, int code, const ccol_error *error)
{
    bool first = *worst == 0;
    bool outranks = ccol_error_is_permanent(*worst) && !ccol_error_is_permanent(code);
    if (!first && !outranks) return;
    *worst = code;
    *worst_error = *error;
}

static int save(void *self, const ccol_report *report, ccol_error *err)
{
    struct tee *tee = self;
    int worst = 0;
    ccol_error worst_error = {0};
    for (size_t i = 0; i < tee->count; i++) {
        ccol_error error = {0};
        int code = ccol_storage_save(tee->storages[i], report, &error);
        if (code) keep_worst(&worst, &worst_error, code, &error);
    }
    if (worst && err) *err = worst_error;
    return worst;
}

static size_t parts(void *self, ccol_storage *const **out)
{
    const struct tee *tee = self;
    *out = tee->storages;
    return tee->count;
}

/* Asks every storage and reports the first that fails, by name. */
static int ask_all(struct tee *tee, int (*ask)(ccol_storage *storage, ccol_error *err), ccol_error *err)
{
    int result = 0;
    for (size_t i = 0; i < tee->count; i++) {
        ccol_error error = {0};
        int code = ask(tee->storages[i], &error);
        if (!code || result) continue;
        result = code;
        if (!err) continue;
        *err = error;
        snprintf(err->text, sizeof err->text, "%.60s: %.180s", ccol_storage_name(tee->storages[i]), error.text);
    }
    return result;
}

static int sync_all(void *self, ccol_error *err)
{
    return ask_all(self, ccol_storage_sync, err);
}

static int verify_all(void *self, ccol_error *err)
{
    return ask_all(self, ccol_storage_verify, err);
}

static int check_all(void *self, ccol_error *err)
{
    return ask_all(self, ccol_storage_check, err);
}

/* Reading back: the first storage that has it. */
static int load(void *self, const char *crash_id, ccol_report **out, ccol_error *err)
{
    struct tee *tee = self;
    int code = -ENOTSUP;
    for (size_t i = 0; i < tee->count; i++) {
        ccol_error error = {0};
        int failed = ccol_storage_load(tee->storages[i], crash_id, out, &error);
        if (!failed) return 0;
        if (code != -ENOTSUP) continue; /* the first that can load tells why not */
        code = failed;
        if (err) *err = error;
    }
    return code;
}

static int list(void *self, int (*each)(void *user, const char *crash_id), void *user, ccol_error *err)
{
    struct tee *tee = self;
    int code = -ENOTSUP;
    for (size_t i = 0; i < tee->count; i++) {
        code = ccol_storage_list(tee->storages[i], each, user, err);
        if (code != -ENOTSUP) return code;
    }
    return code;
}

static void destroy(void *self)
{
    struct tee *tee = self;
    for (size_t i = 0; i < tee->count; i++)
        ccol_storage_unref(tee->storages[i]);
    free(tee);
}

/* A tee among the storages counts as those it holds. */
static int add_storage(struct tee *tee, ccol_storage *const *storage, ccol_error *err)
{
    ccol_storage *const *inner;
    size_t count = ccol__storage_parts(storage, &inner);
    if (count > TEE_MAX - tee->count) return ccol_fail(err, -EINVAL, "a tee takes at most %d storages", TEE_MAX);
    for (size_t i = 0; i < count; i++)
        tee->storages[tee->count++] = ccol_storage_ref(inner[i]);
    return 0;
}

static bool any(const struct tee *tee, bool (*is)(const ccol_storage *storage))
{
    for (size_t i = 0; i < tee->count; i++) {
        if (is(tee->storages[i])) return true;
    }
    return false;
}

int ccol_storage_new_tee(ccol_storage **out, ccol_storage *const *storages, size_t count, ccol_error *err)
{
    if (count == 0 || count > TEE_MAX)
        return ccol_fail(err, -EINVAL, "a tee takes 1 to %d storages, not %zu", TEE_MAX, count);
    struct tee *tee = calloc(1, sizeof *tee);
    if (!tee) return ccol_fail(err, -ENOMEM, "cannot make a tee");
    int code = 0;
    for (size_t i = 0; !code && i < count; i++)
        code = storages[i] ? add_storage(tee, &storages[i], err)
                           : ccol_fail(err, -EINVAL, "storage %zu of the tee is NULL", i + 1);
    const ccol_storage_ops tee_ops = {.size = sizeof tee_ops,
                                      .name = "tee",
                                      .save = save,
                                      .sync = any(tee, ccol__storage_needs_sync) ? sync_all : NULL,
                                      .verify = verify_all,
                                      .check = any(tee, ccol__storage_has_check) ? check_all : NULL,
                                      .load = load,
                                      .list = list,
                                      .destroy = destroy};
    if (!code) code = ccol_storage_new(out, &tee_ops, tee, err);
    if (code)
        destroy(tee);
    else
        (*out)->parts = parts;
    return code;
}
