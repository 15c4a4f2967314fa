/* SPDX-License-Identifier: MIT */
#include "monitor/shipment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/folder.h"
#include "base/hash.h"
#include "collector/collector.h"
#include "monitor/log_report.h"
#include "monitor/session.h"

#define SNAPSHOT_MOST   ((size_t)512 << 20)
#define PART            "shipper"
#define US_PER_MS       INT64_C(1000)
#define PANIC_BEFORE_US INT64_C(2000000) /* between the last words and the death that they belong to */
#define IDLE_MS         200              /* a panic's text is complete when nothing came for so long */

int ccol__shipment_open(struct shipment *shipment, const struct shipment_context *context, int parent_fd,
                        const char *name, ccol_error *err)
{
    *shipment = (struct shipment){.context = context};
    int code = ccol__handover_open(&shipment->handover, parent_fd, name, context->reader.redactor, err);
    if (code) return code;
    ccol__handover_facts(&shipment->handover, &shipment->facts);
    ccol__handover_load_cursor(&shipment->handover, &shipment->saved);
    code = ccol__log_follower_new(&shipment->follower, &shipment->handover.ring, &shipment->saved);
    return code ? ccol_fail(err, code, "no memory to follow the log of %s", name) : 0;
}

void ccol__shipment_close(struct shipment *shipment)
{
    ccol__log_follower_free(shipment->follower);
    shipment->follower = NULL;
    ccol__log_tap_free(shipment->tap);
    shipment->tap = NULL;
    ccol__handover_close(&shipment->handover);
}

/* Equal for what is the same crash, whoever ships it and how often. */
static void derive_id(const struct shipment *shipment, const char *kind, const uint64_t place[2], int64_t at_us,
                      char id[CRASH_ID_LENGTH + 1])
{
    uint8_t digest[SHA256_BYTES] = {0};
    struct sha256 *hash = ccol__sha256_new();
    id[0] = '\0';
    if (!hash) return;
    ccol__sha256_update(hash, shipment->handover.name, strlen(shipment->handover.name) + 1);
    ccol__sha256_update(hash, kind, strlen(kind) + 1);
    ccol__sha256_update(hash, place, 2 * sizeof *place);
    ccol__sha256_final(hash, digest);
    ccol__sha256_free(hash);
    ccol__crash_id_derive(id, digest, CCOL_ACCEPT, at_us);
}

static int submit(const struct shipment *shipment, ccol_report *report, const char *id, ccol_error *err)
{
    ccol_receipt receipt = {.size = sizeof receipt};
    const struct crash_loop_limits *limits = &shipment->context->options->crash_loop;
    const char *reason = ccol_report_annotation(report, "CrashReason");
    const char *executable = ccol_report_annotation(report, "Executable");
    uint64_t kind = ccol__crash_loop_kind(executable ? executable : "", reason ? reason : ""), left_out;
    int64_t now_us = ccol__clock_now_us();
    if (!ccol__crash_loop_due(shipment->handover.parent_fd, limits, kind, now_us, &left_out)) {
        ccol__log(&shipment->context->options->log, CCOL_LOG_INFO, PART, "", "crashes again: %s; only counted",
                  reason ? reason : "");
        return 0;
    }
    char count[24];
    snprintf(count, sizeof count, "%" PRIu64, left_out);
    int code = left_out ? ccol_report_annotate(report, "CrashLoopSuppressed", count) : 0;
    if (!code) code = ccol__collector_submit_as(shipment->context->collector, report, id[0] ? id : NULL, &receipt, err);
    if (!code) ccol__crash_loop_reported(shipment->handover.parent_fd, limits, kind, now_us);
    if (!code)
        ccol__log(&shipment->context->options->log, CCOL_LOG_INFO, PART, receipt.crash_id, "crash of process %s: %s",
                  ccol_report_annotation(report, "ProcessId"), reason ? reason : "");
    return code;
}

/* What a report without a snapshot knows. */
static void start_crash(const struct shipment *shipment, struct crash *crash, int64_t at_us)
{
    *crash = (struct crash){.host = &shipment->context->host,
                            .about = &shipment->handover.about,
                            .words = {.message = ""},
                            .pid = shipment->facts.app_pid,
                            .executable = shipment->facts.executable,
                            .started_us = shipment->facts.started_at_us,
                            .crashed_us = at_us,
                            .instance = shipment->handover.name,
                            .mode = "",
                            .mode_reason = shipment->facts.mode_reason};
}

