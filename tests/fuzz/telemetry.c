/* SPDX-License-Identifier: MIT */
/* Reports that tell of a run, as any client may send them: what becomes of them is JSON, and no more lines than may be.
 */
#include <string.h>

#include "fuzz.h"
#include "storage/sentry_telemetry.h"

static void check(const char *kind, const char *file, const uint8_t *data, size_t size)
{
    static const struct json_limits limits = {.depth = 16, .number_length = 64};
    const struct sentry_event_options options = {.release = "app@1", .server_name = "node"};
    struct sentry_telemetry telemetry;
    struct arena arena;
    struct json *json;
    ccol_report *report = ccol_report_new();
    PROPERTY(report && ccol_report_annotate(report, "ReportKind", kind) == 0);
    PROPERTY(ccol_report_add_file(report, file, data, size) == 0 && ccol__sentry_telemetry_is(report));
    int code = ccol__sentry_telemetry_make(&telemetry, report, &options, NULL);
    ccol__arena_init(&arena, NULL);
    if (!code) {
        PROPERTY(telemetry.item.type && telemetry.quantity >= 1 && telemetry.quantity <= 100);
        PROPERTY(ccol__json_parse(&arena, telemetry.item.data, telemetry.item.length, &limits, &json, NULL) == 0);
    }
    ccol__arena_fini(&arena);
    ccol__sentry_telemetry_fini(&telemetry);
    ccol_report_unref(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check("session", "session_json", data, size);
    check("logs", "logs_json", data, size);
    return 0;
}
