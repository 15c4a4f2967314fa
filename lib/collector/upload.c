/* SPDX-License-Identifier: MIT */
/* One POST /submit: from its headers and body bytes to its answer. What Antenna answers, in Antenna's order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crashcollect/upload.h>

#include "base/charset.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/gzip.h"
#include "base/latch.h"
#include "base/text.h"
#include "collector/collector.h"
#include "collector/intake.h"
#include "collector/reply.h"
#include "report/annotations.h"
#include "report/multipart.h"
#include "report/record.h"
#include "storage/storage.h"

#define RETRY_AFTER_S 10
#define BODY_SIZE     256
#define BEARER        "Bearer "
/* Memory asked for at once; larger uploads get more as they come, so that a promise of bytes is no claim on memory. */
#define FIRST_RESERVE ((uint64_t)512 << 10)
#define JSON_ROOM     4096

enum outcome { OUTCOME_NONE, OUTCOME_MALFORMED, OUTCOME_TOO_LARGE, OUTCOME_NO_ROOM, OUTCOME_REFUSED };

struct ccol_upload {
    ccol_collector *collector; /* one reference */
    ccol_report *report;
    struct annotations annotations;
    struct multipart *multipart;
    struct intake *intake;   /* NULL: it came to /submit */
    struct inflate *inflate; /* NULL: the body is as it is */
    uint64_t received;
    int64_t content_length;
    uint64_t began_us, inflating_us;
    enum outcome outcome;
    enum malformed malformed;
    char why[sizeof((ccol_error *)0)->text]; /* for the log and for 503 */
    char *body;  /* of the answer: what was accepted can be answered whatever memory is left */
    char *token; /* the bearer token given, or NULL */
    struct submission submission;
    ccol_upload_fn done;
    void *user;
};

static struct metrics *metrics_of(const ccol_upload *upload)
{
    return ccol__collector_metrics(upload->collector);
}

static struct budget *budget_of(const ccol_upload *upload)
{
    return ccol__crash_pool_budget(ccol__collector_pool(upload->collector));
}

/* The first outcome stands. */
static int settle(ccol_upload *upload, enum outcome outcome, enum malformed malformed, const char *why)
{
    if (upload->outcome == OUTCOME_NONE) {
        upload->outcome = outcome;
        upload->malformed = malformed;
        snprintf(upload->why, sizeof upload->why, "%s", why);
    }
    return outcome == OUTCOME_MALFORMED ? CCOL_EFORMAT : outcome == OUTCOME_TOO_LARGE ? CCOL_ETOOLARGE : CCOL_EFULL;
}

static int settle_malformed(ccol_upload *upload, enum malformed reason)
{
    return settle(upload, OUTCOME_MALFORMED, reason, ccol__malformed_text(reason));
}

/* What the parsers' codes mean for the answer. */
static int settle_code(ccol_upload *upload, int code)
{
    const char *why = "";
    if (upload->intake && code == CCOL_EFORMAT && ccol__intake_status(upload->intake, &why)) {
        settle(upload, OUTCOME_REFUSED, MALFORMED_NONE, why);
        return code;
    }
    if (code == CCOL_ETOOLARGE)
        return settle(upload, OUTCOME_TOO_LARGE, MALFORMED_NONE, "too many parts, or too large");
    if (code != CCOL_EFORMAT)
        return settle(upload, OUTCOME_NO_ROOM, MALFORMED_NONE,
                      "no room for it: the memory budget is spent, or the spool's disk full");
    if (upload->annotations.malformed != MALFORMED_NONE) return settle_malformed(upload, upload->annotations.malformed);
    return settle(upload, OUTCOME_MALFORMED, MALFORMED_INVALID_PAYLOAD_STRUCTURE,
                  ccol__multipart_reason(upload->multipart));
}

static int start_inflate(ccol_upload *upload, const char *encoding)
{
    enum inflate_form form;
    if (!ccol__inflate_form_named(&form, encoding)) return 0;
    if (!ccol__inflate_knows(form))
        return settle(upload, OUTCOME_REFUSED, MALFORMED_NONE,
                      "this collector was built without that Content-Encoding: send it as it is, or as gzip");
    ccol__metrics_count(metrics_of(upload), METRIC_GZIPPED_CRASH, NULL);
    upload->report->payload_compressed = true;
    return ccol__inflate_new(&upload->inflate, form, ccol__collector_options(upload->collector)->max_inflated,
                             budget_of(upload), NULL);
}

