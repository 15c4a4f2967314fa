/* SPDX-License-Identifier: MIT */
/* One report, one envelope: the event, the minidump, the log. The envelope is made at each attempt under the same event
 * id, so that sending again is harmless. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/sentry_client.h"
#include "storage/sentry_event.h"
#include "storage/sentry_forward.h"
#include "storage/sentry_telemetry.h"
#include "storage/storage.h"

#define EVENT_MAX       ((size_t)1 << 20)     /* Relay's limit */
#define ENVELOPE_MAX    ((uint64_t)200 << 20) /* likewise */
#define SMALL_FILE      ((size_t)1 << 20)     /* goes along even where dumps are too large */
#define PROBE_PERIOD_MS 60000u
#define REPORT_SIZE     1024
#define FILES_MAX       100

static const char *const default_hidden[] = {"Comments", "Email", "ServerURL", "Telemetry*", "URL", NULL};

/* What client reports tell of, each as a reason and a category. */
enum discard {
    REFUSED_EVENT,
    REFUSED_ATTACHMENT,
    REFUSED_SESSION,
    LIMITED_SESSION,
    REFUSED_LOG,
    LIMITED_LOG,
    OVERFLOWN_LOG,
    DISCARDS
};
static const struct {
    const char *reason, *category;
} discards[DISCARDS] = {
    [REFUSED_EVENT] = {"send_error", "error"},       [REFUSED_ATTACHMENT] = {"send_error", "attachment"},
    [REFUSED_SESSION] = {"send_error", "session"},   [LIMITED_SESSION] = {"ratelimit_backoff", "session"},
    [REFUSED_LOG] = {"send_error", "log_item"},      [LIMITED_LOG] = {"ratelimit_backoff", "log_item"},
    [OVERFLOWN_LOG] = {"queue_overflow", "log_item"}};

struct sentry {
    struct sentry_client *client;
    struct sentry_event_options event;
    char *texts[4]; /* what `event` points to */
    char **hidden;
    uint64_t max_envelope;
    bool plain_dump;
    pthread_mutex_t lock; /* of what follows: what was not delivered since the last client report */
    uint64_t discarded[DISCARDS];
};

/* A name that tells people and their systems what it is. */
static void name_attachment(char *out, size_t size, const ccol_file *file)
{
    bool text = strcmp(file->name, "log") == 0 || strcmp(file->name, "stacktrace") == 0;
    bool json = file->length && *(const char *)file->data == '{';
    snprintf(out, size, "%s%s", file->name,
             ccol__sentry_file_is_dump(file) ? ".dmp"
             : text                          ? ".txt"
             : json                          ? ".json"
                                             : "");
}

static void add_file(struct envelope *envelope, bool plain_dump, const ccol_file *file)
{
    char name[64];
    name_attachment(name, sizeof name, file);
    struct envelope_item item = {.type = "attachment", .filename = name, .data = file->data, .length = file->length};
    if (strcmp(file->name, SENTRY_DUMP_FILE) == 0 && ccol__sentry_file_is_dump(file) && !plain_dump)
        item.attachment_type = "event.minidump";
    if (strstr(name, ".txt")) item.content_type = "text/plain";
    ccol__envelope_add(envelope, &item);
}

static void discard(struct sentry *sentry, enum discard kind, uint64_t quantity)
{
    pthread_mutex_lock(&sentry->lock);
    sentry->discarded[kind] += quantity;
    pthread_mutex_unlock(&sentry->lock);
}

