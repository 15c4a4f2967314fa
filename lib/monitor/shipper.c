/* SPDX-License-Identifier: MIT */
#include "monitor/shipper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/folder.h"
#include "monitor/shipment.h"

#define PART         "shipper"
#define ADOPTED_MOST 4    /* spools of others that are open at once */
#define RETRY_MS     1000 /* after the collector had no room */
#define LOOK_MS      5000 /* also without being woken */
#define ADOPT_EVERY  12   /* such looks between two searches for orphans */
#define PATH_SIZE    4096

/* The spool of an instance that is gone, until it is empty. */
struct adopted {
    struct handover handover;
    ccol_collector *collector; /* NULL: this place is free */
};

struct shipper {
    struct shipper_options options;
    const struct keeper_shipper *from;
    int parent_fd;
    struct redactor *redactor;
    struct log_line_reader *lines;
    struct shipment_context context;
    struct shipment own;
    struct adopted adopted[ADOPTED_MOST];
    bool keeper_gone;
};

static void tell(const struct shipper *shipper, ccol_level level, const char *what, const ccol_error *err)
{
    ccol__log(&shipper->options.log, level, PART, "", "%s: %s", what, err->text);
}

static void set_defaults(struct shipper_options *options)
{
    if (!options->log_bytes) options->log_bytes = (size_t)64 << 10;
    if (options->tries < 4) options->tries = 4;
    if (!options->panic_ms) options->panic_ms = 1500;
    if (!options->drain_ms) options->drain_ms = 5000;
}

static int open_collector(const struct shipper *shipper, const char *instance, ccol_collector **out, ccol_error *err)
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "%s/%s/%s/%s", shipper->options.data_dir, HANDOVER_PARENT, instance,
                          HANDOVER_SPOOL);
    if (length < 0 || (size_t)length >= sizeof path) return ccol_fail(err, -ENAMETOOLONG, "the data folder's name");
    return shipper->options.open_collector(shipper->options.user, path, out, err);
}

static int open_parts(struct shipper *shipper, ccol_error *err)
{
    char path[PATH_SIZE];
    struct shipment_context *context = &shipper->context;
    int length = snprintf(path, sizeof path, "%s/%s", shipper->options.data_dir, HANDOVER_PARENT);
    if (length < 0 || (size_t)length >= sizeof path) return ccol_fail(err, -ENAMETOOLONG, "the data folder's name");
    int code = ccol__folder_open(AT_FDCWD, path, 0750, &shipper->parent_fd, err);
    if (!code) code = ccol__redactor_new(&shipper->redactor, &shipper->options.redact, err);
    if (!code) code = ccol__log_line_reader_new(&shipper->lines, &shipper->options.lines, err);
    if (code) return code;
    ccol__host_read(&context->host);
    context->options = &shipper->options;
    context->reader = (struct crash_log_reader){shipper->redactor, shipper->lines, shipper->options.log_bytes};
    code = ccol__shipment_open(&shipper->own, context, shipper->parent_fd, shipper->from->instance, err);
    if (!code) code = open_collector(shipper, shipper->from->instance, &context->collector, err);
    return code ? code : ccol__shipment_tap(&shipper->own, err);
}

static uint64_t queued(ccol_collector *collector)
{
    ccol_collector_stats stats = {.size = sizeof stats};
    ccol_collector_stats_get(collector, &stats);
    return stats.queued;
}

/* Removes the folders of spools that are empty by now. */
static void tend_adopted(struct shipper *shipper)
{
    for (size_t i = 0; i < ADOPTED_MOST; i++) {
        struct adopted *adopted = &shipper->adopted[i];
        ccol_error err = {0};
        if (!adopted->collector || queued(adopted->collector) > 0) continue;
        ccol_collector_free(adopted->collector);
        adopted->collector = NULL;
        if (ccol__handover_destroy(&adopted->handover, &err) != 0)
            tell(shipper, CCOL_LOG_WARNING, "an instance that ended is not removed", &err);
        ccol__handover_close(&adopted->handover);
    }
}

static struct adopted *free_place(struct shipper *shipper)
{
    for (size_t i = 0; i < ADOPTED_MOST; i++) {
        if (!shipper->adopted[i].collector) return &shipper->adopted[i];
    }
    return NULL;
}

/* Ships what an instance left whose keeper is gone. Its snapshots go into our own spool; what is in its spool already
 * is saved from there. */
static void adopt(struct shipper *shipper, const char *name)
{
    struct shipment shipment;
    ccol_error err = {0};
    struct adopted *place = free_place(shipper);
    int code = place ? ccol__shipment_open(&shipment, &shipper->context, shipper->parent_fd, name, &err) : -EBUSY;
    if (!place) return;
    if (code || !ccol__handover_is_orphan(&shipment.handover)) { /* it lives, or somebody else has it */
        ccol__shipment_close(&shipment);
        return;
    }
    code = ccol__shipment_finish(&shipment, &err);
    if (!code) code = open_collector(shipper, name, &place->collector, &err);
    if (code) {
        place->collector = NULL;
        tell(shipper, CCOL_LOG_WARNING, "an instance that ended is not adopted yet", &err);
        ccol__shipment_close(&shipment);
        return;
    }
    ccol__log_follower_free(shipment.follower);
    place->handover = shipment.handover; /* with its locks */
    ccol__log(&shipper->options.log, CCOL_LOG_INFO, PART, "", "adopted %s, whose keeper is gone", name);
}

