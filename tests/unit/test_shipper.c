/* SPDX-License-Identifier: MIT */
/* Hand-over folders as keepers leave them, shipped in this process to a folder of reports. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <crashcollect/collector.h>
#include <crashcollect/storage.h>

#include "fixture.h"
#include "snapshot_fixture.h"

#include "base/clock.h"
#include "capture/notes.h"
#include "keeper/folder.h"
#include "keeper/ring.h"
#include "monitor/shipper.h"

#define RING_BYTES ((uint64_t)256 << 10)
#define RUST_PANIC                                                                                                     \
    "\nthread 'cart' (77) panicked at src/cart.rs:7:5:\nno such item\n"                                                \
    "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"

static volatile uintptr_t nowhere = 0x10;

__attribute__((noinline)) static void leaf_crash(void)
{
    *(volatile int *)nowhere = 1;
}

/* A keeper that does nothing by itself. */
struct keeper_part {
    struct handover_folder folder;
    struct handover_state *state;
    struct ring ring;
    char instance[64]; /* name of the folder, also after the end */
};

static void start_keeper(struct keeper_part *keeper, const char *about)
{
    ccol_error err = {0};
    REQUIRE(ccol__folder_create(&keeper->folder, fixture_folder, about, &keeper->state, &err) == 0);
    REQUIRE(ccol__ring_create(&keeper->ring, keeper->folder.fd, HANDOVER_LOG, RING_BYTES) == 0);
    memcpy(keeper->instance, keeper->folder.instance, sizeof keeper->instance);
    keeper->state->app_pid = getpid();
    atomic_store(&keeper->state->phase, HANDOVER_RUNNING);
    atomic_store(&keeper->state->last_alive_us, ccol__clock_now_us());
}

static void say(struct keeper_part *keeper, const char *text)
{
    ccol__ring_append(&keeper->ring, RING_STDERR, text, strlen(text), ccol__clock_now_us());
}

static void leave_snapshot(struct keeper_part *keeper, int number)
{
    size_t length;
    const void *bytes = snapshot_of(leaf_crash, &length);
    struct snapshot_view view;
    const char *cause;
    REQUIRE(ccol__snapshot_view_init(&view, bytes, length, &cause) == 0);
    const struct snapshot_section *section = ccol__snapshot_find(&view, SNAPSHOT_REASON, UINT32_MAX, NULL);
    struct snapshot_reason *reason = (void *)(uintptr_t)ccol__snapshot_bytes(&view, section);
    reason->log_head = atomic_load(&keeper->ring.header->head);
    reason->happened_at_us = ccol__clock_now_us();
    reason->signal = reason->wait_status = number;
    REQUIRE(ccol__folder_write_snapshot(&keeper->folder, bytes, length) == 0);
}

static void end_keeper(struct keeper_part *keeper, bool clean)
{
    if (clean) atomic_store(&keeper->state->phase, HANDOVER_ENDED);
    ccol__ring_close(&keeper->ring);
    ccol__folder_fini(&keeper->folder, keeper->state);
}

static int open_collector(void *user, const char *spool_dir, ccol_collector **out, ccol_error *err)
{
    char crashes[256];
    ccol_fs_options fs = {.size = sizeof fs, .root = fixture_path(crashes, "crashes")};
    ccol_collector_options options = {.size = sizeof options, .spool_dir = spool_dir, .spool_segment_bytes = 8 << 20};
    int code =
        user ? ccol_storage_new(&options.storage, user, NULL, err) : ccol_storage_new_fs(&options.storage, &fs, err);
    if (!code) code = ccol_collector_new(out, &options, err);
    ccol_storage_unref(options.storage);
    return code;
}

/* Ships what the keeper left; its end is already known. storage NULL: the folder. */
static void ship(const char *instance, const ccol_storage_ops *storage)
{
    int wake[2];
    ccol_error err = {0};
    REQUIRE(pipe2(wake, O_CLOEXEC | O_NONBLOCK) == 0);
    close(wake[1]);
    struct shipper_options options = {.data_dir = fixture_folder,
                                      .open_collector = open_collector,
                                      .user = (void *)(uintptr_t)storage,
                                      .drain_ms = storage ? 1 : 20000,
                                      .panic_ms = 1};
    struct keeper_shipper from = {.wake_fd = wake[0], .instance = instance, .starts = 1};
    CHECK_INT(ccol__shipper_run(&options, &from, &err), 0);
    CHECK_TEXT(err.text, "");
    close(wake[0]);
}

