/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "base/gzip.h"
#include "base/json_build.h"
#include "collector/intake_private.h"
#include "report/multipart.h"

#define ZSTD_MAGIC "\x28\xb5\x2f\xfd"

static struct report_file *find_dump(struct intake *intake)
{
    ccol_report *report = intake->report;
    for (size_t i = report->file_count; i-- > 0;)
        if (strcmp(report->files[i].name, ENVELOPE_DUMP_FILE) == 0) return &report->files[i];
    return NULL;
}

struct bytes {
    const unsigned char *data;
    size_t length;
};

static bool begins(struct bytes bytes, const char *magic, size_t magic_length)
{
    return bytes.length >= magic_length && memcmp(bytes.data, magic, magic_length) == 0;
}

static bool is_dump(struct bytes bytes)
{
    return begins(bytes, "MDMP", 4) || begins(bytes, "PMDM", 4);
}

/* Packed in a way that is not unpacked here: kept as it came. */
static bool is_packed_otherwise(struct bytes bytes)
{
    return begins(bytes,
                  "\xfd"
                  "7zXZ",
                  5) ||
           begins(bytes, "BZh", 3) || begins(bytes, ZSTD_MAGIC, 4);
}

/* Electron on Linux once put its whole form into the field for the minidump. */
struct embedded {
    struct crash_buffer *out;
    bool taking, found;
};

static int on_part(void *user, const struct multipart_part *part)
{
    struct embedded *embedded = user;
    embedded->taking = !embedded->found && part->name && strcmp(part->name, ENVELOPE_DUMP_FILE) == 0;
    embedded->found = embedded->found || embedded->taking;
    return 0;
}

static int on_part_data(void *user, const char *data, size_t length)
{
    struct embedded *embedded = user;
    return embedded->taking ? ccol__crash_buffer_append(embedded->out, data, length) : 0;
}

static int on_part_end(void *user)
{
    struct embedded *embedded = user;
    embedded->taking = false;
    return 0;
}

static const struct multipart_events embedded_events = {on_part, on_part_data, on_part_end};
static const struct multipart_limits embedded_limits = {.max_part_headers = 8192, .max_parts = 1000};

static int take_embedded(struct intake *intake, struct crash_buffer *out, struct bytes form)
{
    struct embedded embedded = {.out = out};
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    const unsigned char *end = memchr(form.data, '\r', form.length);
    size_t length = end ? (size_t)(end - form.data) - 2 : 0; /* behind the two dashes */
    if (!length || length >= sizeof boundary) return ccol__intake_refuse(intake, 400, "invalid minidump");
    memcpy(boundary, form.data + 2, length);
    boundary[length] = '\0';
    struct multipart *multipart;
    int code = ccol__multipart_new(&multipart, boundary, &embedded_limits, &embedded_events, &embedded);
    if (!code) code = ccol__multipart_feed(multipart, (const char *)form.data, form.length);
    if (!code) code = ccol__multipart_finish(multipart);
    ccol__multipart_free(multipart);
    if (code == CCOL_EFORMAT || (!code && !embedded.found))
        return ccol__intake_refuse(intake, 400, "invalid minidump: the form in it has none");
    return code;
}

static int take(void *user, const void *data, size_t length)
{
    return ccol__crash_buffer_append(user, data, length);
}

static bool is_packed(struct bytes bytes, enum inflate_form *form)
{
    *form = begins(bytes, "\x1f\x8b", 2) ? INFLATE_GZIP : INFLATE_ZSTD;
    return *form == INFLATE_GZIP || (begins(bytes, ZSTD_MAGIC, 4) && ccol__inflate_knows(INFLATE_ZSTD));
}

static int unpack(struct intake *intake, struct crash_buffer *out, struct bytes packed, enum inflate_form form)
{
    struct inflate *inflate;
    int code = ccol__inflate_new(&inflate, form, intake->limits.max_inflated, intake->limits.budget, NULL);
    if (code) return code;
    code = ccol__inflate_feed(inflate, packed.data, packed.length, take, out);
    if (!code) code = ccol__inflate_finish(inflate);
    ccol__inflate_free(inflate);
    return code == CCOL_EFORMAT ? ccol__intake_refuse(intake, 400, "invalid minidump: it is packed, and damaged")
                                : code;
}

/* Puts another one in its place, in its very bytes where it is the last file. */
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

static int settle_dump(struct intake *intake, const struct report_file *file)
{
    struct crash_buffer inner = {.pool = intake->report->pool}, dump = {.pool = intake->report->pool}, *latest = NULL;
    struct bytes bytes = {intake->report->bytes.data + file->offset, file->length};
    int code = 0;
    if (begins(bytes, "--", 2)) {
        code = take_embedded(intake, latest = &inner, bytes);
        bytes = (struct bytes){inner.data, inner.length};
    }
    enum inflate_form form;
    bool packed = is_packed(bytes, &form), as_it_is = !packed && is_packed_otherwise(bytes);
    if (!code && packed) {
        code = unpack(intake, latest = &dump, bytes, form);
        bytes = (struct bytes){dump.data, dump.length};
    }
    if (!code && !as_it_is && !is_dump(bytes)) code = ccol__intake_refuse(intake, 400, "invalid minidump");
    if (!code && latest) code = replace(intake, file, latest);
    ccol__crash_buffer_fini(&inner);
    ccol__crash_buffer_fini(&dump);
    return code;
}

/* What came as MessagePack is there to be read, too. */
static int annotate_event(struct intake *intake, const struct json *event)
{
    struct buffer text;
    size_t packed = 0;
    for (size_t i = 0; i < intake->report->file_count; i++)
        packed += ccol__sentry_file_is(intake->report->files[i].name) && intake->report->files[i].length;
    if (!packed || !event->first) return 0;
    ccol__buffer_init(&text, SIZE_MAX / 4, intake->limits.budget);
    int code = ccol__json_write_in_order(&text, event)
                   ? ccol_report_annotate_json(intake->report, "SentryEvent", text.data)
                   : -ENOMEM;
    ccol__buffer_fini(&text);
    return code == CCOL_EFORMAT ? 0 : code;
}

static int describe(struct intake *intake)
{
    struct arena arena;
    ccol__arena_init(&arena, intake->limits.budget);
    struct json_builder builder = {.arena = &arena};
    struct json *event = ccol__json_new(&builder, JSON_OBJECT);
    if (event) ccol__sentry_fields_merge(&builder, event, intake->report);
    int code = builder.failed ? -ENOMEM : ccol__intake_describe(intake, event);
    if (!code) code = annotate_event(intake, event);
    ccol__arena_fini(&arena);
    return code;
}

int ccol__intake_dump_finish(struct intake *intake)
{
    const struct report_file *file = find_dump(intake);
    if (!file) return ccol__intake_refuse(intake, 400, "missing minidump: there is no upload_file_minidump");
    int code = settle_dump(intake, file);
    return code ? code : describe(intake);
}
