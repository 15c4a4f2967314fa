/* SPDX-License-Identifier: MIT */
/* What is no crash: how a run ended, as Sentry's session item, and lines that it logged, as its log item. */
#ifndef CCOL_STORAGE_SENTRY_TELEMETRY_H
#define CCOL_STORAGE_SENTRY_TELEMETRY_H

#include "net/sentry_envelope.h"
#include "net/sentry_limits.h"
#include "storage/sentry_event.h"

struct sentry_telemetry {
    struct buffer payload;
    struct envelope_item item; /* of the payload */
    enum sentry_category category;
    uint64_t quantity, dropped; /* for client reports; dropped: lines that came too fast before */
};

/* Whether the report is of that kind; one with a minidump never is. */
bool ccol__sentry_telemetry_is(const ccol_report *report);
/* Makes its item. item.type NULL: there is nothing to send, as Sentry takes no session without a release. CCOL_EFORMAT:
 * the report's file is not what it should be; -ENOMEM. The caller clears it in any case. */
int ccol__sentry_telemetry_make(struct sentry_telemetry *out, const ccol_report *report,
                                const struct sentry_event_options *options, ccol_error *err);
void ccol__sentry_telemetry_fini(struct sentry_telemetry *telemetry);

#endif