static void adopt_all(struct shipper *shipper)
{
    if (shipper->options.no_adoption) return;
    int copy = openat(shipper->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (!folder && copy >= 0) close(copy);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!ccol__handover_is_name(entry->d_name) || strcmp(entry->d_name, shipper->from->instance) == 0) continue;
        adopt(shipper, entry->d_name);
        tend_adopted(shipper);
    }
    if (folder) closedir(folder);
}

/* Waits for the keeper's word, at most so long. */
static void wait_for_word(struct shipper *shipper, int timeout_ms)
{
    char bytes[256];
    struct pollfd wake = {.fd = shipper->from->wake_fd, .events = POLLIN};
    if (poll(&wake, 1, timeout_ms) <= 0) return;
    ssize_t got;
    while ((got = read(wake.fd, bytes, sizeof bytes)) > 0)
        continue;
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) shipper->keeper_gone = true;
}

/* One look at everything. Returns how long the next may take to come, at most. */
static int turn(struct shipper *shipper, unsigned looks)
{
    ccol_error err = {0};
    int timeout_ms = LOOK_MS;
    if (ccol__shipment_turn(&shipper->own, &err) != 0) {
        tell(shipper, CCOL_LOG_WARNING, "tried again soon", &err);
        timeout_ms = RETRY_MS;
    }
    if (looks % ADOPT_EVERY == 0) adopt_all(shipper);
    tend_adopted(shipper);
    int due_ms = ccol__shipment_due_ms(&shipper->own);
    return due_ms >= 0 && due_ms < timeout_ms ? due_ms : timeout_ms;
}

static void serve(struct shipper *shipper)
{
    for (unsigned looks = 0;; looks++) {
        int timeout_ms = turn(shipper, looks);
        if (shipper->keeper_gone || ccol__shipment_is_done(&shipper->own)) return;
        wait_for_word(shipper, timeout_ms);
    }
}

static unsigned left_ms(uint64_t until)
{
    uint64_t now = ccol__clock_monotonic_ms();
    return now < until ? (unsigned)(until - now) : 0;
}

/* The last turns: until everything is submitted and saved, or the time for it is over. What is left then is found by
 * the next shipper on this data folder. */
static int finish(struct shipper *shipper, ccol_error *err)
{
    uint64_t until = ccol__clock_monotonic_ms() + shipper->options.drain_ms;
    int code;
    while ((code = ccol__shipment_finish(&shipper->own, err)) != 0 && left_ms(until) > 0) {
        const struct timespec pause = {.tv_nsec = 50L * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    if (code) return code;
    ccol_collector_drain(shipper->context.collector, left_ms(until));
    for (size_t i = 0; i < ADOPTED_MOST; i++) {
        if (shipper->adopted[i].collector) ccol_collector_drain(shipper->adopted[i].collector, left_ms(until));
    }
    tend_adopted(shipper);
    bool empty = queued(shipper->context.collector) == 0;
    ccol_collector_free(shipper->context.collector);
    shipper->context.collector = NULL;
    return empty ? ccol__handover_destroy(&shipper->own.handover, err) : 0;
}

static void close_parts(struct shipper *shipper)
{
    for (size_t i = 0; i < ADOPTED_MOST; i++) {
        struct adopted *adopted = &shipper->adopted[i];
        if (!adopted->collector) continue;
        ccol_collector_free(adopted->collector);
        ccol__handover_close(&adopted->handover);
    }
    ccol__shipment_close(&shipper->own);
    ccol_collector_free(shipper->context.collector);
    ccol__host_fini(&shipper->context.host);
    ccol__log_line_reader_free(shipper->lines);
    ccol__redactor_free(shipper->redactor);
    if (shipper->parent_fd >= 0) close(shipper->parent_fd);
}

int ccol__shipper_run(const struct shipper_options *options, const struct keeper_shipper *from, ccol_error *err)
{
    struct shipper *shipper = calloc(1, sizeof *shipper);
    if (!shipper) return ccol_fail(err, -ENOMEM, "no memory for the shipper");
    shipper->options = *options;
    shipper->from = from;
    shipper->parent_fd = -1;
    shipper->own.handover = (struct handover){.fd = -1, .shipper_lock_fd = -1, .keeper_lock_fd = -1};
    set_defaults(&shipper->options);
    int code = open_parts(shipper, err);
    if (!code) {
        serve(shipper);
        code = finish(shipper, err);
    }
    close_parts(shipper);
    free(shipper);
    return code;
}