struct expected {
    ccol_storage *storage;
    ccol_report *reports[16];
    size_t count;
};

static int on_crash(void *user, const char *crash_id)
{
    struct expected *found = user;
    ccol_error err = {0};
    REQUIRE(found->count < 16);
    REQUIRE(ccol_storage_load(found->storage, crash_id, &found->reports[found->count++], &err) == 0);
    return 0;
}

static void load_reports(struct expected *found)
{
    char crashes[256];
    ccol_error err = {0};
    ccol_fs_options fs = {.size = sizeof fs, .root = fixture_path(crashes, "crashes")};
    *found = (struct expected){.count = 0};
    REQUIRE(ccol_storage_new_fs(&found->storage, &fs, &err) == 0);
    REQUIRE(ccol_storage_list(found->storage, on_crash, found, &err) == 0);
}

static void unload(struct expected *found)
{
    for (size_t i = 0; i < found->count; i++)
        ccol_report_unref(found->reports[i]);
    ccol_storage_unref(found->storage);
}

/* The report whose CrashReason begins so; exactly one. */
static const ccol_report *with_reason(const struct expected *found, const char *beginning)
{
    const ccol_report *result = NULL;
    for (size_t i = 0; i < found->count; i++) {
        const char *reason = ccol_report_annotation(found->reports[i], "CrashReason");
        if (!reason || strncmp(reason, beginning, strlen(beginning)) != 0) continue;
        CHECK(!result);
        result = found->reports[i];
    }
    if (!result) fprintf(stderr, "no report begins with %s\n", beginning);
    REQUIRE(result);
    return result;
}

static bool file_holds(const ccol_report *report, const char *name, const char *text)
{
    ccol_file file = {.size = sizeof file};
    for (size_t i = 0; ccol_report_file_at(report, i, &file); i++) {
        if (strcmp(file.name, name) == 0) return memmem(file.data, file.length, text, strlen(text)) != NULL;
    }
    return false;
}

static void check_gone(const char *instance)
{
    char below[128];
    snprintf(below, sizeof below, "monitor/%s", instance);
    CHECK_INT(fixture_count(below), 0);
}

static void a_crash_becomes_a_report(void)
{
    struct keeper_part keeper;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&keeper, "{\"annotations\": {\"ProductName\": \"Shop\", \"Version\": \"1.2\"}, "
                          "\"command\": [\"/bin/shop\", \"--password\", \"hunter2\"]}");
    say(&keeper, "starting password=hunter2\n\x1b[31mERROR all is lost\x1b[0m\nlast ");
    say(&keeper, "words\n");
    leave_snapshot(&keeper, SIGSEGV);
    end_keeper(&keeper, true);
    ship(keeper.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 1);
    const ccol_report *report = with_reason(&found, "SIGSEGV SEGV_MAPERR at 0x10");
    CHECK_TEXT(ccol_report_annotation(report, "ProductName"), "Shop");
    CHECK_TEXT(ccol_report_annotation(report, "Version"), "1.2");
    CHECK_TEXT(ccol_report_annotation(report, "CrashAddress"), "0x10");
    CHECK_TEXT(ccol_report_annotation(report, "CrashThreadName"), "leaf_thread");
    CHECK_TEXT(ccol_report_annotation(report, "ExitStatus"), "139");
    CHECK_TEXT(ccol_report_annotation(report, "Command"), "/bin/shop --password *****");
    CHECK_TEXT(ccol_report_annotation(report, "LogTail"), "starting password=*****\nERROR all is lost\nlast words\n");
    CHECK(file_holds(report, "log", "ERROR all is lost\nlast words\n"));
    CHECK(file_holds(report, "upload_file_minidump", "MDMP"));
    CHECK(file_holds(report, "stacktrace_json", "\"crashed\": true"));
    CHECK(file_holds(report, "stacktrace_json", "\"level\": \"error\""));
    CHECK(!file_holds(report, "stacktrace_json", "hunter2"));
#ifdef CCOL_HAVE_LIBDW
    CHECK(file_holds(report, "stacktrace", "leaf_crash"));
    CHECK(file_holds(report, "stacktrace_json", "\"function\": \"leaf_crash\""));