/* What was discarded is told with the next envelope. */
static void add_client_report(struct sentry *sentry, struct envelope *envelope, char text[REPORT_SIZE],
                              uint64_t told[DISCARDS])
{
    char now[CCOL_RFC3339_SIZE];
    uint64_t all = 0;
    pthread_mutex_lock(&sentry->lock);
    memcpy(told, sentry->discarded, sizeof sentry->discarded);
    pthread_mutex_unlock(&sentry->lock);
    for (size_t i = 0; i < DISCARDS; i++)
        all |= told[i];
    if (!all || ccol__sentry_client_wait_s(sentry->client, CATEGORY_INTERNAL)) {
        memset(told, 0, sizeof sentry->discarded);
        return;
    }
    int length = snprintf(text, REPORT_SIZE, "{\"timestamp\":\"%s\",\"discarded_events\":[",
                          ccol__clock_rfc3339(now, ccol__clock_now_us()));
    for (size_t i = 0; i < DISCARDS; i++)
        if (told[i])
            length += snprintf(text + length, REPORT_SIZE - (size_t)length,
                               "%s{\"reason\":\"%s\",\"category\":\"%s\",\"quantity\":%llu}",
                               text[length - 1] == '[' ? "" : ",", discards[i].reason, discards[i].category,
                               (unsigned long long)told[i]);
    length += snprintf(text + length, REPORT_SIZE - (size_t)length, "]}");
    const struct envelope_item item = {.type = "client_report", .data = text, .length = (size_t)length};
    ccol__envelope_add(envelope, &item);
}

/* The envelope with it has arrived: nobody is told twice. */
static void settle_client_report(struct sentry *sentry, int code, const uint64_t told[DISCARDS])
{
    pthread_mutex_lock(&sentry->lock);
    for (size_t i = 0; !code && i < DISCARDS; i++)
        sentry->discarded[i] -= told[i];
    pthread_mutex_unlock(&sentry->lock);
}

/* Counts what was refused for good; an event goes on without the files that are too large. */
static void settle_refusal(struct sentry *sentry, int code, uint64_t files)
{
    if (!code || !ccol_error_is_permanent(code)) return;
    if (code != CCOL_ETOOLARGE || !files) discard(sentry, REFUSED_EVENT, 1);
    discard(sentry, REFUSED_ATTACHMENT, files);
}

/* Whether the event has all that the file says. */
static bool is_told(const struct sentry_event *event, const ccol_file *file)
{
    return ccol__sentry_file_is(file->name) || (event->has_stack && strcmp(file->name, SENTRY_STACK_FILE) == 0);
}

/* Adds the report's files; those that a receiver may find too large only with `all`. Returns their number. */
static uint64_t add_files(const struct sentry *sentry, struct envelope *envelope, const struct sentry_event *event,
                          const ccol_report *report, bool all)
{
    uint64_t count = 0;
    ccol_file file = {.size = sizeof file};
    for (size_t i = 0; count < FILES_MAX && ccol_report_file_at(report, i, &file); i++) {
        if (is_told(event, &file) || (!all && (ccol__sentry_file_is_dump(&file) || file.length > SMALL_FILE))) continue;
        add_file(envelope, sentry->plain_dump || event->composed, &file);
        count++;
    }
    return count;
}

static int send_envelope(struct sentry *sentry, const ccol_report *report, const struct sentry_event *event, bool all,
                         ccol_error *err)
{
    struct envelope envelope;
    char text[REPORT_SIZE];
    uint64_t told[DISCARDS];
    ccol__envelope_init(&envelope, event->id, SENTRY_SDK_NAME, ccol_version_text());
    const struct envelope_item item = {
        .type = "event", .content_type = "application/json", .data = event->json.data, .length = event->json.length};
    ccol__envelope_add(&envelope, &item);
    uint64_t files = add_files(sentry, &envelope, event, report, all);
    unsigned categories = CATEGORY_ERROR | (files ? CATEGORY_ATTACHMENT : 0);
    add_client_report(sentry, &envelope, text, told);
    int code = ccol__sentry_client_send(sentry->client, &envelope, categories, err);
    settle_client_report(sentry, code, told);
    settle_refusal(sentry, code, files);
    ccol__envelope_fini(&envelope);
    return code;
}