static int reserve(ccol_upload *upload)
{
    uint64_t wanted = FIRST_RESERVE;
    if (!upload->inflate && upload->content_length >= 0) {
        uint64_t all = (uint64_t)upload->content_length + RECORD_HEADER_BYTES + JSON_ROOM;
        if (all < wanted) wanted = all;
    }
    return ccol__crash_buffer_reserve(&upload->report->bytes, (size_t)wanted);
}

static int start_parsers(ccol_upload *upload, const ccol_upload_info *info, const char *boundary)
{
    const ccol_collector_options *options = ccol__collector_options(upload->collector);
    const struct annotations_limits limits = {.max_text = options->max_annotation,
                                              .max_json = options->max_inflated,
                                              .max_json_depth = options->max_json_depth};
    const struct multipart_limits parts = {.max_part_headers = options->max_part_headers,
                                           .max_parts = options->max_parts};
    ccol__annotations_init(&upload->annotations, upload->report, &limits, budget_of(upload),
                           ccol__collector_log(upload->collector));
    int code = start_inflate(upload, info->content_encoding);
    if (!code && boundary[0])
        code =
            ccol__multipart_new(&upload->multipart, boundary, &parts, &ccol__annotations_events, &upload->annotations);
    return code;
}

static int keep_headers(ccol_upload *upload, const ccol_upload_info *info)
{
    if (info->user_agent && *info->user_agent) {
        struct buffer agent;
        ccol__buffer_init(&agent, SIZE_MAX / 4, NULL);
        if (ccol__charset_from_header(&agent, info->user_agent))
            upload->report->user_agent = ccol__arena_copy(&upload->report->arena, agent.data, agent.length);
        ccol__buffer_fini(&agent);
        if (!upload->report->user_agent) return -ENOMEM;
    }
    if (!info->authorization || strncmp(info->authorization, BEARER, strlen(BEARER)) != 0) return 0;
    upload->token = strdup(info->authorization + strlen(BEARER));
    return upload->token ? 0 : -ENOMEM;
}

/* Of what a Sentry client sends: who may, and whether it is a form. */
static int judge_intake(ccol_upload *upload, const ccol_upload_info *info, char boundary[MULTIPART_BOUNDARY_MAX + 1])
{
    const ccol_collector_options *options = ccol__collector_options(upload->collector);
    const struct intake_limits limits = {
        .keys = options->sentry_keys, .max_inflated = options->max_inflated, .budget = budget_of(upload)};
    const char *why;
    upload->intake = ccol__intake_new(upload->report, info, &limits);
    if (!upload->intake) return settle_code(upload, -ENOMEM);
    if (ccol__intake_status(upload->intake, &why)) return settle_code(upload, CCOL_EFORMAT);
    bool form = ccol__intake_is_form(upload->intake);
    if (!form || ccol__multipart_content_type(info->content_type ? info->content_type : "", boundary) == MALFORMED_NONE)
        return 0;
    settle(upload, OUTCOME_REFUSED, MALFORMED_NONE, "send a form, application/octet-stream or application/x-dmp");
    return CCOL_EFORMAT;
}

static int judge_submit(ccol_upload *upload, const ccol_upload_info *info, char boundary[MULTIPART_BOUNDARY_MAX + 1])
{
    enum malformed reason = info->content_type && *info->content_type
                                ? ccol__multipart_content_type(info->content_type, boundary)
                                : MALFORMED_NO_CONTENT_TYPE;
    if (reason == MALFORMED_NONE && info->content_length == 0) reason = MALFORMED_NO_CONTENT_LENGTH;
    return reason != MALFORMED_NONE ? settle_malformed(upload, reason) : 0;
}

bool ccol_upload_takes(ccol_collector *collector, const char *path)
{
    if (!path || strcmp(path, "/submit") == 0) return true;
    return ccol__collector_options(collector)->sentry_keys && ccol__intake_path(path);
}

/* All that can be said before the body. */
static void judge_headers(ccol_upload *upload, const ccol_upload_info *info)
{
    char boundary[MULTIPART_BOUNDARY_MAX + 1] = "";
    ccol_error err = {0};
    bool is_submit = !info->path || strcmp(info->path, "/submit") == 0;
    if (is_submit ? judge_submit(upload, info, boundary) : judge_intake(upload, info, boundary)) return;
    uint64_t length = info->content_length > 0 ? (uint64_t)info->content_length : 0;
    if (length > ccol__collector_max_body(upload->collector)) {
        settle(upload, OUTCOME_TOO_LARGE, MALFORMED_NONE, "the body is larger than max_body");
        return;
    }
    int code = ccol__collector_admit(upload->collector, length, &err);
    if (code) {
        settle(upload, code == CCOL_ETOOLARGE ? OUTCOME_TOO_LARGE : OUTCOME_NO_ROOM, MALFORMED_NONE, err.text);
        return;
    }
    code = keep_headers(upload, info);
    if (!code) code = start_parsers(upload, info, boundary);
    if (!code) code = reserve(upload);
    if (code) settle_code(upload, code);
}

