/* SPDX-License-Identifier: MIT */
/* A storage from the inside. */
#ifndef CCOL_STORAGE_STORAGE_H
#define CCOL_STORAGE_STORAGE_H

#include <stdatomic.h>

#include <crashcollect/storage.h>

#define STORAGE_NAME_MAX 63
#define TEE_MAX          32

struct ccol_storage {
    atomic_uint references;
    char name[STORAGE_NAME_MAX + 1];
    char *place;           /* where it keeps reports, NULL: the name says all */
    bool renames_minidump; /* upload_file_minidump is kept as dump, which no other file may be called then */
    ccol_storage_ops ops;
    void *self;
    size_t (*parts)(void *self, ccol_storage *const **out); /* of a tee; NULL: it is one part */
};

/* Says where a storage keeps reports: the same text after every start as long as it is the same place, without secrets.
 * The spool remembers by name and place which storage has a report already. -ENOMEM. */
int ccol__storage_set_place(ccol_storage *storage, const char *format, ...) CCOL_PRINTF(2, 3);
/* The storages a report goes to, each on its own: those of a tee (at most TEE_MAX), else the storage itself. Borrowed.
 */
size_t ccol__storage_parts(ccol_storage *const *storage, ccol_storage *const **out);
/* Whether what was saved needs a sync to be durable. */
bool ccol__storage_needs_sync(const ccol_storage *storage);
/* Whether its check says anything: a class without one is always well. */
bool ccol__storage_has_check(const ccol_storage *storage);
/* Whether two files of the report would have one place in a storage that keeps upload_file_minidump as dump. */
bool ccol__storage_collides(ccol_storage *const *storage, const ccol_report *report);

#endif
