/* SPDX-License-Identifier: MIT */
#include "monitor/shipper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/folder.h"
#include "monitor/shipment.h"

#define PART        "shipper"
#define RETRY_MS    1000  /* after the collector had no room */
#define LOOK_MS     5000  /* also without being woken */
#define ADOPTED_MS  1000  /* likewise, while there is an adopted one */
#define ADOPT_MS    60000 /* between two searches for orphans */
#define CATCH_UP_MS 2000  /* how long a run's end may take for what others left */
#define PATH_SIZE   4096

/* An instance that is gone, until its spool is empty. */
struct adopted {
    struct shipment_context context; /* with a collector of its own; NULL: there is no such instance */
    struct shipment shipment;
    int turn_fd; /* flock on the parent folder: whose turn it is to adopt */
};

struct shipper {
    struct shipper_options options;
    const struct keeper_shipper *from;
    int parent_fd;
    struct redactor *redactor;
    struct log_line_reader *lines;
    struct shipment_context context;
    struct shipment own;
    struct adopted adopted;
    uint64_t adopt_at_ms; /* when to look for orphans again */
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

static void give_turn_back(struct adopted *adopted)
{
    if (adopted->turn_fd >= 0) close(adopted->turn_fd);
    adopted->turn_fd = -1;
}

static void leave_adopted(struct adopted *adopted)
{
    ccol_collector_free(adopted->context.collector);
    adopted->context.collector = NULL;
    ccol__shipment_close(&adopted->shipment);
    give_turn_back(adopted);
}

/* Removes the folder of the adopted instance if its spool is empty by now. */
static void tend_adopted(struct shipper *shipper)
{
    struct adopted *adopted = &shipper->adopted;
    ccol_error err = {0};
    if (!adopted->context.collector || queued(adopted->context.collector) > 0) return;
    ccol_collector_free(adopted->context.collector);
    adopted->context.collector = NULL;
    if (ccol__handover_destroy(&adopted->shipment.handover, &err) != 0)
        tell(shipper, CCOL_LOG_WARNING, "an instance that ended is not removed", &err);
    leave_adopted(adopted);
}

/* Ships what an instance left whose keeper is gone: snapshots go behind what is in its spool already, so that its
 * crashes stay in order. */
static bool adopt(struct shipper *shipper, const char *name)
{
    struct adopted *adopted = &shipper->adopted;
    ccol_error err = {0};
    adopted->context = shipper->context;
    adopted->context.collector = NULL;
    int code = ccol__shipment_open(&adopted->shipment, &adopted->context, shipper->parent_fd, name, &err);
    if (code || !ccol__handover_is_orphan(&adopted->shipment.handover)) { /* it lives, or somebody else has it */
        ccol__shipment_close(&adopted->shipment);
        return false;
    }
    code = open_collector(shipper, name, &adopted->context.collector, &err);
    if (!code) code = ccol__shipment_finish(&adopted->shipment, &err);
    if (code) {
        tell(shipper, CCOL_LOG_WARNING, "an instance that ended is not adopted yet", &err);
        ccol_collector_free(adopted->context.collector);
        adopted->context.collector = NULL;
        ccol__shipment_close(&adopted->shipment);
        return false;
    }
    ccol__log(&shipper->options.log, CCOL_LOG_INFO, PART, "", "adopted %s, whose keeper is gone", name);
    return true;
}

/* The first name behind `after` of a folder that can be an instance's. Names begin with the time of their start. */
static bool next_name(const struct shipper *shipper, const char *after, char out[HANDOVER_NAME_MOST])
{
    int copy = openat(shipper->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (!folder && copy >= 0) close(copy);
    out[0] = '\0';
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (!ccol__handover_is_name(name) || strcmp(name, shipper->from->instance) == 0 || strcmp(name, after) <= 0)
            continue;
        if (!out[0] || strcmp(name, out) < 0) memcpy(out, name, strlen(name) + 1);
    }
    if (folder) closedir(folder);
    return out[0] != '\0';
}

/* Adopts the oldest instance that is gone. One at a time, and one shipper of a data folder: so their crashes reach the
 * storage in order. */
static bool adopt_next(struct shipper *shipper)
{
    char name[HANDOVER_NAME_MOST] = "", after[HANDOVER_NAME_MOST];
    struct adopted *adopted = &shipper->adopted;
    if (shipper->options.no_adoption || adopted->context.collector) return false;
    adopted->turn_fd = openat(shipper->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (flock(adopted->turn_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        give_turn_back(adopted);
        return false;
    }
    do
        memcpy(after, name, sizeof after);
    while (next_name(shipper, after, name) && !adopt(shipper, name));
    if (!adopted->context.collector) give_turn_back(adopted);
    return adopted->context.collector != NULL;
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
static int turn(struct shipper *shipper)
{
    ccol_error err = {0};
    int timeout_ms = LOOK_MS;
    if (ccol__shipment_turn(&shipper->own, &err) != 0) {
        tell(shipper, CCOL_LOG_WARNING, "tried again soon", &err);
        timeout_ms = RETRY_MS;
    }
    tend_adopted(shipper);
    if (!shipper->adopted.context.collector && ccol__clock_monotonic_ms() >= shipper->adopt_at_ms) {
        bool found = adopt_next(shipper); /* then the one behind it as soon as this one is through */
        shipper->adopt_at_ms = found ? 0 : ccol__clock_monotonic_ms() + ADOPT_MS;
    }
    if (shipper->adopted.context.collector && timeout_ms > ADOPTED_MS) timeout_ms = ADOPTED_MS;
    int due_ms = ccol__shipment_due_ms(&shipper->own);
    return due_ms >= 0 && due_ms < timeout_ms ? due_ms : timeout_ms;
}

static void serve(struct shipper *shipper)
{
    for (;;) {
        int timeout_ms = turn(shipper);
        if (shipper->keeper_gone || ccol__shipment_is_done(&shipper->own)) return;
        wait_for_word(shipper, timeout_ms);
    }
}

static unsigned left_ms(uint64_t until)
{
    uint64_t now = ccol__clock_monotonic_ms();
    return now < until ? (unsigned)(until - now) : 0;
}

/* The end of a run does not wait for long for what others left. */
static void catch_up(struct shipper *shipper, uint64_t until)
{
    uint64_t soon = ccol__clock_monotonic_ms() + CATCH_UP_MS;
    if (until > soon) until = soon;
    for (int code = 0; !code && left_ms(until) > 0;) {
        if (!shipper->adopted.context.collector && !adopt_next(shipper)) return;
        code = ccol_collector_drain(shipper->adopted.context.collector, left_ms(until));
        tend_adopted(shipper);
    }
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
    catch_up(shipper, until);
    bool empty = queued(shipper->context.collector) == 0;
    ccol_collector_free(shipper->context.collector);
    shipper->context.collector = NULL;
    return empty ? ccol__handover_destroy(&shipper->own.handover, err) : 0;
}

static void close_parts(struct shipper *shipper)
{
    if (shipper->adopted.context.collector) leave_adopted(&shipper->adopted);
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
    shipper->parent_fd = shipper->adopted.turn_fd = -1;
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
