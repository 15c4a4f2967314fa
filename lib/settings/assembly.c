/* SPDX-License-Identifier: MIT */
/* From settings to running parts. */
#include "settings/assembly.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log_writer.h"
#include "http/listen.h"
#include "net/statsd.h"
#include "settings/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FDS_MAX         64
#define FAILURE_WAIT_MS 5000u

/* In the order of the setting's choices. */
static const ccol_ack acks[] = {CCOL_ACK_SPOOLED, CCOL_ACK_STORED, CCOL_ACK_QUEUED};

static int open_log(ccol_settings *settings, ccol_error *err)
{
    static const ccol_level levels[] = {CCOL_LOG_ERROR, CCOL_LOG_WARNING, CCOL_LOG_INFO, CCOL_LOG_DEBUG};
    static const enum log_format formats[] = {LOG_FORMAT_JSON, LOG_FORMAT_TEXT};
    if (settings->log_writer) return 0;
    struct log_writer_options options = {.fd = STDERR_FILENO,
                                         .format = formats[ccol__assembly_choice(settings, SETTING_LOG_FORMAT)],
                                         .level = levels[ccol__assembly_choice(settings, SETTING_LOG_LEVEL)],
                                         .program = ccol__settings_program(settings),
                                         .host = ccol__settings_value(settings, SETTING_HOSTNAME)};
    return ccol__log_writer_new(&settings->log_writer, &options, err);
}

void ccol_settings_log(ccol_settings *settings, ccol_level level, const char *text)
{
    if (settings && text && open_log(settings, NULL) == 0)
        ccol__log_writer_line(settings->log_writer, level, ccol__settings_program(settings), "", text);
}

void ccol_settings_report_failure(ccol_settings *settings, const char *cause)
{
    char text[512];
    if (!settings || !cause) return;
    snprintf(text, sizeof text, "Unhandled startup exception: %s", cause);
    ccol_settings_log(settings, CCOL_LOG_ERROR, text);
    /* The settings may be what is wrong, the DSN for one. */
    if (!settings->log_writer || ccol__assembly_open_reporter(settings, NULL) || !settings->reporter) return;
    ccol_incident incident = {
        .size = sizeof incident, .type = "StartupError", .text = text, .part = "startup", .crash_id = ""};
    ccol_reporter_report(settings->reporter, &incident);
    ccol_reporter_flush(settings->reporter, FAILURE_WAIT_MS);
}

static void log_line(ccol_settings *settings, ccol_level level, const char *format, ...) CCOL_PRINTF(3, 4);

static void log_line(ccol_settings *settings, ccol_level level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ccol__log_writer_line(settings->log_writer, level, ccol__settings_program(settings), "", text);
}

static void log_setting(void *user, const ccol_setting *setting)
{
    log_line(user, CCOL_LOG_INFO, "%s=%s", setting->variable, setting->value);
}

static void log_settings(ccol_settings *settings)
{
    ccol_settings_each(settings, log_setting, settings);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        if (settings->values[i].alias)
            log_line(settings, CCOL_LOG_INFO, "%s is taken from %s", ccol__setting_table[i].variable,
                     settings->values[i].alias);
    }
    for (size_t i = 0; i < settings->notes.count; i++)
        log_line(settings, CCOL_LOG_WARNING, "%s", settings->notes.line[i]);
}

static int open_statsd(ccol_settings *settings, ccol_error *err)
{
    const char *host = ccol__settings_value(settings, SETTING_STATSD_HOST);
    if (settings->statsd || ccol__setting_is_off(SETTING_STATSD_HOST, host)) return 0;
    struct statsd_options options = {.host = host,
                                     .port = ccol__assembly_amount(settings, SETTING_STATSD_PORT),
                                     .prefix = ccol__settings_value(settings, SETTING_STATSD_PREFIX),
                                     .host_tag = ccol__settings_value(settings, SETTING_HOSTNAME),
                                     .log = {ccol__log_writer_line, settings->log_writer}};
    return ccol__statsd_new(&settings->statsd, &options, err);
}

