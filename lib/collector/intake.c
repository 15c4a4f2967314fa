/* SPDX-License-Identifier: MIT */
#include "collector/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "base/text.h"
#include "collector/intake_private.h"
#include "collector/reply.h"

#define API "/api/"

static const struct {
    const char *name;
    enum intake_kind kind;
} endpoints[] = {{"minidump", INTAKE_FORM}, {"envelope", INTAKE_ENVELOPE}, {"store", INTAKE_STORE}};

/* Reads "/api/PROJECT/ENDPOINT/"; the last slash may be missing. */
static bool read_path(const char *path, char project[PROJECT_SIZE], enum intake_kind *kind)
{
    if (strncmp(path, API, strlen(API)) != 0) return false;
    const char *at = path + strlen(API);
    size_t length = strcspn(at, "/");
    if (!length || length >= PROJECT_SIZE || at[length] != '/') return false;
    memcpy(project, at, length);
    project[length] = '\0';
    at += length + 1;
    length = strcspn(at, "/");
    if (at[length] && at[length + 1]) return false;
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        if (length != strlen(endpoints[i].name) || memcmp(at, endpoints[i].name, length) != 0) continue;
        *kind = endpoints[i].kind;
        return true;
    }
    return false;
}

bool ccol__intake_path(const char *path)
{
    char project[PROJECT_SIZE];
    enum intake_kind kind;
    return path && read_path(path, project, &kind);
}

unsigned ccol__intake_status(const struct intake *intake, const char **why)
{
    *why = intake->why;
    return intake->status;
}

bool ccol__intake_is_form(const struct intake *intake)
{
    return intake->kind == INTAKE_FORM;
}

static bool is_known_encoding(const char *encoding)
{
    enum inflate_form form;
    if (!encoding || !*encoding || ccol__text_equal_nocase(encoding, strlen(encoding), "identity")) return true;
    return ccol__inflate_form_named(&form, encoding) && ccol__inflate_knows(form);
}

/* A minidump comes in a form, or as the body itself. */
static void settle_kind(struct intake *intake, const char *content_type)
{
    static const char *const raw[] = {"application/octet-stream", "application/x-dmp"};
    for (size_t i = 0; intake->kind == INTAKE_FORM && content_type && i < 2; i++)
        if (ccol__text_starts_nocase(content_type, strlen(content_type), raw[i])) intake->kind = INTAKE_DUMP;
}

static int begin(struct intake *intake)
{
    int code = ccol_report_annotate(intake->report, "SentryProject", intake->project);
    if (!code && intake->kind == INTAKE_ENVELOPE) code = ccol__intake_envelope_begin(intake);
    if (!code && intake->kind == INTAKE_DUMP) code = ccol__report_file_begin(intake->report, ENVELOPE_DUMP_FILE);
    return code;
}

struct intake *ccol__intake_new(ccol_report *report, const ccol_upload_info *info, const struct intake_limits *limits)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (!intake) return NULL;
    intake->report = report;
    intake->limits = *limits;
    intake->why = "";
    intake->kept.pool = report->pool;
    if (!read_path(info->path, intake->project, &intake->kind) ||
        !ccol__text_is_utf8(intake->project, strlen(intake->project)))
        ccol__intake_refuse(intake, 404, "no such endpoint");
    settle_kind(intake, info->content_type);
    ccol__intake_authenticate(intake, info);
    if (!is_known_encoding(info->content_encoding))
        ccol__intake_refuse(intake, 415,
                            "this collector does not know that Content-Encoding: send it as it is, or as gzip");
    if (info->content_length == 0) ccol__intake_refuse(intake, 400, "the body is empty");
    if (intake->status || begin(intake) == 0) return intake;
    ccol__intake_free(intake);
    return NULL;
}

void ccol__intake_free(struct intake *intake)
{
    if (!intake) return;
    ccol__envelope_parser_free(intake->parser);
    ccol__crash_buffer_fini(&intake->kept);
    free(intake);
}

int ccol__intake_feed(struct intake *intake, const char *data, size_t length)
{
    int code = 0;
    switch (intake->kind) {
    case INTAKE_DUMP:
        return ccol__report_file_append(intake->report, data, length);
    case INTAKE_STORE:
        return ccol__crash_buffer_append(&intake->kept, data, length);
    case INTAKE_ENVELOPE:
        code = ccol__envelope_parser_feed(intake->parser, data, length);
        return code == CCOL_EFORMAT ? ccol__intake_refuse(intake, 400, "invalid envelope") : code;
    case INTAKE_FORM:
        break;
    }
    return 0;
}

int ccol__intake_finish(struct intake *intake)
{
    int code = 0;
    switch (intake->kind) {
    case INTAKE_DUMP:
        code = ccol__report_file_end(intake->report);
        return code ? code : ccol__intake_dump_finish(intake);
    case INTAKE_FORM:
        return ccol__intake_dump_finish(intake);
    case INTAKE_ENVELOPE:
        return ccol__intake_envelope_finish(intake);
    case INTAKE_STORE:
        return ccol__intake_store_finish(intake);
    }
    return 0;
}

const char *ccol__intake_answer(struct intake *intake, char *body, size_t size, unsigned status, const char *why)
{
    bool for_dump = intake->kind == INTAKE_FORM || intake->kind == INTAKE_DUMP;
    if (status != 200) {
        size_t used = (size_t)snprintf(body, size, "{\"detail\":\"");
        for (; *why && used + 3 < size; why++)
            body[used++] = *why == '"' || *why == '\\' || (unsigned char)*why < ' ' ? '\'' : *why;
        snprintf(body + used, size - used, "\"}");
        return REPLY_JSON;
    }
    if (!for_dump && intake->id[0])
        snprintf(body, size, "{\"id\":\"%s\"}", intake->id);
    else if (!for_dump)
        snprintf(body, size, "{}");
    else if (intake->id[0])
        snprintf(body, size, "%.8s-%.4s-%.4s-%.4s-%s", intake->id, intake->id + 8, intake->id + 12, intake->id + 16,
                 intake->id + 20);
    else
        snprintf(body, size, "%s", ccol_report_id(intake->report));
    return for_dump ? REPLY_TEXT : REPLY_JSON;
}