static int submit_plain(const struct shipment *shipment, struct crash *crash, uint64_t log_until, const char *id,
                        ccol_error *err)
{
    struct crash_log *log = malloc(sizeof *log);
    ccol_report *report = NULL;
    if (!log) return ccol_fail(err, -ENOMEM, "no memory for the report of a crash");
    int code = ccol__crash_log_read(log, &shipment->context->reader, &shipment->handover.ring, log_until);
    crash->log = log;
    if (code)
        ccol_fail(err, code, "no memory for the report of a crash");
    else
        code = ccol__crash_report(&report, crash, NULL, err);
    if (!code) code = submit(shipment, report, id, err);
    ccol_report_unref(report);
    ccol__crash_log_fini(log);
    free(log);
    return code;
}

/* A report that is no crash. id "": a new one. */
static int submit_as(const struct shipment *shipment, ccol_report *report, const char *id, ccol_error *err)
{
    ccol_receipt receipt = {.size = sizeof receipt};
    return ccol__collector_submit_as(shipment->context->collector, report, id[0] ? id : NULL, &receipt, err);
}

/* A line that the program logged as an error. */
static bool submit_line(void *user, const struct log_event *event)
{
    struct shipment *shipment = user;
    const uint64_t place[] = {event->position, event->begin};
    struct crash crash;
    char id[CRASH_ID_LENGTH + 1];
    ccol_report *report = NULL;
    struct crash_log *log = malloc(sizeof *log);
    if (!log) return false;
    start_crash(shipment, &crash, event->at_us);
    int code = ccol__crash_log_read(log, &shipment->context->reader, &shipment->handover.ring, event->end);
    crash.log = log;
    if (!code) code = ccol__log_report(&report, &crash, event, shipment->context->reader.redactor, NULL);
    derive_id(shipment, "line", place, event->at_us, id);
    if (!code) code = submit_as(shipment, report, id, NULL);
    shipment->spoken += code == 0;
    ccol_report_unref(report);
    ccol__crash_log_fini(log);
    free(log);
    return code == 0;
}

/* Lines that it logged, for who wants all of them. */
static bool submit_lines(void *user, const struct log_lines *lines)
{
    const struct shipment *shipment = user;
    const uint64_t place[] = {lines->position, (uint64_t)lines->at_us};
    const struct session session = {
        .facts = &shipment->facts, .about = &shipment->handover.about, .host = shipment->context->host.name};
    char id[CRASH_ID_LENGTH + 1];
    ccol_report *report;
    if (ccol__logs_report(&report, &session, lines->json, lines->length, NULL) != 0) return false;
    derive_id(shipment, "lines", place, lines->at_us, id);
    int code = submit_as(shipment, report, id, NULL);
    ccol_report_unref(report);
    return code == 0;
}

/* The same for all lines of a run. */
static void derive_trace_id(const struct shipment *shipment, char out[33])
{
    static const uint64_t place[2] = {0};
    char id[CRASH_ID_LENGTH + 1];
    derive_id(shipment, "trace", place, shipment->facts.started_at_us, id);
    size_t used = 0;
    for (const char *at = id; *at && used < 32; at++)
        if (*at != '-') out[used++] = *at;
    out[used] = '\0';
}

int ccol__shipment_tap(struct shipment *shipment, ccol_error *err)
{
    const struct shipper_options *options = shipment->context->options;
    const struct log_takers takers = {submit_line, submit_lines, shipment};
    struct log_tap_options tap = options->tap;
    tap.batch.redactor = shipment->context->reader.redactor;
    derive_trace_id(shipment, tap.batch.trace_id);
    return ccol__log_tap_new(&shipment->tap, &tap, &shipment->handover.ring, shipment->handover.fd,
                             shipment->context->reader.lines, &options->log, &takers, err);
}