static int new_storage(const ccol_settings *settings, const char *name, size_t length, ccol_storage **out,
                       ccol_error *err)
{
    ccol_fs_options fs = {.size = sizeof fs, .root = ccol__settings_value(settings, SETTING_FS_ROOT)};
    const ccol_upstream_options upstream = {.size = sizeof upstream,
                                            .url = ccol__settings_value(settings, SETTING_UPSTREAM_URL),
                                            .token = ccol__settings_value(settings, SETTING_UPSTREAM_TOKEN),
                                            .ca_file = ccol__settings_value(settings, SETTING_UPSTREAM_CA_FILE),
                                            .timeout_ms = ccol__assembly_amount(settings, SETTING_UPSTREAM_TIMEOUT),
                                            .gzip = ccol__assembly_switch(settings, SETTING_UPSTREAM_GZIP)};
    if (length == 8 && memcmp(name, "upstream", 8) == 0) return ccol_storage_new_upstream(out, &upstream, err);
    if (length == 2 && memcmp(name, "fs", 2) == 0) return ccol_storage_new_fs(out, &fs, err);
    if (length == 2 && memcmp(name, "s3", 2) == 0) return ccol__assembly_new_s3(settings, out, err);
    if (length == 6 && memcmp(name, "sentry", 6) == 0) return ccol__assembly_new_sentry(settings, out, err);
    if (length == 4 && memcmp(name, "null", 4) == 0) return ccol_storage_new_null(out, err);
    return ccol_fail(err, CCOL_EFORMAT, "CRASHCOLLECT_STORAGE: \"%.*s\" is unknown", (int)length, name);
}

static int open_storage(const ccol_settings *settings, ccol_storage **out, ccol_error *err)
{
    ccol_storage *several[32];
    size_t count = 0, length;
    int code = 0;
    const char *word;
    for (const char *at = ccol__settings_value(settings, SETTING_STORAGE);
         code == 0 && (word = ccol__value_next_word(&at, &length));) {
        if (count == sizeof several / sizeof several[0])
            code = ccol_fail(err, CCOL_EFORMAT, "CRASHCOLLECT_STORAGE: more than 32 storages");
        else
            code = new_storage(settings, word, length, &several[count], err);
        if (code == 0) count++;
    }
    if (code == 0 && count == 0) code = ccol_fail(err, CCOL_EFORMAT, "CRASHCOLLECT_STORAGE names no storage");
    if (code == 0 && count == 1) *out = ccol_storage_ref(several[0]);
    if (code == 0 && count > 1) code = ccol_storage_new_tee(out, several, count, err);
    while (count > 0)
        ccol_storage_unref(several[--count]);
    return code;
}

/* Everything but the parts that have to be opened. */
static void fill_options(ccol_settings *settings, ccol_collector_options *options)
{
    *options = (ccol_collector_options){
        .size = sizeof *options,
        .ack = acks[ccol__assembly_choice(settings, SETTING_ACK)],
        /* In every mode: what an earlier run left there is saved, and what `queued` still holds at the end is kept. */
        .spool_dir = ccol__settings_value(settings, SETTING_SPOOL_DIR),
        .crashmovers = ccol__assembly_amount(settings, SETTING_CONCURRENT_CRASHMOVERS),
        .spool_max_bytes = ccol__settings_amount(settings, SETTING_SPOOL_MAX_BYTES),
        .spool_max_reports = ccol__settings_amount(settings, SETTING_SPOOL_MAX_REPORTS),
        .spool_max_age_s = (unsigned)(ccol__settings_amount(settings, SETTING_SPOOL_MAX_AGE) / 1000u),
        .spool_segment_bytes = ccol__settings_amount(settings, SETTING_SPOOL_SEGMENT_BYTES),
        .memory_budget = ccol__settings_amount(settings, SETTING_MEMORY_BUDGET),
        .max_body = ccol__settings_amount(settings, SETTING_MAX_BODY),
        .max_inflated = ccol__settings_amount(settings, SETTING_MAX_INFLATED),
        .max_annotation = ccol__settings_amount(settings, SETTING_MAX_ANNOTATION),
        .max_parts = ccol__assembly_amount(settings, SETTING_MAX_PARTS),
        .max_part_headers = ccol__assembly_amount(settings, SETTING_MAX_PART_HEADERS),
        .max_json_depth = ccol__assembly_amount(settings, SETTING_MAX_JSON_DEPTH),
        .no_dump_checksums = !ccol__assembly_switch(settings, SETTING_DUMP_CHECKSUMS),
        .submitter_token = ccol__settings_value(settings, SETTING_SUBMITTER_TOKEN),
        .crash_id_prefix = ccol__settings_value(settings, SETTING_CRASH_ID_PREFIX),
        .save_attempts = ccol__assembly_amount(settings, SETTING_SAVE_ATTEMPTS),
        .retry_first_ms = ccol__assembly_amount(settings, SETTING_RETRY_FIRST),
        .retry_max_ms = ccol__assembly_amount(settings, SETTING_RETRY_MAX),
        .check_period_ms = ccol__assembly_amount(settings, SETTING_CHECK_PERIOD),
        .stall_after_ms = ccol__assembly_amount(settings, SETTING_STALL_AFTER),
        .log = ccol__log_writer_line,
        .log_user = settings->log_writer,
        .metric = settings->statsd ? ccol__statsd_send : NULL,
        .metric_user = settings->statsd,
        .incident = settings->reporter ? ccol_reporter_report : NULL,
        .incident_user = settings->reporter,
    };
}