int ccol_upload_new(ccol_upload **out, ccol_collector *collector, const ccol_upload_info *info, bool *decided,
                    ccol_error *err)
{
    ccol_upload_info known;
    int code = ccol__struct_in(&known, sizeof known, info, "ccol_upload_info", err);
    if (code) return code;
    ccol_upload *upload = calloc(1, sizeof *upload);
    if (!upload) return ccol_fail(err, -ENOMEM, "no memory for an upload");
    upload->body = malloc(BODY_SIZE);
    upload->report = upload->body ? ccol__report_new(ccol__collector_pool(collector)) : NULL;
    if (!upload->report) {
        free(upload->body);
        free(upload);
        return ccol_fail(err, -ENOMEM, "no memory for an upload");
    }
    upload->collector = ccol__collector_ref(collector);
    upload->began_us = ccol__clock_monotonic_us();
    upload->content_length = known.content_length;
    upload->report->no_checksums = ccol__collector_options(collector)->no_dump_checksums;
    judge_headers(upload, &known);
    if (decided) *decided = upload->outcome != OUTCOME_NONE;
    *out = upload;
    return 0;
}

void ccol_upload_free(ccol_upload *upload)
{
    if (!upload) return;
    ccol__annotations_fini(&upload->annotations);
    ccol__multipart_free(upload->multipart);
    ccol__intake_free(upload->intake);
    ccol__inflate_free(upload->inflate);
    ccol_report_unref(upload->report);
    ccol__collector_unref(upload->collector);
    free(upload->token);
    free(upload->body);
    free(upload);
}

void ccol_upload_abort(ccol_upload *upload)
{
    ccol__metrics_count(metrics_of(upload), METRIC_ABORTED, NULL);
}

static int take_plain(void *user, const void *data, size_t length)
{
    ccol_upload *upload = user;
    /* A compressed body is read on to its end: damage there is the more telling answer, and Antenna's. */
    if (upload->outcome != OUTCOME_NONE) return 0;
    int code = upload->multipart ? ccol__multipart_feed(upload->multipart, data, length)
                                 : ccol__intake_feed(upload->intake, data, length);
    if (code) settle_code(upload, code);
    return upload->outcome == OUTCOME_TOO_LARGE || upload->outcome == OUTCOME_NO_ROOM ? code : 0;
}

static int take_compressed(ccol_upload *upload, const void *data, size_t length)
{
    uint64_t began = ccol__clock_monotonic_us();
    int code = ccol__inflate_feed(upload->inflate, data, length, take_plain, upload);
    upload->inflating_us += ccol__clock_monotonic_us() - began;
    if (code == CCOL_EFORMAT) {
        upload->outcome = OUTCOME_NONE; /* whatever the parser said of it */
        return settle_malformed(upload, MALFORMED_BAD_GZIP);
    }
    if (code == CCOL_ETOOLARGE) return settle(upload, OUTCOME_TOO_LARGE, MALFORMED_NONE, "larger than max_inflated");
    return code ? settle_code(upload, code) : 0;
}

int ccol_upload_feed(ccol_upload *upload, const void *data, size_t length)
{
    bool may_go_on = upload->inflate && upload->outcome == OUTCOME_MALFORMED && upload->malformed != MALFORMED_BAD_GZIP;
    if (upload->outcome != OUTCOME_NONE && !may_go_on) return settle(upload, upload->outcome, upload->malformed, "");
    upload->received += length;
    if (upload->received > ccol__collector_max_body(upload->collector))
        return settle(upload, OUTCOME_TOO_LARGE, MALFORMED_NONE, "the body is larger than max_body");
    if (upload->inflate) return take_compressed(upload, data, length);
    take_plain(upload, data, length);
    return upload->outcome == OUTCOME_NONE ? 0 : settle(upload, upload->outcome, upload->malformed, "");
}

