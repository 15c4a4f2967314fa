/* SPDX-License-Identifier: MIT */
/* A report that a Sentry SDK sent as an envelope goes on as one: its items as they came, its header without the DSN
 * that they were sent to, with the key of the next one and a fresh sent_at. */
#ifndef CCOL_STORAGE_SENTRY_FORWARD_H
#define CCOL_STORAGE_SENTRY_FORWARD_H

#include <crashcollect/report.h>

struct sentry_client;

/* Whether the report holds an envelope. */
bool ccol__sentry_forward_is(const ccol_report *report);
/* As ccol__sentry_client_send. */
int ccol__sentry_forward(struct sentry_client *client, const ccol_report *report, ccol_error *err);

#endif