int ccol_settings_open_collector(ccol_settings *settings, ccol_collector **out, ccol_error *err)
{
    if (!settings || !out) return ccol_fail(err, -EINVAL, "ccol_settings_open_collector");
    int code = open_log(settings, err);
    if (code) return code;
    log_settings(settings);
    code = open_statsd(settings, err);
    if (!code) code = ccol__assembly_open_reporter(settings, err);
    if (code) return code;
    ccol_collector_options options;
    fill_options(settings, &options);
    auto_free const char **fields = ccol__assembly_words(ccol__settings_value(settings, SETTING_DISCARD_FIELDS));
    if (!fields) return ccol_fail(err, -ENOMEM, "CRASHCOLLECT_DISCARD_FIELDS");
    options.discard_fields = fields;
    auto_free const char **keys = NULL;
    if (ccol__assembly_switch(settings, SETTING_SENTRY_INTAKE)) {
        keys = ccol__assembly_words(ccol__settings_value(settings, SETTING_SENTRY_INTAKE_KEYS));
        if (!keys) return ccol_fail(err, -ENOMEM, "CRASHCOLLECT_SENTRY_INTAKE_KEYS");
        options.sentry_keys = keys;
    }
    code = open_storage(settings, &options.storage, err);
    if (code == 0) code = ccol__assembly_open_publisher(settings, &options.publisher, err);
    if (code == 0)
        code = ccol_throttle_new_named(&options.throttle, ccol__settings_value(settings, SETTING_THROTTLE_RULES), err);
    if (code == 0) code = ccol_collector_new(out, &options, err);
    ccol_throttle_unref(options.throttle);
    ccol_publisher_unref(options.publisher);
    ccol_storage_unref(options.storage);
    return code;
}

int ccol_settings_open_health(ccol_settings *settings, ccol_collector *collector, ccol_health **out, ccol_error *err)
{
    if (!settings) return ccol_fail(err, -EINVAL, "ccol_settings_open_health");
    ccol_health_options options = {.size = sizeof options,
                                   .version_file = ccol__settings_value(settings, SETTING_VERSION_FILE),
                                   .admin_auth = ccol__settings_value(settings, SETTING_ADMIN_AUTH)};
    return ccol_health_new(out, collector, &options, err);
}

/* Port 0 shows as the port it became. */
static void log_address(ccol_settings *settings, const ccol_server *server, const char *listen, int fd)
{
    char text[256];
    unsigned port = ccol_server_port(server);
    const char *colon = strrchr(listen, ':');
    if (fd >= 0)
        log_line(settings, CCOL_LOG_INFO, "listening on %s", ccol__listen_text(fd, text, sizeof text));
    else if (port)
        log_line(settings, CCOL_LOG_INFO, "listening on %.*s:%u", (int)(colon - listen), listen, port);
    else
        log_line(settings, CCOL_LOG_INFO, "listening on %s", listen);
}