static int submit_panic(struct shipment *shipment, struct found_panic *found, ccol_error *err)
{
    struct crash crash;
    char id[CRASH_ID_LENGTH + 1];
    const uint64_t place[] = {found->position, found->begin};
    enum panic_runtime runtime = found->panic->runtime;
    start_crash(shipment, &crash, found->at_us);
    crash.panics[crash.panic_count++] = found->panic;
    bool panics = runtime == PANIC_RUST || runtime == PANIC_GO;
    snprintf(crash.words.word, sizeof crash.words.word, "%s", panics ? "panic" : "exception");
    derive_id(shipment, ccol__ring_stream_name(found->stream), place, found->at_us, id);
    int code = submit_plain(shipment, &crash, found->end, id, err);
    shipment->spoken += code == 0;
    shipment->panicked |= code == 0;
    if (!code) ccol__log_follower_drop(shipment->follower, found);
    return code;
}

static int submit_panics(struct shipment *shipment, int64_t until_us, ccol_error *err)
{
    struct found_panic *found;
    int code = 0;
    while (!code && (found = ccol__log_follower_oldest(shipment->follower, until_us)))
        code = submit_panic(shipment, found, err);
    return code;
}

/* Whether the program said this of its own death. */
static bool belongs(const struct found_panic *found, const struct victim *victim)
{
    const struct snapshot_reason *reason = &victim->reason;
    int64_t before = reason->happened_at_us - found->at_us;
    if (!(reason->flags & SNAPSHOT_MAIN_PROCESS) && !found->panic->aborts) return false;
    if (found->position >= reason->log_head || before > PANIC_BEFORE_US || before < -PANIC_BEFORE_US) return false;
    if (reason->signal == SIGKILL) return false;
    return found->panic->aborts || reason->signal == SIGABRT || reason->signal == 0;
}

struct belonging {
    const struct panic *panics[CRASH_PANICS_MOST];
    size_t count;
};

static void find_belonging(struct shipment *shipment, const struct victim *victim, struct belonging *out)
{
    struct found_panic *found;
    out->count = 0;
    for (size_t i = 0; (found = ccol__log_follower_at(shipment->follower, i)); i++) {
        if (out->count < CRASH_PANICS_MOST && belongs(found, victim)) out->panics[out->count++] = found->panic;
    }
}

static void drop_belonging(struct shipment *shipment, const struct belonging *belonging)
{
    struct found_panic *found;
    for (size_t i = 0; (found = ccol__log_follower_at(shipment->follower, i));) {
        bool is_one = false;
        for (size_t j = 0; j < belonging->count; j++)
            is_one |= belonging->panics[j] == found->panic;
        if (is_one)
            ccol__log_follower_drop(shipment->follower, found);
        else
            i++;
    }
}

static void save_cursor(struct shipment *shipment)
{
    struct follow_cursor now;
    ccol__log_follower_cursor(shipment->follower, &now);
    if (memcmp(&now, &shipment->saved, sizeof now) == 0) return;
    ccol__handover_save_cursor(&shipment->handover, &now);
    shipment->saved = now;
}

static int submit_victim(struct shipment *shipment, const struct autopsy *autopsy, const struct victim *victim,
                         ccol_error *err)
{
    struct belonging belonging;
    ccol_report *report = NULL;
    char id[CRASH_ID_LENGTH + 1];
    const uint64_t place[] = {strtoull(autopsy->number, NULL, 10), (uint64_t)victim->reason.happened_at_us};
    ccol__log_follower_read(shipment->follower, victim->reason.log_head);
    ccol__log_follower_settle(shipment->follower);
    find_belonging(shipment, victim, &belonging);
    int code = ccol__autopsy_report(autopsy, victim, belonging.panics, belonging.count, &report, err);
    ccol__handover_untry(&shipment->handover, autopsy->number); /* the snapshot has done us no harm */
    derive_id(shipment, "snapshot", place, victim->reason.happened_at_us, id);
    if (!code) code = submit(shipment, report, id, err);
    ccol_report_unref(report);
    if (!code) drop_belonging(shipment, &belonging);
    return code;
}

