/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_UPLOAD_H
#define CRASHCOLLECT_UPLOAD_H

#include <crashcollect/collector.h>

CCOL_BEGIN

/* One POST /submit without any I/O: give it headers and body bytes, get the answer to send. One thread at a time. */
typedef struct ccol_upload ccol_upload;

typedef struct ccol_upload_info {
    size_t size;
    const char *content_type; /* header values as received; NULL: absent */
    const char *content_encoding;
    const char *user_agent;
    const char *authorization;
    int64_t content_length; /* of the body as sent, compressed or not; -1: chunked; 0: absent or empty */
    /* Only where the collector takes what Sentry's SDKs send (ccol_collector_options.sentry_keys): */
    const char *path;        /* "/api/42/envelope/"; NULL: /submit */
    const char *sentry_auth; /* header X-Sentry-Auth */
    const char *sentry_key;  /* value of sentry_key in the query string, decoded */
} ccol_upload_info;

/* What to answer. The caller sets size and, when done, calls ccol_reply_clear. */
typedef struct ccol_reply {
    size_t size;
    unsigned status;          /* HTTP status */
    const char *content_type; /* static string */
    const char *allow;        /* value of an Allow header, or NULL; static string */
    unsigned retry_after_s;   /* value of a Retry-After header, or 0 */
    bool authenticate;        /* send WWW-Authenticate: Basic realm="crashcollect" */
    char *body;               /* NUL-terminated, never NULL after success */
    size_t body_length;
} ccol_reply;
CCOL_API void ccol_reply_clear(ccol_reply *reply);

/* Whether POST to that path is for an upload: /submit, and with sentry_keys /api/PROJECT/{minidump,envelope,store}/. */
CCOL_API bool ccol_upload_takes(ccol_collector *collector, const char *path);

/* Starts an upload. It succeeds also for requests that will be refused, as long as there is memory: the refusal comes
 * from _finish. If *decided (may be NULL) is set, the answer is known already and the body need not be read. */
CCOL_API int ccol_upload_new(ccol_upload **out, ccol_collector *collector, const ccol_upload_info *info, bool *decided,
                             ccol_error *err);

/* Takes body bytes in pieces of any size. 0, or a negative code once the answer is known: the rest may be skipped. */
CCOL_API int ccol_upload_feed(ccol_upload *upload, const void *data, size_t length);

/* The body is complete: throttles, spools and fills reply. Blocks until the ack mode's promise holds. */
CCOL_API void ccol_upload_finish(ccol_upload *upload, ccol_reply *reply);

/* The same without blocking: done is called exactly once, on any thread or inside this call. The upload must live
 * until then; the callee may move the reply out (copy it and set its body to NULL), else it is cleared. Freeing the
 * upload inside done is fine. */
typedef void (*ccol_upload_fn)(void *user, ccol_reply *reply);
CCOL_API void ccol_upload_finish_async(ccol_upload *upload, ccol_upload_fn done, void *user);

/* The body will never be complete (cut off, too slow): counts it; nothing is kept. Then free it. */
CCOL_API void ccol_upload_abort(ccol_upload *upload);
CCOL_API void ccol_upload_free(ccol_upload *upload);

CCOL_END
#endif