int ccol_settings_start_server(ccol_settings *settings, ccol_collector *collector, ccol_health *health,
                               ccol_server **out, ccol_error *err)
{
    if (!settings || !out) return ccol_fail(err, -EINVAL, "ccol_settings_start_server");
    int fds[FDS_MAX], code = open_log(settings, err);
    if (code) return code;
    const char *listen = ccol__settings_value(settings, SETTING_LISTEN);
    size_t fd_count = ccol__value_fds(listen, fds, FDS_MAX);
    ccol_server_options options = {.size = sizeof options,
                                   .listen = fd_count ? NULL : listen,
                                   .listen_fds = fd_count ? fds : NULL,
                                   .listen_fd_count = fd_count,
                                   .threads = ccol__assembly_amount(settings, SETTING_THREADS),
                                   .connections = ccol__assembly_amount(settings, SETTING_CONNECTIONS),
                                   .tls_cert = ccol__settings_value(settings, SETTING_TLS_CERT),
                                   .tls_key = ccol__settings_value(settings, SETTING_TLS_KEY),
                                   .header_timeout_ms = ccol__assembly_amount(settings, SETTING_LOAD_HEADER_TIMEOUT),
                                   .body_timeout_ms = ccol__assembly_amount(settings, SETTING_LOAD_BODY_TIMEOUT),
                                   .body_min_rate = ccol__assembly_amount(settings, SETTING_LOAD_MIN_RATE),
                                   .body_grace_ms = ccol__assembly_amount(settings, SETTING_LOAD_GRACE),
                                   .idle_timeout_ms = ccol__assembly_amount(settings, SETTING_LOAD_IDLE_TIMEOUT),
                                   .log = ccol__log_writer_line,
                                   .log_user = settings->log_writer};
    code = ccol_server_start(out, collector, health, &options, err);
    if (code) return code;
    log_address(settings, *out, listen, fd_count ? fds[0] : -1);
    return 0;
}

int ccol_settings_reload(ccol_settings *settings, ccol_collector *collector, ccol_error *err)
{
    if (!settings || !collector) return ccol_fail(err, -EINVAL, "ccol_settings_reload");
    ccol_throttle *throttle;
    int code = ccol_throttle_new_named(&throttle, ccol__settings_value(settings, SETTING_THROTTLE_RULES), err);
    if (code) return code;
    ccol_collector_set_throttle(collector, throttle);
    ccol_throttle_unref(throttle);
    return 0;
}

static void log_leftovers(ccol_settings *settings, uint64_t count)
{
    if (count == 0)
        log_line(settings, CCOL_LOG_INFO, "stopped; every accepted report is saved");
    else if (acks[ccol__assembly_choice(settings, SETTING_ACK)] == CCOL_ACK_STORED)
        log_line(settings, CCOL_LOG_WARNING,
                 "stopped; reports not saved: %" PRIu64 "; their clients were not told that they are accepted", count);
    else
        log_line(settings, CCOL_LOG_WARNING,
                 "stopped; reports not saved yet: %" PRIu64 "; they stay in %s and are saved after the next start",
                 count, ccol__settings_value(settings, SETTING_SPOOL_DIR));
}

uint64_t ccol_settings_stop(ccol_settings *settings, ccol_collector *collector, ccol_health *health,
                            ccol_server *server)
{
    if (!settings) return 0;
    unsigned patience = ccol__assembly_amount(settings, SETTING_DRAIN_TIMEOUT);
    uint64_t start = ccol__clock_monotonic_ms();
    ccol_server_stop(server, patience);
    ccol_health_free(health);
    if (!collector) return 0;
    uint64_t waited = ccol__clock_monotonic_ms() - start;
    ccol_collector_drain(collector, waited < patience ? patience - (unsigned)waited : 0);
    ccol_collector_stats stats = {.size = sizeof stats};
    ccol_collector_stats_get(collector, &stats);
    ccol_collector_free(collector);
    if (open_log(settings, NULL) != 0) return stats.queued;
    log_leftovers(settings, stats.queued);
    return stats.queued;
}