#endif
    unload(&found);
    check_gone(keeper.instance);
    fixture_remove();
}

static void add_notes(void)
{
    struct notes *notes = calloc(1, NOTES_BYTES);
    REQUIRE(notes);
    ccol__notes_init(notes, 1);
    REQUIRE(ccol__notes_annotate(notes, "CartId", "c-17") == 0);
    REQUIRE(ccol__notes_annotate(notes, "CrashReason", "not for the program to say") == 0);
    ccol__notes_breadcrumb(notes, 2, 4, "http", "GET /cart?token=abcdefgh12345678", 32);
    ccol__notes_log(notes, 3, 3, "still in the queue", 18);
    snapshot_add(SNAPSHOT_NOTES, 0, notes, NOTES_BYTES, 0);
    free(notes);
}

static void what_the_program_noted_is_in_the_report(void)
{
    struct keeper_part keeper;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&keeper, "{}");
    say(&keeper, "printed\n");
    snapshot_more = add_notes;
    leave_snapshot(&keeper, SIGSEGV);
    end_keeper(&keeper, true);
    ship(keeper.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 1);
    const ccol_report *report = with_reason(&found, "SIGSEGV");
    CHECK_TEXT(ccol_report_annotation(report, "CartId"), "c-17");
    CHECK(file_holds(report, "log", "printed\nstill in the queue\n"));
    CHECK(file_holds(report, "stacktrace_json", "\"category\": \"http\", \"level\": \"warning\""));
    CHECK(file_holds(report, "stacktrace_json", "\"message\": \"still in the queue\""));
    CHECK(!file_holds(report, "stacktrace_json", "abcdefgh12345678"));
    unload(&found);
    fixture_remove();
}

static void a_panic_and_its_abort_are_one_crash(void)
{
    struct keeper_part keeper;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&keeper, "{}");
    say(&keeper, RUST_PANIC);
    leave_snapshot(&keeper, SIGABRT);
    end_keeper(&keeper, true);
    ship(keeper.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 1);
    const ccol_report *report = with_reason(&found, "SIGABRT");
    CHECK(strstr(ccol_report_annotation(report, "CrashReason"), "no such item") != NULL);
    CHECK(file_holds(report, "stacktrace_json", "\"file\": \"src/cart.rs\""));
    unload(&found);
    fixture_remove();
}

static void a_panic_without_a_death_is_a_crash(void)
{
    struct keeper_part keeper;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&keeper, "{}");
    say(&keeper, "before\n" RUST_PANIC "INFO goes on\n");
    end_keeper(&keeper, true);
    ship(keeper.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 1);
    const ccol_report *report = with_reason(&found, "panic - no such item");
    CHECK(!file_holds(report, "upload_file_minidump", ""));
    CHECK(file_holds(report, "stacktrace_json", "\"runtime\": \"rust\""));
    unload(&found);
    fixture_remove();
}

static void an_end_without_a_trace_is_told_by_the_next(void)
{
    struct keeper_part gone, next;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&gone, "{\"annotations\": {\"ProductName\": \"Gone\"}}");
    say(&gone, "the last line of it\n");
    leave_snapshot(&gone, SIGFPE);
    end_keeper(&gone, false);
    start_keeper(&next, "{}");
    end_keeper(&next, true);
    ship(next.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 2);
    const ccol_report *report = with_reason(&found, "vanished ended without a trace");
    CHECK_TEXT(ccol_report_annotation(report, "ProductName"), "Gone");
    CHECK(file_holds(report, "log", "the last line of it\n"));
    with_reason(&found, "SIGFPE");
    unload(&found);
    check_gone(gone.instance);
    check_gone(next.instance);
    fixture_remove();
}

/* A shipper that was killed while it removed a folder: what is left of that is no run to tell of. */
static void what_is_left_of_a_folder_is_no_run(void)
{
    struct keeper_part gone, next;
    struct expected found;
    char state[256];
    fixture_fresh("shipper");
    start_keeper(&gone, "{}");
    end_keeper(&gone, false);
    snprintf(state, sizeof state, "%s/monitor/%s/state", fixture_folder, gone.instance);
    REQUIRE(unlink(state) == 0);
    start_keeper(&next, "{}");
    end_keeper(&next, true);
    ship(next.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 0);
    unload(&found);
    check_gone(gone.instance);
    fixture_remove();
}

