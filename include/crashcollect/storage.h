/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_STORAGE_H
#define CRASHCOLLECT_STORAGE_H

#include <crashcollect/log.h>
#include <crashcollect/report.h>

CCOL_BEGIN

/* Where reports end up. Anything that can take one report is a storage: a folder, a bucket, another collector,
 * your own class. Reference-counted. */
typedef struct ccol_storage ccol_storage;

/* A storage class of your own. Set size = sizeof(ccol_storage_ops); only save is required.
 * All methods get the `self` that ccol_storage_new was given. They may block: they run on crashmovers (save, sync),
 * on the health thread (check) or on the caller's thread (verify, load, list). They return 0 or a negative code;
 * fill err with a text that names the cause, it is logged with the crash id and shown by /__heartbeat__. */
typedef struct ccol_storage_ops {
    size_t size;
    const char *name; /* in logs, metrics and /__heartbeat__; default "custom" */
    /* REQUIRED. Saves one report; several threads at once. May be called again for a report that was saved before
     * (after a crash of this process): must then replace it or do nothing. A permanent code (error.h) puts the report
     * into quarantine, any other is retried with backoff until it succeeds. Unless there is a `sync`, the report must
     * be durable on return. */
    int (*save)(void *self, const ccol_report *report, ccol_error *err);
    /* Optional. Makes durable what was saved before the call; one thread at a time. With it a storage may leave
     * flushing to batches: the spool forgets a report only after a sync that began after its save has returned 0. */
    int (*sync)(void *self, ccol_error *err);
    /* Optional. Once, before the first save: can this storage take reports? An error stops the start. */
    int (*verify)(void *self, ccol_error *err);
    /* Optional. For health: is the storage well now? Every few seconds, one thread. */
    int (*check)(void *self, ccol_error *err);
    /* Optional. Reads a report back; the caller unrefs *out. -ENOENT: no such crash id. */
    int (*load)(void *self, const char *crash_id, ccol_report **out, ccol_error *err);
    /* Optional. Calls each() with every crash id held until it returns non-zero, and returns that. */
    int (*list)(void *self, int (*each)(void *user, const char *crash_id), void *user, ccol_error *err);
    /* Optional. Once, after every other call has returned. */
    void (*destroy)(void *self);
} ccol_storage_ops;

CCOL_API int ccol_storage_new(ccol_storage **out, const ccol_storage_ops *ops, void *self, ccol_error *err);
CCOL_API ccol_storage *ccol_storage_ref(ccol_storage *storage);
CCOL_API void ccol_storage_unref(ccol_storage *storage);

/* Antenna's folder tree: ROOT/YYYYMMDD/{raw_crash/ID.json, dump_names/ID.json, NAME/ID}. A raw crash that is there
 * means that the crash is complete; every file appears whole or not at all. */
typedef struct ccol_fs_options {
    size_t size;
    const char *root;   /* required; made if absent */
    unsigned dir_mode;  /* default 0750 */
    unsigned file_mode; /* default 0600 */
    bool no_sync;       /* leave flushing to the kernel: reports saved shortly before a power loss may be lost */
} ccol_fs_options;
CCOL_API int ccol_storage_new_fs(ccol_storage **out, const ccol_fs_options *options, ccol_error *err);

/* Sentry, or whatever else takes its envelopes: an event for each crash with minidump, log and other files as
 * attachments. The event id is the crash id without dashes, so that sending again is harmless. Rate limits are kept; a
 * report that is refused for good is told so with a permanent code. It sends nothing but crashes. */
typedef struct ccol_sentry_options {
    size_t size;
    const char *dsn;                  /* required: https://KEY@HOST/PROJECT; never shown in any text */
    const char *release;              /* default: ProductName@Version of the report */
    const char *environment;          /* default: ReleaseChannel of the report, else "production" */
    const char *dist, *server_name;   /* default: none */
    const char *const *hidden_fields; /* annotations that stay here, "Telemetry*" for all that begin so;
                                       * NULL-terminated; default: what tells of users */
    const char *ca_file, *ca_folder;  /* PEM; default: the system's */
    const char *proxy;                /* a URL, or "off"; default: the environment's */
    unsigned timeout_ms;              /* of sending one report; default 60000 */
    uint64_t max_envelope;            /* bytes of a report's files; beyond it only the event goes; default 200 MiB */
    bool no_gzip;
    bool plain_dump;    /* the minidump is not for processing there, which would replace the report's own stack trace */
    bool dump_endpoint; /* a report with a minidump goes to /api/PROJECT/minidump/, without a stack trace of its own,
                         * unless it tells more than the dump does */
} ccol_sentry_options;
CCOL_API int ccol_storage_new_sentry(ccol_storage **out, const ccol_sentry_options *options, ccol_error *err);

