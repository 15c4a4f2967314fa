/* SPDX-License-Identifier: MIT */
#include "report/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/raw_crash.h"
#include "report/report.h"

static const char magic[8] = {'C', 'C', 'O', 'L', 'R', 'E', 'C', '1'};

struct record_file {
    char name[32];
    uint8_t sha256[SHA256_BYTES];
    uint64_t offset, length;
    uint64_t has_sha256;
};

_Static_assert(sizeof(struct record_header) <= RECORD_HEADER_BYTES, "the header has outgrown its room");
_Static_assert(RECORD_RULE_SIZE == RULE_NAME_MAX + 1, "a rule's name fits");
_Static_assert(RECORD_ALIGN == CRASH_BUFFER_ALIGN, "records are written from where they were built");

static uint32_t header_crc(const void *record)
{
    struct record_header header;
    memcpy(&header, record, sizeof header);
    header.header_crc = 0;
    uint32_t crc = ccol__crc32c(0, &header, sizeof header);
    return ccol__crc32c(crc, (const char *)record + sizeof header, RECORD_HEADER_BYTES - sizeof header);
}

/* Appends text and its NUL; tells where it went. */
static int append_text(ccol_report *report, const struct buffer *text, size_t *offset, size_t *length)
{
    *offset = report->bytes.length;
    *length = text->length;
    return text->failed ? -ENOMEM : ccol__crash_buffer_append(&report->bytes, text->data, text->length + 1);
}

static int append_json(ccol_report *report)
{
    struct buffer text;
    ccol__buffer_init(&text, SIZE_MAX / 4, report->arena.budget);
    ccol__raw_crash_write(report, &text);
    int code = append_text(report, &text, &report->json_offset, &report->json_length);
    if (!code) {
        ccol__buffer_clear(&text);
        ccol__raw_crash_write_dump_names(report, &text);
        code = append_text(report, &text, &report->dump_names_offset, &report->dump_names_length);
    }
    ccol__buffer_fini(&text);
    return code;
}

static int append_file_table(ccol_report *report)
{
    for (size_t i = 0; i < report->file_count; i++) {
        const struct report_file *file = &report->files[i];
        struct record_file entry = {
            .offset = file->offset, .length = file->length, .has_sha256 = file->has_sha256 ? 1 : 0};
        memcpy(entry.name, file->name, sizeof file->name);
        memcpy(entry.sha256, file->sha256, sizeof entry.sha256);
        int code = ccol__crash_buffer_append(&report->bytes, &entry, sizeof entry);
        if (code) return code;
    }
    return 0;
}

static uint32_t payload_crc(const struct crash_buffer *bytes, size_t length)
{
    uint32_t crc = 0;
    for (size_t at = 0, slice; at < length; at += slice) {
        slice = length - at < CRASH_BUFFER_SLICE ? length - at : CRASH_BUFFER_SLICE;
        crc = ccol__crc32c(crc, bytes->data + RECORD_HEADER_BYTES + at, slice);
        ccol__crash_buffer_release(bytes);
    }
    return crc;
}

static void write_header(ccol_report *report, size_t files_offset)
{
    struct record_header header = {.payload_bytes = report->bytes.length - RECORD_HEADER_BYTES,
                                   .record_bytes = ccol__record_bytes(report),
                                   .received_us = report->received_us,
                                   .json_offset = report->json_offset,
                                   .json_length = report->json_length,
                                   .dump_names_offset = report->dump_names_offset,
                                   .dump_names_length = report->dump_names_length,
                                   .files_offset = files_offset,
                                   .file_count = report->file_count,
                                   .verdict = (uint32_t)report->verdict};
    memcpy(header.magic, magic, sizeof magic);
    memcpy(header.id, report->id, sizeof report->id);
    memcpy(header.rule, report->rule, sizeof report->rule);
    header.payload_crc = payload_crc(&report->bytes, header.payload_bytes);
    memset(report->bytes.data, 0, RECORD_HEADER_BYTES);
    memcpy(report->bytes.data, &header, sizeof header);
}

int ccol__record_seal(ccol_report *report)
{
    int code = ccol__crash_buffer_reserve(&report->bytes, RECORD_HEADER_BYTES);
    if (code) return code;
    if (report->bytes.length < RECORD_HEADER_BYTES) report->bytes.length = RECORD_HEADER_BYTES;
    code = ccol__report_sort(report);
    if (!code && !report->complete) code = ccol__raw_crash_complete(report);
    if (!code) code = append_json(report);
    size_t files_offset = report->bytes.length;
    if (!code) code = append_file_table(report);
    if (!code) code = ccol__crash_buffer_pad(&report->bytes);
    if (code) return code;
    write_header(report, files_offset);
    ccol__sha256_free(report->hash);
    report->hash = NULL;
    report->sealed = true;
    return 0;
}