/* Damage in a compressed body is told before anything that the parser found in it. */
static void end_inflate(ccol_upload *upload)
{
    bool damaged = upload->malformed == MALFORMED_BAD_GZIP;
    if (!damaged && ccol__inflate_finish(upload->inflate)) {
        damaged = true;
        upload->outcome = OUTCOME_NONE;
        settle_malformed(upload, MALFORMED_BAD_GZIP);
    }
    ccol__metrics_observe(metrics_of(upload), METRIC_GZIP_TIME, damaged ? "fail" : "success",
                          (double)upload->inflating_us / 1000.0);
}

static void tell_size(const ccol_upload *upload)
{
    uint64_t size = upload->inflate ? ccol__inflate_output(upload->inflate) : upload->received;
    ccol__metrics_observe(metrics_of(upload), METRIC_CRASH_SIZE, upload->inflate ? "compressed" : "uncompressed",
                          (double)size);
}

static int end_parsers(ccol_upload *upload)
{
    int code = upload->multipart ? ccol__multipart_finish(upload->multipart) : 0;
    return code || !upload->intake ? code : ccol__intake_finish(upload->intake);
}

/* The end of the body, as far as the parsers are concerned. */
static void end_body(ccol_upload *upload)
{
    bool begun = upload->multipart || (upload->intake && upload->outcome != OUTCOME_REFUSED);
    if (!begun || upload->outcome == OUTCOME_TOO_LARGE || upload->outcome == OUTCOME_NO_ROOM) return;
    if (upload->received == 0) {
        settle_malformed(upload, MALFORMED_NO_CONTENT_LENGTH);
        return;
    }
    if (upload->inflate) end_inflate(upload);
    if (upload->malformed != MALFORMED_BAD_GZIP) tell_size(upload);
    int code = upload->outcome == OUTCOME_NONE ? end_parsers(upload) : 0;
    if (code) settle_code(upload, code);
    if (upload->outcome == OUTCOME_NONE && upload->report->annotation_count == 0)
        settle_malformed(upload, MALFORMED_NO_ANNOTATIONS);
    if (upload->outcome == OUTCOME_NONE &&
        ccol__storage_collides(&ccol__collector_options(upload->collector)->storage, upload->report))
        settle_malformed(upload, MALFORMED_INVALID_DUMP_NAME);
}

static void answer(ccol_upload *upload, unsigned status, const char *text, unsigned retry_after_s)
{
    ccol_reply reply = {.size = sizeof reply,
                        .status = status,
                        .content_type = REPLY_TEXT,
                        .retry_after_s = retry_after_s,
                        .body = upload->body};
    upload->body = NULL;
    if (upload->intake)
        reply.content_type = ccol__intake_answer(upload->intake, reply.body, BODY_SIZE, status, text);
    else
        snprintf(reply.body, BODY_SIZE, "%.*s", BODY_SIZE - 1, text);
    reply.body_length = strlen(reply.body);
    ccol__metrics_observe(metrics_of(upload), METRIC_ON_POST, NULL,
                          (double)(ccol__clock_monotonic_us() - upload->began_us) / 1000.0);
    ccol_upload_fn done = upload->done;
    void *user = upload->user;
    done(user, &reply); /* the upload may be gone after this */
    ccol_reply_clear(&reply);
}

static void answer_malformed(ccol_upload *upload, enum malformed reason, const char *why)
{
    char text[80];
    ccol__metrics_count(metrics_of(upload), METRIC_MALFORMED, ccol__malformed_code(reason));
    ccol__log(ccol__collector_log(upload->collector), CCOL_LOG_INFO, "upload", "", "malformed_%s: %s",
              ccol__malformed_code(reason), why);
    snprintf(text, sizeof text, "Discarded=malformed_%s", ccol__malformed_code(reason));
    answer(upload, 400, text, 0);
}

static void answer_no_room(ccol_upload *upload, const char *reason, const char *why)
{
    ccol__metrics_count(metrics_of(upload), METRIC_REFUSED, reason);
    answer(upload, 503, why, RETRY_AFTER_S);
}

static void answer_too_large(ccol_upload *upload)
{
    ccol__metrics_count(metrics_of(upload), METRIC_TOO_LARGE, NULL);
    answer(upload, 413, "Discarded=too_large", 0);
}

static void answer_refused(ccol_upload *upload)
{
    const char *why;
    unsigned status = upload->intake ? ccol__intake_status(upload->intake, &why) : 415;
    const char *part = upload->intake ? "intake" : "upload";
    if (upload->intake)
        ccol__metrics_count(metrics_of(upload), METRIC_INTAKE_REFUSED, NULL);
    else
        ccol__metrics_count(metrics_of(upload), METRIC_REFUSED, "encoding");
    ccol__log(ccol__collector_log(upload->collector), CCOL_LOG_INFO, part, "", "refused: %s", upload->why);
    answer(upload, status ? status : 400, upload->why, 0);
}

