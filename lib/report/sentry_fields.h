/* SPDX-License-Identifier: MIT */
/* Form fields by which crash reporters give parts of a Sentry event: `sentry` and `sentry___NAME` are JSON,
 * `sentry__1`, `sentry__2`, ... the pieces of one JSON text, and `sentry[a][b]` single texts. Files likewise:
 * `__sentry-event` and the breadcrumbs in `__sentry-breadcrumb1` and 2, which are MessagePack. No I/O. */
#ifndef CCOL_REPORT_SENTRY_FIELDS_H
#define CCOL_REPORT_SENTRY_FIELDS_H

#include <crashcollect/report.h>

#include "base/json_build.h"

/* Whether an annotation of that name is such a field. */
bool ccol__sentry_field_is(const char *name);
/* Whether a file of that name, as it lies in a report, is one of the three. */
bool ccol__sentry_file_is(const char *name);
/* Merges all such files and fields of a report into an object, files before texts before pieces before JSON. What
 * cannot be read is left out. */
void ccol__sentry_fields_merge(struct json_builder *builder, struct json *event, const ccol_report *report);
/* Merges one field `sentry[a][b]`. */
void ccol__sentry_field_put(struct json_builder *builder, struct json *event, const char *name, const char *value);

#define SENTRY_ID_SIZE 33
/* An event id, with or without dashes, as 32 lower-case digits. false: not one. */
bool ccol__sentry_id_read(char out[SENTRY_ID_SIZE], const char *text);

#endif
