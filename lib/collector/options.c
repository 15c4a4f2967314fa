/* SPDX-License-Identifier: MIT */
#include "collector/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define KIB               ((uint64_t)1 << 10)
#define MIB               ((uint64_t)1 << 20)
#define GIB               ((uint64_t)1 << 30)
#define CRASHMOVERS_MAX   256
#define SEGMENT_BYTES_MIN MIB
#define SEGMENT_ALIGN     4096
#define PREFIX_MAX        32

/* What Antenna removes: who the user is. */
static const char *const default_discard_fields[] = {"Email", "TelemetryClientId", "TelemetryServerURL",
                                                     "TelemetrySessionId", NULL};

static void default_u64(uint64_t *value, uint64_t wanted)
{
    if (!*value) *value = wanted;
}

static void default_unsigned(unsigned *value, unsigned wanted)
{
    if (!*value) *value = wanted;
}

static void fill_defaults(ccol_collector_options *options)
{
    default_unsigned(&options->crashmovers, 4);
    default_u64(&options->spool_max_bytes, 10 * GIB);
    default_u64(&options->spool_segment_bytes, 64 * MIB);
    default_u64(&options->memory_budget, 512 * MIB);
    default_u64(&options->max_body, 25 * MIB);
    default_u64(&options->max_inflated, 200 * MIB);
    default_u64(&options->max_annotation, 20 * MIB);
    default_unsigned(&options->max_parts, 100000);
    default_unsigned(&options->max_part_headers, 8 * KIB);
    default_unsigned(&options->max_json_depth, 1000);
    default_unsigned(&options->save_attempts, 5);
    default_unsigned(&options->retry_first_ms, 1000);
    default_unsigned(&options->retry_max_ms, 60000);
    default_unsigned(&options->check_period_ms, 5000);
    default_unsigned(&options->stall_after_ms, 30000);
    if (!options->crash_id_prefix) options->crash_id_prefix = "bp-";
    if (!options->discard_fields) options->discard_fields = default_discard_fields;
    if (options->retry_max_ms < options->retry_first_ms) options->retry_max_ms = options->retry_first_ms;
    if (options->spool_segment_bytes < SEGMENT_BYTES_MIN) options->spool_segment_bytes = SEGMENT_BYTES_MIN;
    /* A small spool is cut into small pieces, so that one can be filled while others are emptied. */
    uint64_t quarter = options->spool_max_bytes / 4;
    if (options->spool_segment_bytes > quarter) options->spool_segment_bytes = quarter;
    options->spool_segment_bytes -= options->spool_segment_bytes % SEGMENT_ALIGN;
}

static int check(const ccol_collector_options *options, ccol_error *err)
{
    if (!options->storage) return ccol_fail(err, -EINVAL, "ccol_collector_options.storage is required");
    if (options->ack < CCOL_ACK_SPOOLED || options->ack > CCOL_ACK_QUEUED)
        return ccol_fail(err, -EINVAL, "ccol_collector_options.ack is none of the three");
    if (options->ack == CCOL_ACK_SPOOLED && !options->spool_dir)
        return ccol_fail(err, -EINVAL, "ack spooled needs spool_dir: set it, or ask for ack stored or queued by name");
    if (options->crashmovers > CRASHMOVERS_MAX)
        return ccol_fail(err, -EINVAL, "crashmovers is %u, at most %d are possible", options->crashmovers,
                         CRASHMOVERS_MAX);
    if (options->spool_max_bytes < 4 * SEGMENT_BYTES_MIN)
        return ccol_fail(err, -EINVAL, "spool_max_bytes is %llu, at least 4 MiB are needed",
                         (unsigned long long)options->spool_max_bytes);
    if (strlen(options->crash_id_prefix) > PREFIX_MAX)
        return ccol_fail(err, -EINVAL, "crash_id_prefix is longer than %d characters", PREFIX_MAX);
    return 0;
}

/* Replaces a borrowed string by a copy. */
static bool own_text(const char **text)
{
    if (!*text) return true;
    *text = strdup(*text);
    return *text != NULL;
}

static bool own_list(const char *const **list)
{
    const char *const *given = *list;
    size_t count = 0;
    while (given[count])
        count++;
    const char **copy = calloc(count + 1, sizeof *copy);
    *list = copy;
    for (size_t i = 0; copy && i < count; i++) {
        if (!(copy[i] = strdup(given[i]))) return false;
    }
    return copy != NULL;
}

int ccol__options_init(ccol_collector_options *out, const ccol_collector_options *given, ccol_error *err)
{
    ccol_collector_options options;
    memset(out, 0, sizeof *out);
    int code = ccol__struct_in(&options, sizeof options, given, "ccol_collector_options", err);
    if (code) return code;
    fill_defaults(&options);
    code = check(&options, err);
    if (code) return code;
    bool copied = own_text(&options.spool_dir);
    copied = own_text(&options.submitter_token) && copied;
    copied = own_text(&options.crash_id_prefix) && copied;
    copied = own_list(&options.discard_fields) && copied;
    if (options.sentry_keys) copied = own_list(&options.sentry_keys) && copied;
    ccol_storage_ref(options.storage);
    ccol_publisher_ref(options.publisher);
    *out = options;
    return copied ? 0 : ccol_fail(err, -ENOMEM, "cannot keep the options");
}

static void free_list(const char *const *list)
{
    for (const char *const *text = list; text && *text; text++)
        free((void *)(uintptr_t)*text);
    free((void *)(uintptr_t)list);
}

void ccol__options_fini(ccol_collector_options *options)
{
    free((void *)(uintptr_t)options->spool_dir);
    free((void *)(uintptr_t)options->submitter_token);
    free((void *)(uintptr_t)options->crash_id_prefix);
    free_list(options->discard_fields);
    free_list(options->sentry_keys);
    ccol_publisher_unref(options->publisher);
    ccol_storage_unref(options->storage);
}
