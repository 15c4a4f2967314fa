/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_HEALTH_H
#define CRASHCOLLECT_HEALTH_H

#include <crashcollect/upload.h>

CCOL_BEGIN

/* Answers /__lbheartbeat__, /__heartbeat__, /__version__, /__broken__ (Dockerflow) and /metrics for any HTTP server.
 * Never blocks: storage, spool and publisher are asked by the collector's own thread, answers tell their age. */
typedef struct ccol_health ccol_health;

typedef struct ccol_health_options {
    size_t size;
    const char *version_file; /* version.json, read at each request as Antenna does; absent or not JSON: {} */
    const char *admin_auth;   /* "user:password" wanted for /__broken__; default: open */
} ccol_health_options;

typedef struct ccol_health_request {
    size_t size;
    const char *method;         /* "GET", ... */
    const char *path;           /* without query string */
    const char *authorization;  /* header value or NULL */
    const ccol_header *headers; /* all of them, for the incident that /__broken__ makes; default: none */
    size_t header_count;
} ccol_health_request;

CCOL_API int ccol_health_new(ccol_health **out, ccol_collector *collector, const ccol_health_options *options,
                             ccol_error *err);
/* A probe of the host's own, asked with the others every check_period_ms on the collector's thread; non-zero is an
 * error in /__heartbeat__. */
typedef int (*ccol_probe_fn)(void *user, ccol_error *err);
CCOL_API int ccol_health_add_probe(ccol_health *health, const char *name, ccol_probe_fn probe, void *user,
                                   ccol_error *err);
/* True and a filled reply if the path is one of the five (405 and OPTIONS included), else false. */
CCOL_API bool ccol_health_answer(ccol_health *health, const ccol_health_request *request, ccol_reply *reply);
/* Free it before the collector. */
CCOL_API void ccol_health_free(ccol_health *health);

CCOL_END
#endif
