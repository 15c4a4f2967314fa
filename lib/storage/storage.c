/* SPDX-License-Identifier: MIT */
#include "storage/storage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int ccol_storage_new(ccol_storage **out, const ccol_storage_ops *ops, void *self, ccol_error *err)
{
    ccol_storage_ops known;
    int code = ccol__struct_in(&known, sizeof known, ops, "ccol_storage_ops", err);
    if (code) return code;
    if (!known.save) return ccol_fail(err, -EINVAL, "ccol_storage_ops.save is required");
    ccol_storage *storage = calloc(1, sizeof *storage);
    if (!storage) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    atomic_init(&storage->references, 1);
    snprintf(storage->name, sizeof storage->name, "%s", known.name ? known.name : "custom");
    storage->ops = known;
    storage->ops.name = storage->name;
    storage->self = self;
    *out = storage;
    return 0;
}

ccol_storage *ccol_storage_ref(ccol_storage *storage)
{
    if (storage) atomic_fetch_add_explicit(&storage->references, 1, memory_order_relaxed);
    return storage;
}

void ccol_storage_unref(ccol_storage *storage)
{
    if (!storage || atomic_fetch_sub_explicit(&storage->references, 1, memory_order_acq_rel) != 1) return;
    if (storage->ops.destroy) storage->ops.destroy(storage->self);
    free(storage->place);
    free(storage);
}

const char *ccol_storage_name(const ccol_storage *storage)
{
    return storage->name;
}

/* A method that failed without a word still gets one. */
static int with_text(const ccol_storage *storage, int code, ccol_error *err)
{
    if (code > 0) code = -EIO; /* not a code: a class that returned true for failure */
    if (code && err && !err->text[0]) return ccol_fail(err, code, "the storage %s failed", storage->name);
    if (code && err) err->code = code;
    return code;
}

int ccol_storage_save(ccol_storage *storage, const ccol_report *report, ccol_error *err)
{
    return with_text(storage, storage->ops.save(storage->self, report, err), err);
}

int ccol__storage_set_place(ccol_storage *storage, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vasprintf(&storage->place, format, args);
    va_end(args);
    if (length < 0) storage->place = NULL;
    return length < 0 ? -ENOMEM : 0;
}

size_t ccol__storage_parts(ccol_storage *const *storage, ccol_storage *const **out)
{
    if ((*storage)->parts) return (*storage)->parts((*storage)->self, out);
    *out = storage;
    return 1;
}

static bool has_file(const ccol_report *report, const char *name)
{
    ccol_file file = {.size = sizeof file};
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++) {
        if (strcmp(file.name, name) == 0) return true;
    }
    return false;
}

bool ccol__storage_collides(ccol_storage *const *storage, const ccol_report *report)
{
    ccol_storage *const *parts;
    size_t count = ccol__storage_parts(storage, &parts);
    bool renames = false;
    for (size_t i = 0; i < count; i++)
        renames = renames || parts[i]->renames_minidump;
    return renames && has_file(report, "dump") && has_file(report, "upload_file_minidump");
}

bool ccol__storage_needs_sync(const ccol_storage *storage)
{
    return storage->ops.sync != NULL;
}

bool ccol__storage_has_check(const ccol_storage *storage)
{
    return storage->ops.check != NULL;
}

int ccol_storage_sync(ccol_storage *storage, ccol_error *err)
{
    return storage->ops.sync ? with_text(storage, storage->ops.sync(storage->self, err), err) : 0;
}

int ccol_storage_verify(ccol_storage *storage, ccol_error *err)
{
    return storage->ops.verify ? with_text(storage, storage->ops.verify(storage->self, err), err) : 0;
}

int ccol_storage_check(ccol_storage *storage, ccol_error *err)
{
    return storage->ops.check ? with_text(storage, storage->ops.check(storage->self, err), err) : 0;
}

int ccol_storage_load(ccol_storage *storage, const char *crash_id, ccol_report **out, ccol_error *err)
{
    if (!storage->ops.load) return ccol_fail(err, -ENOTSUP, "the storage %s cannot load", storage->name);
    return with_text(storage, storage->ops.load(storage->self, crash_id, out, err), err);
}

int ccol_storage_list(ccol_storage *storage, int (*each)(void *user, const char *crash_id), void *user, ccol_error *err)
{
    if (!storage->ops.list) return ccol_fail(err, -ENOTSUP, "the storage %s cannot list", storage->name);
    return storage->ops.list(storage->self, each, user, err);
}
