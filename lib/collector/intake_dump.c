/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "base/gzip.h"
#include "collector/intake_private.h"

static struct report_file *find_dump(struct intake *intake)
{
    ccol_report *report = intake->report;
    for (size_t i = report->file_count; i-- > 0;)
        if (strcmp(report->files[i].name, ENVELOPE_DUMP_FILE) == 0) return &report->files[i];
    return NULL;
}

static bool begins(const unsigned char *data, size_t length, const char *magic, size_t magic_length)
{
    return length >= magic_length && memcmp(data, magic, magic_length) == 0;
}

static bool is_dump(const unsigned char *data, size_t length)
{
    return begins(data, length, "MDMP", 4) || begins(data, length, "PMDM", 4);
}

/* Packed in a way that is not unpacked here: kept as it came. */
static bool is_packed_otherwise(const unsigned char *data, size_t length)
{
    return begins(data, length,
                  "\xfd"
                  "7zXZ",
                  5) ||
           begins(data, length, "BZh", 3) || begins(data, length, "\x28\xb5\x2f\xfd", 4);
}

static int take(void *user, const void *data, size_t length)
{
    return ccol__crash_buffer_append(user, data, length);
}

static int unpack(struct intake *intake, struct crash_buffer *out, const struct report_file *file)
{
    struct inflate *inflate;
    int code = ccol__inflate_new(&inflate, INFLATE_GZIP, intake->limits.max_inflated, NULL);
    if (code) return code;
    code = ccol__inflate_feed(inflate, intake->report->bytes.data + file->offset, file->length, take, out);
    if (!code) code = ccol__inflate_finish(inflate);
    ccol__inflate_free(inflate);
    return code;
}

/* Puts the unpacked one in its place, in its very bytes where it is the last file. */
static int replace(struct intake *intake, const struct report_file *file, const struct crash_buffer *dump)
{
    ccol_report *report = intake->report;
    if (file == &report->files[report->file_count - 1]) {
        report->bytes.length = file->offset;
        report->file_count--;
    }
    int code = ccol__report_file_begin(report, ENVELOPE_DUMP_FILE);
    if (!code) code = ccol__intake_copy(report, dump);
    return code ? code : ccol__report_file_end(report);
}

int ccol__intake_dump_finish(struct intake *intake)
{
    const struct report_file *file = find_dump(intake);
    if (!file) return ccol__intake_refuse(intake, 400, "missing minidump: there is no upload_file_minidump");
    const unsigned char *data = intake->report->bytes.data + file->offset;
    if (is_dump(data, file->length) || is_packed_otherwise(data, file->length)) return 0;
    if (!begins(data, file->length, "\x1f\x8b", 2)) return ccol__intake_refuse(intake, 400, "invalid minidump");
    struct crash_buffer dump = {.pool = intake->report->pool};
    int code = unpack(intake, &dump, file);
    if (code == CCOL_EFORMAT) ccol__intake_refuse(intake, 400, "invalid minidump: it is damaged gzip");
    if (!code && !is_dump(dump.data, dump.length)) code = ccol__intake_refuse(intake, 400, "invalid minidump");
    if (!code) code = replace(intake, file, &dump);
    ccol__crash_buffer_fini(&dump);
    return code;
}
