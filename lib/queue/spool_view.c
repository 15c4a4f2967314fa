/* SPDX-License-Identifier: MIT */
/* Looks into a spool from outside, without its lock: for `crashcollectd queue`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <crashcollect/spool.h>

#include "base/auto.h"
#include "base/folder.h"
#include "queue/quarantine.h"
#include "queue/spool.h"

#define PATH_SIZE   4096
#define REASON_SIZE 512

struct view {
    int segments_fd;
    int (*each)(struct view *view, const struct spool_place *place, const struct record_header *header,
                enum record_state state);
    int (*tell)(void *user, const ccol_spooled *spooled);
    void *user;
    struct quarantine *quarantine;
    const char *wanted; /* crash id looked for */
    ccol_report **found;
    ccol_error *err;
};

static int view_records(struct view *view, struct segment *segment)
{
    struct crash_buffer page = {0};
    int code = 0;
    for (uint64_t at = SEGMENT_HEADER_BYTES; !code && at + RECORD_ALIGN <= segment->bytes;) {
        struct record_header header;
        bool synced;
        if (ccol__segment_read(segment, at, RECORD_ALIGN, &page, NULL)) break;
        if (!ccol__record_read_header(&header, page.data, page.length) || header.generation != segment->generation) {
            at += RECORD_ALIGN;
            continue;
        }
        const struct spool_place place = {segment, at, header.record_bytes, header.sequence};
        enum record_state state = ccol__segment_state(segment, at, header.sequence, &synced);
        if (state == RECORD_PENDING || state == RECORD_SAVED) code = view->each(view, &place, &header, state);
        at += header.record_bytes;
    }
    ccol__crash_buffer_fini(&page);
    return code;
}

static int view_segment(void *user, unsigned number, ccol_error *err)
{
    struct view *view = user;
    struct segment *segment;
    (void)err;
    /* One that is gone or being made meanwhile is no error. */
    if (ccol__segment_view(&segment, view->segments_fd, number, NULL)) return 0;
    int code = segment->generation ? view_records(view, segment) : 0;
    ccol__segment_close(segment, -1);
    return code;
}

static int view_spool(struct view *view, const char *spool_dir, ccol_error *err)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/segments", spool_dir) >= (int)sizeof path)
        return ccol_fail(err, -ENAMETOOLONG, "the spool's path is too long");
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ccol_fail(err, -errno, "%s is no spool folder", spool_dir);
    view->segments_fd = fd;
    return ccol__segment_each(fd, view_segment, view, err);
}

static int tell_queued(struct view *view, const struct spool_place *place, const struct record_header *header,
                       enum record_state state)
{
    const ccol_spooled spooled = {.size = sizeof spooled,
                                  .crash_id = header->id,
                                  .state = state == RECORD_SAVED ? "saved" : "pending",
                                  .reason = "",
                                  .received_at = header->received_us,
                                  .bytes = place->bytes};
    return view->tell(view->user, &spooled);
}

static int tell_failed(void *user, const char *crash_id)
{
    struct view *view = user;
    char reason[REASON_SIZE] = "";
    ccol__quarantine_reason(view->quarantine, crash_id, reason, sizeof reason);
    ccol_report *report = NULL;
    int code = ccol_storage_load(ccol__quarantine_storage(view->quarantine), crash_id, &report, NULL);
    const ccol_spooled spooled = {.size = sizeof spooled,
                                  .crash_id = crash_id,
                                  .state = "failed",
                                  .reason = reason,
                                  .received_at = code ? 0 : ccol_report_received_at(report),
                                  .bytes = code ? 0 : ccol__record_bytes(report)};
    code = view->tell(view->user, &spooled);
    ccol_report_unref(report);
    return code;
}

int ccol_spool_each(const char *spool_dir, int (*each)(void *user, const ccol_spooled *spooled), void *user,
                    ccol_error *err)
{
    struct view view = {.each = tell_queued, .tell = each, .user = user};
    int code = view_spool(&view, spool_dir, err);
    if (!code) code = ccol__quarantine_open(&view.quarantine, spool_dir, NULL, err);
    if (!code) code = ccol__quarantine_list(view.quarantine, tell_failed, &view, err);
    ccol__quarantine_close(view.quarantine);
    return code;
}

/* 1: found, or failed with *err filled. */
static int load_wanted(struct view *view, const struct spool_place *place, const struct record_header *header,
                       enum record_state state)
{
    (void)state;
    if (strcmp(header->id, view->wanted) != 0) return 0;
    int code = ccol__spool_load(place, NULL, view->found, view->err);
    return code ? code : 1;
}

int ccol_spool_load(const char *spool_dir, const char *crash_id, ccol_report **out, ccol_error *err)
{
    struct view view = {.each = load_wanted, .wanted = crash_id, .found = out, .err = err};
    int code = view_spool(&view, spool_dir, err);
    if (code) return code > 0 ? 0 : code;
    code = ccol__quarantine_open(&view.quarantine, spool_dir, NULL, err);
    if (!code) code = ccol_storage_load(ccol__quarantine_storage(view.quarantine), crash_id, out, err);
    ccol__quarantine_close(view.quarantine);
    return code == -ENOENT ? ccol_fail(err, -ENOENT, "no report %.64s in the spool", crash_id) : code;
}

int ccol_spool_retry(const char *spool_dir, const char *crash_id, ccol_error *err)
{
    struct quarantine *quarantine = NULL;
    ccol_report *report = NULL;
    int code = ccol__quarantine_open(&quarantine, spool_dir, NULL, err);
    if (!code) code = ccol_storage_load(ccol__quarantine_storage(quarantine), crash_id, &report, err);
    if (code == -ENOENT) ccol_fail(err, code, "no report %.64s in the quarantine", crash_id);
    if (!code) code = ccol__quarantine_ask_retry(quarantine, crash_id, err);
    ccol_report_unref(report);
    ccol__quarantine_close(quarantine);
    return code;
}