/* What is no crash is not held back by a rate limit but left out, so that crashes go on. */
static int send_telemetry(struct sentry *sentry, const ccol_report *report, ccol_error *err)
{
    struct sentry_telemetry telemetry;
    struct envelope envelope;
    char text[REPORT_SIZE];
    uint64_t told[DISCARDS];
    int code = ccol__sentry_telemetry_make(&telemetry, report, &sentry->event, err);
    bool logs = telemetry.category == CATEGORY_LOG;
    if (!code && telemetry.item.type) {
        ccol__envelope_init(&envelope, "", SENTRY_SDK_NAME, ccol_version_text());
        ccol__envelope_add(&envelope, &telemetry.item);
        add_client_report(sentry, &envelope, text, told);
        code = ccol__sentry_client_send(sentry->client, &envelope, telemetry.category, err);
        settle_client_report(sentry, code, told);
        if (code && ccol__sentry_client_wait_s(sentry->client, telemetry.category)) {
            discard(sentry, logs ? LIMITED_LOG : LIMITED_SESSION, telemetry.quantity);
            code = 0;
        }
        if (code && ccol_error_is_permanent(code))
            discard(sentry, logs ? REFUSED_LOG : REFUSED_SESSION, telemetry.quantity);
        if (!code) discard(sentry, OVERFLOWN_LOG, telemetry.dropped);
        ccol__envelope_fini(&envelope);
    }
    ccol__sentry_telemetry_fini(&telemetry);
    return code;
}

/* To the endpoint for minidumps, as a crash reporter would. */
static int send_form(struct sentry *sentry, const ccol_report *report, const struct sentry_event *event,
                     ccol_error *err)
{
    struct sentry_form form;
    uint64_t count = 0;
    ccol_file file = {.size = sizeof file};
    int code = ccol__sentry_form_init(&form, event->json.data, event->json.length);
    if (code) ccol_fail(err, code, "no random numbers for a minidump's form");
    for (size_t i = 0; !code && count < FILES_MAX && ccol_report_file_at(report, i, &file); i++) {
        char name[64];
        if (is_told(event, &file)) continue;
        name_attachment(name, sizeof name, &file);
        ccol__sentry_form_add(&form, file.name, name, file.data, file.length);
        count++;
    }
    ccol__sentry_form_end(&form);
    if (!code) code = ccol__sentry_client_send_form(sentry->client, &form, CATEGORY_ERROR | CATEGORY_ATTACHMENT, err);
    settle_refusal(sentry, code, count);
    ccol__sentry_form_fini(&form);
    return code;
}

static int send_event(struct sentry *sentry, const ccol_report *report, const struct sentry_event_options *options,
                      bool all, ccol_error *err)
{
    struct sentry_event event;
    int code = ccol__sentry_event_make(&event, report, options, err);
    if (code) return code;
    code = event.dump_told ? send_form(sentry, report, &event, err) : send_envelope(sentry, report, &event, all, err);
    ccol__sentry_event_fini(&event);
    return code;
}

static uint64_t bytes_of_files(const ccol_report *report)
{
    uint64_t bytes = 0;
    ccol_file file = {.size = sizeof file};
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++)
        bytes += file.length;
    return bytes;
}

/* The crash must be seen there all the same. What could not go along keeps the report: as one refused for good it is
 * not forgotten but put into quarantine. */
static int send_without_dumps(struct sentry *sentry, const ccol_report *report, uint64_t bytes, ccol_error *err)
{
    struct sentry_event_options options = sentry->event;
    options.dump_note = "too large";
    options.dump_tells = false;
    int code = send_event(sentry, report, &options, false, err);
    if (code) return code;
    return ccol_fail(
        err, CCOL_ETOOLARGE,
        "Sentry has the event, but its %llu bytes of files are too large there (413, or sentry-max-envelope)",
        (unsigned long long)bytes);
}

static int save(void *self, const ccol_report *report, ccol_error *err)
{
    struct sentry *sentry = self;
    if (ccol__sentry_telemetry_is(report)) return send_telemetry(sentry, report, err);
    if (ccol__sentry_forward_is(report)) return ccol__sentry_forward(sentry->client, report, err);
    uint64_t bytes = bytes_of_files(report);
    int code = bytes > sentry->max_envelope ? CCOL_ETOOLARGE : send_event(sentry, report, &sentry->event, true, err);
    return code == CCOL_ETOOLARGE && bytes ? send_without_dumps(sentry, report, bytes, err) : code;
}

