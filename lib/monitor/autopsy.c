/* SPDX-License-Identifier: MIT */
/* From a snapshot to a report: unwinds, judges, writes the minidump, gathers the log. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "monitor/shipment.h"

#define TRIES_WITH_SYMBOLS 1
#define TRIES_WITH_FRAMES  2
#define TRIES_WITH_DUMP    3
#define NOTE_MOST          512

/* Everything that one report is made of. */
struct table {
    const struct autopsy *autopsy;
    const struct victim *victim;
    struct crash crash;
    struct stack_traces traces;
    struct oom_verdict oom;
    struct crash_log log;
    struct crash_about about;
    struct app_notes app_notes;
    struct buffer minidump;
    struct arena arena; /* of notes */
};

static void note(struct table *table, const char *format, ...) CCOL_PRINTF(2, 3);

static void note(struct table *table, const char *format, ...)
{
    char text[NOTE_MOST];
    va_list args;
    if (table->crash.note_count == CRASH_NOTES_MOST) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = ccol__arena_copy(&table->arena, text, strlen(text));
    if (copy) table->crash.notes[table->crash.note_count++] = copy;
}

static void note_lines(struct table *table, const struct victim_text *lines)
{
    for (size_t at = 0; at < lines->length;) {
        const char *line = lines->data + at, *end = memchr(line, '\n', lines->length - at);
        size_t length = end ? (size_t)(end - line) : lines->length - at;
        if (length) note(table, "%.*s", length > NOTE_MOST ? NOTE_MOST : (int)length, line);
        at += length + 1;
    }
}

static void note_what_is_missing(struct table *table)
{
    const struct victim *victim = table->victim;
    const struct snapshot_reason *reason = &victim->reason;
    note_lines(table, &victim->errors);
    if (reason->flags & SNAPSHOT_LET_GO && reason->signal != SIGKILL)
        note(table, "the process had to be let go at once: modules and texts are from before");
    if (reason->threads_cut)
        note(table, "threads left out of the snapshot: %u of %u", reason->threads_cut, reason->thread_count);
    if (table->traces.note[0]) note(table, "%s", table->traces.note);
    if (table->log.lost)
        note(table, "bytes of the log that were overwritten before they were read: %" PRIu64, table->log.lost);
    if (table->autopsy->tries > TRIES_WITH_SYMBOLS)
        note(table, "reading this snapshot made the shipper crash before: no symbols%s%s",
             table->autopsy->tries > TRIES_WITH_FRAMES ? ", no frames" : "",
             table->autopsy->tries > TRIES_WITH_DUMP ? ", no minidump" : "");
}

static void judge_oom(struct table *table)
{
    const struct victim *victim = table->victim;
    struct oom_record record;
    bool found = victim->reason.signal == SIGKILL &&
                 ccol__oom_find_record(victim->process.pid, victim->reason.happened_at_us, &record);
    ccol__oom_judge(&table->oom, victim, found ? &record : NULL);
    table->crash.oom = &table->oom;
}

static int unwind(struct table *table, ccol_error *err)
{
    struct unwind_options options = table->autopsy->shipment->context->options->unwind;
    if (table->autopsy->tries > TRIES_WITH_FRAMES) return 0;
    if (table->autopsy->tries > TRIES_WITH_SYMBOLS) options.no_symbols = true;
    int code = ccol__unwind(&table->traces, table->victim, &options, err);
    if (!code && table->victim->thread_count) table->crash.traces = &table->traces;
    return code;
}

static int read_log(struct table *table)
{
    const struct shipment *shipment = table->autopsy->shipment;
    const struct crash_log_reader *reader = &shipment->context->reader;
    int code = ccol__crash_log_read(&table->log, reader, &shipment->handover.ring, table->victim->reason.log_head);
    for (size_t i = 0; i < VICTIM_STDIO_STREAMS && !code; i++)
        ccol__crash_log_add_unflushed(&table->log, reader, i ? RING_STDERR : RING_STDOUT,
                                      table->victim->unflushed[i].data, table->victim->unflushed[i].length);
    table->crash.log = &table->log;
    return code;
}

static void read_app_notes(struct table *table)
{
    const struct autopsy *autopsy = table->autopsy;
    struct snapshot_view view;
    const char *cause;
    if (ccol__snapshot_view_init(&view, autopsy->bytes, autopsy->length, &cause) != 0) return;
    ccol__app_notes_read(&table->app_notes, &view, &table->arena, &table->log, &autopsy->shipment->context->reader);
    table->crash.app_notes = &table->app_notes;
}

