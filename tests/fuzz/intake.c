/* SPDX-License-Identifier: MIT */
/* What Sentry's clients post, behind multipart and Content-Encoding. The first byte chooses the endpoint and the size
 * of the pieces; for a form the rest is its minidump and the three files of MessagePack, each behind its length.
 * Whatever comes is refused with a reason or makes a report whose minidump is one, and no memory stays behind. */
#include "collector/intake.h"

#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "report/record.h"

#define KEY "0123"

static const char *const keys[] = {KEY, NULL};
static const char *const paths[] = {"/api/1/minidump/", "/api/1/minidump/", "/api/1/envelope/", "/api/1/store/"};

static int add_files(ccol_report *report, const uint8_t *data, size_t size)
{
    static const char *const names[] = {"upload_file_minidump", "__sentryevent", "__sentrybreadcrumb1",
                                        "__sentrybreadcrumb2"};
    int code = 0;
    for (size_t i = 0; !code && i < 4 && size >= 2; i++) {
        size_t length = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (length > size) length = size;
        code = ccol_report_add_file(report, names[i], data, length);
        data += length;
        size -= length;
    }
    return code;
}

static bool begins(const ccol_file *file, const char *magic, size_t length)
{
    return file->length >= length && memcmp(file->data, magic, length) == 0;
}

static void check_report(ccol_report *report, bool has_dump)
{
    ccol_file file = {.size = sizeof file};
    bool found = false;
    PROPERTY(ccol__report_sort(report) == 0);
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++) {
        if (strcmp(file.name, "upload_file_minidump") != 0) continue;
        found = true;
        if (has_dump)
            PROPERTY(begins(&file, "MDMP", 4) || begins(&file, "PMDM", 4) || begins(&file, "BZh", 3) ||
                     begins(&file,
                            "\xfd"
                            "7zXZ",
                            5) ||
                     begins(&file, "\x28\xb5\x2f\xfd", 4));
    }
    PROPERTY(found || !has_dump);
    PROPERTY(ccol__crash_id_make(report->id, 0, 1700000000000000));
    PROPERTY(ccol__record_seal(report) == 0);
}

static int feed(struct intake *intake, const uint8_t *data, size_t size, size_t step)
{
    int code = 0;
    for (size_t at = 0; !code && at < size; at += step)
        code = ccol__intake_feed(intake, (const char *)data + at, size - at < step ? size - at : step);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char body[256];
    const char *why = "";
    if (size < 1) return 0;
    unsigned kind = data[0] & 3;
    size_t step = data[0] / 4U * 5 + 1;
    struct crash_pool *pool = ccol__crash_pool_new((uint64_t)64 << 20);
    ccol_report *report = ccol__report_new(pool);
    PROPERTY(pool && report);
    struct budget *budget = ccol__crash_pool_budget(pool);
    const ccol_upload_info info = {.size = sizeof info,
                                   .path = paths[kind],
                                   .sentry_key = KEY,
                                   .content_type = kind == 1 ? "application/x-dmp" : "multipart/form-data; boundary=x",
                                   .content_length = (int64_t)size};
    const struct intake_limits limits = {.keys = keys, .max_inflated = 100000, .budget = budget};
    struct intake *intake = ccol__intake_new(report, &info, &limits);
    PROPERTY(intake && ccol__intake_status(intake, &why) == 0);
    PROPERTY(ccol__intake_is_form(intake) == (kind == 0));
    int code = kind == 0 ? add_files(report, data + 1, size - 1) : feed(intake, data + 1, size - 1, step);
    if (!code) code = ccol__intake_finish(intake);
    unsigned status = ccol__intake_status(intake, &why);
    PROPERTY(code == 0 || code == CCOL_EFORMAT || code == CCOL_ETOOLARGE || code == -ENOMEM);
    PROPERTY((code == CCOL_EFORMAT) == (status != 0) && (!status || *why));
    if (!code) check_report(report, kind < 2);
    ccol__intake_answer(intake, body, sizeof body, code ? 400 : 200, why);
    PROPERTY(strlen(body) > 0);
    ccol__intake_free(intake);
    ccol_report_unref(report);
    PROPERTY(atomic_load(&budget->used) == 0);
    ccol__crash_pool_unref(pool);
    return 0;
}