/* A snapshot that nobody can read is kept for people, and told as what is known of it. */
static int give_up(struct shipment *shipment, const char *number, const char *why, ccol_error *err)
{
    struct crash crash;
    char id[CRASH_ID_LENGTH + 1], path[256], text[512];
    const uint64_t place[] = {strtoull(number, NULL, 10), 0};
    int code = ccol__handover_set_aside(&shipment->handover, number, path);
    if (code) return ccol_fail(err, code, "cannot set aside snapshot %s of %s", number, shipment->handover.name);
    ccol__log(&shipment->context->options->log, CCOL_LOG_ERROR, PART, "", "snapshot %s of %s is kept as %s/%s: %s",
              number, shipment->handover.name, HANDOVER_PARENT, path, why);
    start_crash(shipment, &crash, ccol__clock_now_us());
    snprintf(crash.words.word, sizeof crash.words.word, "vanished");
    snprintf(crash.words.detail, sizeof crash.words.detail, "a crash whose snapshot cannot be read");
    snprintf(text, sizeof text, "the snapshot is kept as %s/%s: %s", HANDOVER_PARENT, path, why);
    crash.notes[crash.note_count++] = text;
    derive_id(shipment, "unreadable", place, crash.crashed_us, id);
    return submit_plain(shipment, &crash, UINT64_MAX, id, err);
}

static int ship_bytes(struct shipment *shipment, const char *number, const struct buffer *bytes, ccol_error *err)
{
    struct victim victim;
    struct autopsy autopsy = {shipment, number, ccol__handover_try(&shipment->handover, number), bytes->data,
                              bytes->length};
    if (autopsy.tries > shipment->context->options->tries)
        return give_up(shipment, number, "it made the shipper crash each time", err);
    ccol_error cause = {0};
    int code = bytes->length ? ccol__victim_read_snapshot(&victim, bytes->data, bytes->length, &cause)
                             : ccol_fail(&cause, CCOL_EFORMAT, "the file is empty");
    if (!code) code = submit_victim(shipment, &autopsy, &victim, &cause);
    if (bytes->length) ccol__victim_fini(&victim);
    if (code == CCOL_EFORMAT) return give_up(shipment, number, cause.text, err);
    if (code)
        return ccol_fail(err, code, "snapshot %s of %s is not submitted yet: %s", number, shipment->handover.name,
                         cause.text);
    save_cursor(shipment); /* before the snapshot goes: its panics must not come up again as crashes of their own */
    code = ccol__handover_remove(&shipment->handover, number);
    return code ? ccol_fail(err, code, "cannot remove snapshot %s of %s", number, shipment->handover.name) : 0;
}

static int ship_snapshot(struct shipment *shipment, const char *number, ccol_error *err)
{
    char name[64];
    struct buffer bytes;
    snprintf(name, sizeof name, "%s%s", number, HANDOVER_SNAPSHOT_SUFFIX);
    int code = ccol__file_read(shipment->handover.fd, name, SNAPSHOT_MOST, &bytes, err);
    if (code == CCOL_ETOOLARGE)
        code = give_up(shipment, number, "it is too large", err);
    else if (!code)
        code = ship_bytes(shipment, number, &bytes, err);
    ccol__buffer_fini(&bytes);
    return code == -ENOENT ? 0 : code;
}

static int ship_snapshots(struct shipment *shipment, ccol_error *err)
{
    char number[HANDOVER_NUMBER_MOST];
    uint64_t after = 0;
    int code = 0;
    while (!code && ccol__handover_next(&shipment->handover, after, number)) {
        after = strtoull(number, NULL, 10);
        code = ship_snapshot(shipment, number, err);
    }
    return code;
}

int ccol__shipment_turn(struct shipment *shipment, ccol_error *err)
{
    ccol__handover_facts(&shipment->handover, &shipment->facts);
    int code = ship_snapshots(shipment, err);
    ccol__log_follower_read(shipment->follower, UINT64_MAX);
    ccol__log_tap_read(shipment->tap);
    int64_t patience = shipment->context->options->panic_ms * US_PER_MS;
    if (!code) code = submit_panics(shipment, ccol__clock_now_us() - patience, err);
    save_cursor(shipment);
    return code;
}

int ccol__shipment_due_ms(const struct shipment *shipment)
{
    return ccol__log_follower_is_busy(shipment->follower) || ccol__log_tap_is_busy(shipment->tap) ? IDLE_MS : -1;
}