size_t ccol__record_bytes(const ccol_report *report)
{
    return (report->bytes.length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

void ccol__record_place(ccol_report *report, uint64_t generation, uint64_t sequence, uint64_t batch_first)
{
    struct record_header header;
    memcpy(&header, report->bytes.data, sizeof header);
    header.generation = generation;
    header.sequence = sequence;
    header.batch_first = batch_first;
    memcpy(report->bytes.data, &header, sizeof header);
    header.header_crc = header_crc(report->bytes.data);
    memcpy(report->bytes.data, &header, sizeof header);
}

static bool range_fits(uint64_t offset, uint64_t length, uint64_t end)
{
    return offset >= RECORD_HEADER_BYTES && offset <= end && length <= end - offset;
}

bool ccol__record_read_header(struct record_header *out, const void *bytes, size_t length)
{
    if (length < RECORD_HEADER_BYTES) return false;
    memcpy(out, bytes, sizeof *out);
    if (memcmp(out->magic, magic, sizeof magic) != 0 || out->header_crc != header_crc(bytes)) return false;
    /* The CRC already vouches for the rest; these guard against a file made by somebody else. */
    if (out->payload_bytes > UINT32_MAX * (uint64_t)16 || out->record_bytes % RECORD_ALIGN != 0) return false;
    uint64_t end = RECORD_HEADER_BYTES + out->payload_bytes;
    return out->record_bytes >= end && range_fits(out->json_offset, out->json_length, end - 1) &&
           range_fits(out->dump_names_offset, out->dump_names_length, end - 1) &&
           out->file_count <= out->payload_bytes / sizeof(struct record_file) &&
           range_fits(out->files_offset, out->file_count * sizeof(struct record_file), end) &&
           ccol__crash_id_valid(out->id, strnlen(out->id, sizeof out->id)) &&
           memchr(out->rule, '\0', sizeof out->rule) != NULL;
}

static int read_files(ccol_report *report, const struct record_header *header)
{
    uint64_t end = RECORD_HEADER_BYTES + header->payload_bytes;
    size_t count = header->file_count ? header->file_count : 1;
    if (!ccol__budget_take(report->arena.budget, count * sizeof *report->files)) return -ENOMEM;
    report->file_capacity = count;
    report->files = calloc(count, sizeof *report->files);
    if (!report->files) return -ENOMEM;
    for (size_t i = 0; i < header->file_count; i++) {
        struct record_file entry;
        memcpy(&entry, report->bytes.data + header->files_offset + i * sizeof entry, sizeof entry);
        struct report_file *file = &report->files[i];
        memcpy(file->name, entry.name, FILE_NAME_MAX);
        memcpy(file->sha256, entry.sha256, sizeof file->sha256);
        file->has_sha256 = entry.has_sha256 != 0;
        file->offset = entry.offset;
        file->length = entry.length;
        char clean[FILE_NAME_MAX + 1];
        bool named = ccol__report_clean_name(clean, file->name, strlen(file->name)) && strcmp(clean, file->name) == 0;
        if (!named || !range_fits(entry.offset, entry.length, end)) return CCOL_EFORMAT;
    }
    report->file_count = header->file_count;
    return 0;
}

static int read_annotations(ccol_report *report)
{
    const struct json_limits limits = {.depth = UINT32_MAX, .number_length = UINT32_MAX};
    struct json *object;
    int code = ccol__json_parse(&report->arena, (const char *)report->bytes.data + report->json_offset,
                                report->json_length, &limits, &object, NULL);
    if (code) return code;
    if (object->type != JSON_OBJECT) return CCOL_EFORMAT;
    code = ccol__report_replace(report, object);
    return code ? code : ccol__report_sort(report);
}

static int fill_report(ccol_report *report)
{
    struct record_header header;
    if (!ccol__record_read_header(&header, report->bytes.data, report->bytes.length) ||
        report->bytes.length < header.record_bytes ||
        payload_crc(&report->bytes, header.payload_bytes) != header.payload_crc)
        return CCOL_EFORMAT;
    memcpy(report->id, header.id, sizeof report->id);
    memcpy(report->rule, header.rule, sizeof report->rule);
    report->verdict = (int)header.verdict;
    report->received_us = header.received_us;
    report->json_offset = header.json_offset;
    report->json_length = header.json_length;
    report->dump_names_offset = header.dump_names_offset;
    report->dump_names_length = header.dump_names_length;
    int code = read_files(report, &header);
    if (!code) code = read_annotations(report);
    report->bytes.length = RECORD_HEADER_BYTES + header.payload_bytes;
    report->sealed = code == 0;
    return code;
}

int ccol__record_open(ccol_report **out, struct crash_buffer *take, ccol_error *err)
{
    ccol_report *report = ccol__report_new(take->pool);
    if (!report) {
        ccol__crash_buffer_fini(take);
        return ccol_fail(err, -ENOMEM, "cannot open a spooled report");
    }
    report->bytes = *take;
    *take = (struct crash_buffer){.pool = report->pool};
    int code = fill_report(report);
    if (code) {
        ccol_report_unref(report);
        return ccol_fail(err, code, "a spooled report is damaged");
    }
    *out = report;
    return 0;
}