static void answer_outcome(ccol_upload *upload)
{
    if (upload->outcome == OUTCOME_REFUSED)
        answer_refused(upload);
    else if (upload->outcome == OUTCOME_MALFORMED)
        answer_malformed(upload, upload->malformed, upload->why);
    else if (upload->outcome == OUTCOME_TOO_LARGE)
        answer_too_large(upload);
    else
        answer_no_room(upload, ccol__collector_is_closing(upload->collector) ? "closing" : "room", upload->why);
}

/* It was not accepted. */
static void answer_failure(ccol_upload *upload, int code, const char *why)
{
    if (code == CCOL_ETOOLARGE) {
        answer_too_large(upload);
    } else if (code == CCOL_EFULL || code == CCOL_ECLOSED || code == -ENOMEM) {
        answer_no_room(upload, code == CCOL_ECLOSED ? "closing" : "room", why);
    } else { /* the storage would not have it (ack stored) */
        ccol__metrics_count(metrics_of(upload), METRIC_REFUSED, "storage");
        answer(upload, 500, "", 0);
    }
}

static void answer_receipt(void *user, int code, const ccol_receipt *receipt, const char *error_text)
{
    ccol_upload *upload = user;
    char text[160];
    if (code) {
        answer_failure(upload, code, error_text);
    } else if (receipt->verdict == CCOL_REJECT) {
        snprintf(text, sizeof text, "Discarded=rule_%s", receipt->rule);
        answer(upload, 200, text, 0);
    } else {
        snprintf(text, sizeof text, "CrashID=%s%s\n", ccol__collector_options(upload->collector)->crash_id_prefix,
                 receipt->crash_id);
        answer(upload, 200, text, 0);
    }
}

static bool token_is_valid(const ccol_upload *upload)
{
    const char *wanted = ccol__collector_options(upload->collector)->submitter_token;
    return wanted && *wanted && upload->token && ccol__text_equal_secret(upload->token, wanted);
}

/* A client that names its crash id must be allowed to. true: answered. */
static bool refuse_chosen_id(ccol_upload *upload, const struct json *uuid)
{
    if (!token_is_valid(upload)) {
        ccol__metrics_count(metrics_of(upload), METRIC_UNAUTHORIZED_UUID, NULL);
        answer(upload, 401, "Discarded=unauthorized_uuid", 0);
        return true;
    }
    if (uuid->type == JSON_STRING && ccol__crash_id_valid(uuid->text, uuid->length)) return false;
    answer_malformed(upload, MALFORMED_INVALID_UUID, ccol__malformed_text(MALFORMED_INVALID_UUID));
    return true;
}

static void submit(ccol_upload *upload)
{
    ccol_decision decision;
    ccol_error err = {0};
    upload->report->payload_size = upload->received;
    upload->report->payload_is_json = upload->annotations.had_json;
    int code = ccol__collector_decide(upload->collector, upload->report, &decision);
    const struct json *uuid = code || upload->intake ? NULL : ccol__report_find(upload->report, "uuid");
    if (uuid && refuse_chosen_id(upload, uuid)) return;
    upload->submission = (struct submission){.done = answer_receipt, .user = upload};
    if (!code)
        code = ccol__collector_accept(upload->collector, upload->report, &decision, uuid ? uuid->text : NULL,
                                      &upload->submission, &err);
    if (code) answer_failure(upload, code, err.text);
}

void ccol_upload_finish_async(ccol_upload *upload, ccol_upload_fn done, void *user)
{
    upload->done = done;
    upload->user = user;
    end_body(upload);
    if (upload->outcome != OUTCOME_NONE)
        answer_outcome(upload);
    else
        submit(upload);
}

struct waiting_upload {
    struct latch latch;
    ccol_reply reply;
};

static void keep_reply(void *user, ccol_reply *reply)
{
    struct waiting_upload *waiting = user;
    waiting->reply = *reply;
    reply->body = NULL;
    ccol__latch_set(&waiting->latch);
}

void ccol_upload_finish(ccol_upload *upload, ccol_reply *reply)
{
    struct waiting_upload waiting = {0};
    ccol__latch_init(&waiting.latch);
    ccol_upload_finish_async(upload, keep_reply, &waiting);
    ccol__collector_wait(upload->collector, &waiting.latch);
    ccol__latch_fini(&waiting.latch);
    ccol__struct_out(reply, &waiting.reply, sizeof waiting.reply);
}