static int check(void *self, ccol_error *err)
{
    struct sentry *sentry = self;
    unsigned wait_s = ccol__sentry_client_wait_s(sentry->client, CATEGORY_ERROR);
    if (wait_s) return ccol_fail(err, CCOL_EREMOTE, "Sentry's rate limit: crashes wait for %u s more", wait_s);
    uint64_t answered = ccol__sentry_client_answered_ms(sentry->client);
    if (answered && ccol__clock_monotonic_ms() - answered < PROBE_PERIOD_MS) return 0;
    return ccol__sentry_client_probe(sentry->client, err);
}

static void destroy(void *self)
{
    struct sentry *sentry = self;
    ccol__sentry_client_free(sentry->client);
    for (size_t i = 0; i < sizeof sentry->texts / sizeof sentry->texts[0]; i++)
        free(sentry->texts[i]);
    for (size_t i = 0; sentry->hidden && sentry->hidden[i]; i++)
        free(sentry->hidden[i]);
    free(sentry->hidden);
    pthread_mutex_destroy(&sentry->lock);
    free(sentry);
}

static bool keep_text(struct sentry *sentry, size_t at, const char **out, const char *text)
{
    if (!text || !*text) return true;
    *out = sentry->texts[at] = strdup(text);
    return *out != NULL;
}

static bool keep_hidden(struct sentry *sentry, const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    sentry->hidden = calloc(count + 1, sizeof *sentry->hidden);
    for (size_t i = 0; sentry->hidden && i < count; i++)
        if (!(sentry->hidden[i] = strdup(names[i]))) return false;
    sentry->event.hidden_fields = (const char *const *)sentry->hidden;
    return sentry->hidden != NULL;
}

static int keep_options(struct sentry *sentry, const ccol_sentry_options *options, ccol_error *err)
{
    const struct sentry_client_options client = {
        .dsn = options->dsn,
        .http = {.ca_file = options->ca_file, .ca_folder = options->ca_folder, .proxy = options->proxy},
        .timeout_ms = options->timeout_ms,
        .no_gzip = options->no_gzip};
    bool kept = keep_text(sentry, 0, &sentry->event.release, options->release) &&
                keep_text(sentry, 1, &sentry->event.environment, options->environment) &&
                keep_text(sentry, 2, &sentry->event.dist, options->dist) &&
                keep_text(sentry, 3, &sentry->event.server_name, options->server_name) &&
                keep_hidden(sentry, options->hidden_fields ? options->hidden_fields : default_hidden);
    if (!kept) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    sentry->plain_dump = options->plain_dump;
    sentry->event.max_bytes = EVENT_MAX;
    sentry->event.dump_tells = options->dump_endpoint;
    sentry->max_envelope = options->max_envelope ? options->max_envelope : ENVELOPE_MAX;
    return ccol__sentry_client_new(&sentry->client, &client, err);
}

int ccol_storage_new_sentry(ccol_storage **out, const ccol_sentry_options *options, ccol_error *err)
{
    ccol_sentry_options known;
    int code = ccol__struct_in(&known, sizeof known, options, "ccol_sentry_options", err);
    if (code) return code;
    if (!known.dsn || !*known.dsn) return ccol_fail(err, -EINVAL, "ccol_sentry_options.dsn is required");
    struct sentry *sentry = calloc(1, sizeof *sentry);
    if (!sentry) return ccol_fail(err, -ENOMEM, "cannot make a storage");
    pthread_mutex_init(&sentry->lock, NULL);
    code = keep_options(sentry, &known, err);
    const ccol_storage_ops ops = {
        .size = sizeof ops, .name = "sentry", .save = save, .check = check, .destroy = destroy};
    if (!code) code = ccol_storage_new(out, &ops, sentry, err);
    if (code) {
        destroy(sentry);
        return code;
    }
    if (ccol__storage_set_place(*out, "%s", ccol__sentry_client_place(sentry->client)) == 0) return 0;
    ccol_storage_unref(*out);
    *out = NULL;
    return ccol_fail(err, -ENOMEM, "cannot make a storage");
}