/* The command is the dead process's own, where the snapshot has it. */
static void set_about(struct table *table)
{
    const struct victim_text *command = &table->victim->command;
    struct buffer line;
    table->about = table->autopsy->shipment->handover.about;
    table->crash.about = &table->about;
    if (command->length == 0) return;
    ccol__buffer_init(&line, (size_t)64 << 10, NULL);
    if (ccol__redact_command(table->autopsy->shipment->context->reader.redactor, &line, command->data,
                             command->length) &&
        line.length)
        table->about.command = ccol__arena_copy(&table->arena, line.data, line.length);
    ccol__buffer_fini(&line);
}

static bool is_exception(enum panic_runtime runtime)
{
    return runtime != PANIC_RUST && runtime != PANIC_GO && runtime != PANIC_GLIBC;
}

static void set_words(struct table *table)
{
    struct crash *crash = &table->crash;
    int number = table->victim->reason.signal;
    ccol__death_describe(&crash->words, table->victim, &table->oom);
    if (!number && crash->panic_count > 0) /* an exit is only how the runtime ends what it told before */
        snprintf(crash->words.word, sizeof crash->words.word, "%s",
                 is_exception(crash->panics[crash->panic_count - 1]->runtime) ? "exception" : "panic");
    /* abort() has no word of its own, but what came before it on stderr mostly is about it */
    if (number == SIGABRT && crash->panic_count == 0) crash->words.message = table->log.last_error_line;
    if (crash->panic_count == 0 && table->app_notes.message && table->app_notes.message[0])
        crash->words.message = table->app_notes.message;
}

static const char *mode_name(uint32_t mode)
{
    static const char *const names[] = {"", "ptrace", "preload", "attach", "wait"};
    return mode <= CAPTURE_WAIT ? names[mode] : "";
}

static void set_facts(struct table *table)
{
    const struct victim *victim = table->victim;
    const struct shipment *shipment = table->autopsy->shipment;
    struct crash *crash = &table->crash;
    crash->victim = victim;
    crash->host = &shipment->context->host;
    crash->pid = victim->process.pid;
    crash->executable = victim->executable;
    crash->started_us = victim->process.started_at_us;
    crash->crashed_us = victim->reason.happened_at_us;
    crash->instance = shipment->handover.name;
    crash->mode = mode_name(victim->reason.mode);
    crash->mode_reason = shipment->facts.mode_reason;
}

static int write_minidump(struct table *table, ccol_error *err)
{
    const struct shipper_options *options = table->autopsy->shipment->context->options;
    char reason[1024];
    const struct minidump_annotation annotations[] = {
        {"CrashReason", ccol__crash_reason(&table->crash, reason, sizeof reason)},
        {"OOMEvidence", table->oom.text},
        {"CaptureMode", table->crash.mode},
        {"MonitorInstance", table->crash.instance}};
    const struct minidump_input input = {.victim = table->victim,
                                         .host = table->crash.host,
                                         .annotations = annotations,
                                         .annotation_count = sizeof annotations / sizeof annotations[0],
                                         .warnings = table->crash.notes,
                                         .warning_count = table->crash.note_count};
    if (options->no_minidump || table->autopsy->tries > TRIES_WITH_DUMP || table->victim->thread_count == 0) return 0;
    int code = ccol__minidump_write(&table->minidump, &input, &options->minidump, err);
    if (code != CCOL_ETOOLARGE) return code;
    ccol__buffer_fini(&table->minidump);
    ccol__buffer_init(&table->minidump, 1, NULL);
    note(table, "no minidump: %s", err->text);
    return 0;
}

static int examine(struct table *table, ccol_report **out, ccol_error *err)
{
    set_facts(table);
    judge_oom(table);
    set_about(table);
    int code = unwind(table, err);
    if (!code) code = read_log(table);
    if (code) return code;
    read_app_notes(table);
    set_words(table);
    note_what_is_missing(table);
    code = write_minidump(table, err);
    return code ? code : ccol__crash_report(out, &table->crash, &table->minidump, err);
}

int ccol__autopsy_report(const struct autopsy *autopsy, const struct victim *victim, const struct panic *const *panics,
                         size_t panic_count, ccol_report **out, ccol_error *err)
{
    struct table *table = calloc(1, sizeof *table);
    if (!table) return ccol_fail(err, -ENOMEM, "no memory for the report of a crash");
    table->autopsy = autopsy;
    table->victim = victim;
    ccol__arena_init(&table->arena, NULL);
    ccol__arena_init(&table->traces.arena, NULL);
    ccol__buffer_init(&table->minidump, 1, NULL);
    for (size_t i = 0; i < panic_count && i < CRASH_PANICS_MOST; i++)
        table->crash.panics[table->crash.panic_count++] = panics[i];
    int code = examine(table, out, err);
    ccol__buffer_fini(&table->minidump);
    ccol__crash_log_fini(&table->log);
    ccol__stack_traces_fini(&table->traces);
    ccol__arena_fini(&table->arena);
    free(table);
    return code;
}
