/* SPDX-License-Identifier: MIT */
/* What Sentry's SDKs and crash reporters post to /api/PROJECT/{minidump,envelope,store}/, as a report. An upload asks
 * here for what differs from POST /submit. No I/O; one thread at a time. */
#ifndef CCOL_COLLECTOR_INTAKE_H
#define CCOL_COLLECTOR_INTAKE_H

#include <crashcollect/upload.h>

#include "base/budget.h"
#include "report/report.h"

struct intake;

struct intake_limits {
    const char *const *keys; /* public keys that are let in, NULL-terminated */
    size_t max_inflated;     /* of a compressed minidump */
    struct budget *budget;
};

/* Whether a path is one of the three. */
bool ccol__intake_path(const char *path);
/* Begins one. Whoever may not post, or posts what is none, is refused by ccol__intake_status. NULL: memory. */
struct intake *ccol__intake_new(ccol_report *report, const ccol_upload_info *info, const struct intake_limits *limits);
void ccol__intake_free(struct intake *intake);

/* Whether the body is a form, as with POST /submit; else it is to be fed here. */
bool ccol__intake_is_form(const struct intake *intake);
/* CCOL_EFORMAT (see ccol__intake_status), CCOL_ETOOLARGE, -ENOMEM. */
int ccol__intake_feed(struct intake *intake, const char *data, size_t length);
/* The body is complete: makes the report's files and annotations; likewise. */
int ccol__intake_finish(struct intake *intake);

/* The HTTP status and the reason of a refusal; 0: none so far. */
unsigned ccol__intake_status(const struct intake *intake, const char **why);
/* Writes the body of an answer, and returns its content type: for a status of 200 the event's id, else why not. */
const char *ccol__intake_answer(struct intake *intake, char *body, size_t size, unsigned status, const char *why);

#endif
