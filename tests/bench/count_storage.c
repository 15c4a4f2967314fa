/* SPDX-License-Identifier: MIT */
/* The storage class of python_storage.py in C: counts reports and the bytes of their JSON and files. */
#include <crashcollect.h>
#include <stdatomic.h>

static atomic_ullong reports, bytes;

static int save(void *self, const ccol_report *report, ccol_error *err)
{
    (void)self;
    (void)err;
    size_t length = 0;
    ccol_file file = {.size = sizeof(file)};
    ccol_report_json(report, &length);
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++)
        length += file.length;
    atomic_fetch_add(&bytes, length);
    atomic_fetch_add(&reports, 1);
    return 0;
}

/* For Python, which opens this as a module. */
__attribute__((visibility("default"))) int bench_count_new(ccol_storage **out, ccol_error *err);
__attribute__((visibility("default"))) unsigned long long bench_count_reports(void);
__attribute__((visibility("default"))) unsigned long long bench_count_bytes(void);

int bench_count_new(ccol_storage **out, ccol_error *err)
{
    static const ccol_storage_ops ops = {.size = sizeof(ops), .name = "count", .save = save};
    atomic_store(&reports, 0);
    atomic_store(&bytes, 0);
    return ccol_storage_new(out, &ops, NULL, err);
}

unsigned long long bench_count_reports(void)
{
    return atomic_load(&reports);
}

unsigned long long bench_count_bytes(void)
{
    return atomic_load(&bytes);
}