static int refuse(void *self, const ccol_report *report, ccol_error *err)
{
    (void)self;
    (void)report;
    return ccol_fail(err, CCOL_EREMOTE, "down");
}

/* With the storage down all is kept, and the next shipper brings it there. */
static void nothing_is_lost_while_the_storage_is_down(void)
{
    static const ccol_storage_ops down = {.size = sizeof down, .name = "down", .save = refuse};
    struct keeper_part keeper, next;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&keeper, "{}");
    leave_snapshot(&keeper, SIGBUS);
    end_keeper(&keeper, true);
    ship(keeper.instance, &down);
    load_reports(&found);
    CHECK_INT(found.count, 0);
    unload(&found);
    start_keeper(&next, "{}");
    end_keeper(&next, true);
    ship(next.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 1);
    with_reason(&found, "SIGBUS");
    unload(&found);
    check_gone(keeper.instance);
    fixture_remove();
}

/* A shipper that died between submitting a snapshot and removing it: the next one makes the same crash of it. */
static void a_snapshot_that_is_shipped_twice_is_one_crash(void)
{
    struct keeper_part keeper;
    struct expected found;
    char copy[256], original[256], path[256];
    fixture_fresh("shipper");
    start_keeper(&keeper, "{}");
    leave_snapshot(&keeper, SIGILL);
    snprintf(original, sizeof original, "%s/monitor/%s/000001.snapshot", fixture_folder, keeper.instance);
    snprintf(copy, sizeof copy, "%s/again", fixture_folder);
    REQUIRE(link(original, copy) == 0);
    end_keeper(&keeper, false); /* so that its folder would be adopted */
    struct keeper_part next;
    start_keeper(&next, "{}");
    end_keeper(&next, true);
    ship(next.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 2); /* and its end without a trace */
    unload(&found);
    /* the same folder again, as if it had not been removed */
    snprintf(path, sizeof path, "%s/monitor/%s", fixture_folder, keeper.instance);
    REQUIRE(mkdir(path, 0700) == 0 && rename(copy, original) == 0);
    start_keeper(&next, "{}");
    end_keeper(&next, true);
    ship(next.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 2);
    unload(&found);
    fixture_remove();
}

static void write_file(const char *instance, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/monitor/%s/%s", fixture_folder, instance, name);
    FILE *file = fopen(path, "w");
    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void what_cannot_be_read_is_set_aside(void)
{
    struct keeper_part keeper;
    struct expected found;
    fixture_fresh("shipper");
    start_keeper(&keeper, "{}");
    write_file(keeper.instance, "000001.snapshot", "no snapshot at all");
    keeper.folder.next = 2;
    leave_snapshot(&keeper, SIGTRAP); /* has made the shipper crash four times */
    write_file(keeper.instance, "000002.tries", "++++");
    leave_snapshot(&keeper, SIGSEGV); /* has done so once: no symbols this time */
    write_file(keeper.instance, "000003.tries", "+");
    leave_snapshot(&keeper, SIGFPE);
    end_keeper(&keeper, true);
    ship(keeper.instance, NULL);
    load_reports(&found);
    CHECK_INT(found.count, 4);
    const ccol_report *report = with_reason(&found, "SIGSEGV");
    CHECK(strstr(ccol_report_annotation(report, "CaptureNotes"), "no symbols") != NULL);
    CHECK(!file_holds(report, "stacktrace", "leaf_crash"));
    with_reason(&found, "SIGFPE");
    unload(&found);
    CHECK_INT(fixture_count("monitor/failed"), 2);
    check_gone(keeper.instance);
    fixture_remove();
}

int main(void)
{
    RUN(a_crash_becomes_a_report);
    RUN(what_the_program_noted_is_in_the_report);
    RUN(a_panic_and_its_abort_are_one_crash);
    RUN(a_panic_without_a_death_is_a_crash);
    RUN(an_end_without_a_trace_is_told_by_the_next);
    RUN(what_is_left_of_a_folder_is_no_run);
    RUN(nothing_is_lost_while_the_storage_is_down);
    RUN(a_snapshot_that_is_shipped_twice_is_one_crash);
    RUN(what_cannot_be_read_is_set_aside);
    ccol__build_fini(&snapshot_fixture);
    return check_done();
}