bool ccol__shipment_is_done(struct shipment *shipment)
{
    char number[HANDOVER_NUMBER_MOST];
    ccol__handover_facts(&shipment->handover, &shipment->facts);
    return shipment->facts.phase == HANDOVER_ENDED && !ccol__handover_next(&shipment->handover, 0, number);
}

static bool is_alive(int32_t pid)
{
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* "5f0c..." of this boot, to tell whether the machine went down meanwhile. */
static bool rebooted_since(const struct handover_facts *facts)
{
    struct buffer text;
    bool other = false;
    if (ccol__file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL) == 0 && text.length >= 36)
        other = facts->boot_id[0] && strncmp(text.data, facts->boot_id, 36) != 0;
    ccol__buffer_fini(&text);
    return other;
}

static int submit_vanished(struct shipment *shipment, ccol_error *err)
{
    const struct handover_facts *facts = &shipment->facts;
    struct crash crash;
    char id[CRASH_ID_LENGTH + 1], text[256];
    const uint64_t place[] = {(uint64_t)facts->started_at_us, 0};
    start_crash(shipment, &crash, facts->last_alive_us);
    snprintf(crash.words.word, sizeof crash.words.word, "vanished");
    const char *how = "the process that watched it was killed, and it is gone as well";
    if (rebooted_since(facts))
        how = "the machine went down or was restarted";
    else if (is_alive(facts->app_pid))
        how = "the process that watched it was killed; it may still run, unwatched";
    snprintf(crash.words.detail, sizeof crash.words.detail, "ended without a trace: %s", how);
    if (facts->snapshots_cut) {
        snprintf(text, sizeof text, "crashes of which there are no reports, as too many were waiting: %u",
                 facts->snapshots_cut);
        crash.notes[crash.note_count++] = text;
    }
    derive_id(shipment, "vanished", place, facts->started_at_us, id);
    return submit_plain(shipment, &crash, UINT64_MAX, id, err);
}

/* Of a run that is over: how it ended, as `vanished` without a trace. */
static int submit_session(struct shipment *shipment, bool vanished, ccol_error *err)
{
    const struct handover_facts *facts = &shipment->facts;
    const uint64_t place[] = {(uint64_t)facts->started_at_us, 0};
    char id[CRASH_ID_LENGTH + 1];
    ccol_report *report;
    derive_id(shipment, "session", place, facts->started_at_us, id);
    if (!id[0]) return ccol_fail(err, -ENOMEM, "no id for the report of a run");
    const struct session session = {.facts = facts,
                                    .about = &shipment->handover.about,
                                    .host = shipment->context->host.name,
                                    .id = id,
                                    .status = vanished ? SESSION_ABNORMAL
                                                       : ccol__session_status(facts->wait_status, shipment->panicked),
                                    .ended_us = vanished ? facts->last_alive_us : facts->ended_at_us,
                                    .errors = shipment->spoken + facts->snapshots + facts->snapshots_cut};
    int code = ccol__session_report(&report, &session, err);
    if (code) return code;
    code = submit_as(shipment, report, id, err);
    ccol_report_unref(report);
    return code;
}

/* What a run came to that is over. */
static int submit_end(struct shipment *shipment, ccol_error *err)
{
    const struct handover_facts *facts = &shipment->facts;
    bool ended = facts->phase == HANDOVER_ENDED;
    if (!facts->known || facts->app_pid == 0) return 0; /* it never began */
    /* a dying keeper's pipe is closed before its lock is given back: that it is gone must not be missed */
    if (!ended && !ccol__handover_is_orphan(&shipment->handover))
        return ccol_fail(err, -EBUSY, "the keeper of %s is not gone yet", shipment->handover.name);
    int code = ended ? 0 : submit_vanished(shipment, err);
    bool ran = !ended || facts->ended_at_us; /* else it could not be executed */
    if (!code && ran && shipment->context->options->sessions) code = submit_session(shipment, !ended, err);
    return code;
}

int ccol__shipment_finish(struct shipment *shipment, ccol_error *err)
{
    int code = ccol__shipment_turn(shipment, err);
    ccol__log_follower_end(shipment->follower);
    ccol__log_tap_finish(shipment->tap);
    if (!code) code = submit_panics(shipment, INT64_MAX, err);
    save_cursor(shipment);
    return code ? code : submit_end(shipment, err);
}