/* Takes everything and keeps nothing. */
CCOL_API int ccol_storage_new_null(ccol_storage **out, ccol_error *err);

/* Another collector, this one or Antenna: each report is posted to its /submit. What that refuses for good (Discarded=,
 * a report too large) is permanent, whatever else is wrong is transient, its Retry-After is passed on. */
typedef struct ccol_upstream_options {
    size_t size;
    const char *url;     /* required: http or https, of its /submit */
    const char *token;   /* its submitter token: it then keeps the crash id; without one it gives an id of its own */
    const char *ca_file; /* PEM; only what it holds is trusted then; default: the system's CAs */
    const char *proxy;   /* a URL, or "off"; default: the environment (https_proxy, no_proxy, ...) */
    unsigned connect_timeout_ms; /* default 5000 */
    unsigned timeout_ms;         /* of one whole request; default 60000 */
    bool gzip;                   /* compress what is sent */
} ccol_upstream_options;
CCOL_API int ccol_storage_new_upstream(ccol_storage **out, const ccol_upstream_options *options, ccol_error *err);

/* An S3 bucket, of AWS or of any server that speaks its protocol. A crash has the keys v2/raw_crash/ID[0:3]/YYYYMMDD/ID
 * (layout v1: v1/raw_crash/YYYYMMDD/ID), v1/dump_names/ID and v1/NAME/ID for each file, where upload_file_minidump is
 * called dump; the raw crash comes last. Each object is one PUT of at most 5 GiB; a larger file is refused for good,
 * and so is a report with a file that is really called dump beside its minidump. */
typedef struct ccol_s3_options {
    size_t size;
    const char *bucket;       /* required */
    const char *region;       /* default us-east-1; another one that the server names is used and remembered */
    const char *endpoint_url; /* http or https; default AWS's of the region */
    /* Default: as AWS's tools find them, the environment, shared files, web identity, container, instance. */
    const char *access_key_id, *secret_access_key, *session_token;
    const char *layout;          /* "v2" (default) or "v1" */
    const char *addressing;      /* "path", "virtual", or "auto" (default): path with an endpoint of one's own */
    const char *payload_signing; /* "always", or "auto" (default): over https only where a file's hash is known */
    const char *server_side_encryption; /* "AES256" or "aws:kms"; default: what the bucket does */
    const char *kms_key_id;
    const char *storage_class;   /* "STANDARD_IA", ... */
    const char *headers;         /* more of each PUT: "x-amz-NAME: VALUE", with newlines or ';' between them */
    const char *ca_file;         /* PEM; only what it holds is trusted then, by STS too; default: the system's CAs */
    const char *proxy;           /* a URL, or "off"; default: the environment (https_proxy, no_proxy, ...) */
    unsigned connect_timeout_ms; /* default 5000 */
    unsigned timeout_ms;         /* of one request, and a second more for each MiB of it; default 60000 */
    ccol_log_fn log;             /* told where keys come from, of another region, of a wrong clock */
    void *log_user;
} ccol_s3_options;
CCOL_API int ccol_storage_new_s3(ccol_storage **out, const ccol_s3_options *options, ccol_error *err);

/* Several at once (at most 32). A collector serves each on its own: one that fails, hangs or asks to be left alone
 * holds up no other and makes none save twice. What one refuses for good goes into quarantine, and the others keep it.
 */
CCOL_API int ccol_storage_new_tee(ccol_storage **out, ccol_storage *const *storages, size_t count, ccol_error *err);

CCOL_API const char *ccol_storage_name(const ccol_storage *storage);
CCOL_API int ccol_storage_save(ccol_storage *storage, const ccol_report *report, ccol_error *err);
CCOL_API int ccol_storage_sync(ccol_storage *storage, ccol_error *err);
CCOL_API int ccol_storage_verify(ccol_storage *storage, ccol_error *err);
CCOL_API int ccol_storage_check(ccol_storage *storage, ccol_error *err);
/* -ENOTSUP where the class has no such method. */
CCOL_API int ccol_storage_load(ccol_storage *storage, const char *crash_id, ccol_report **out, ccol_error *err);
CCOL_API int ccol_storage_list(ccol_storage *storage, int (*each)(void *user, const char *crash_id), void *user,
                               ccol_error *err);

CCOL_END
#endif
