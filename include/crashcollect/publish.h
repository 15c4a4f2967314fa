/* SPDX-License-Identifier: MIT */
#ifndef CRASHCOLLECT_PUBLISH_H
#define CRASHCOLLECT_PUBLISH_H

#include <crashcollect/log.h>

CCOL_BEGIN

/* Who is told about a saved crash: one message per crash, its body is the crash id. Reference-counted. */
typedef struct ccol_publisher ccol_publisher;

/* A publisher of your own. Set size; only publish is required. Called on crashmovers, several at once. */
typedef struct ccol_publisher_ops {
    size_t size;
    const char *name; /* in logs, metrics and /__heartbeat__; default "custom" */
    /* REQUIRED. After the report was saved, for accepted ones only (a deferred report is saved, not published).
     * A failure never loses the report: publishing is retried, with a permanent code it is given up and counted.
     * May be called twice for one id after a crash of this process. */
    int (*publish)(void *self, const char *crash_id, ccol_error *err);
    int (*verify)(void *self, ccol_error *err); /* optional: at start; an error stops it */
    int (*check)(void *self, ccol_error *err);  /* optional: for health */
    void (*destroy)(void *self);                /* optional: once, after every other call has returned */
} ccol_publisher_ops;

CCOL_API int ccol_publisher_new(ccol_publisher **out, const ccol_publisher_ops *ops, void *self, ccol_error *err);
/* Writes one log line per crash id. */
CCOL_API int ccol_publisher_new_log(ccol_publisher **out, ccol_log_fn log, void *user, ccol_error *err);

/* The built-in publishers give no message up: whatever fails may be mended by an operator, and is tried again. Each
 * sends the crash id at least once; consumers must expect it twice. timeout_ms bounds one message, default 10000. At
 * start what is wrong for good stops it; what is only not reachable now does not. */

/* Posts {"crash_id": ID, "published_at": TIME} to a URL; any 2xx answer counts. With a secret the header
 * X-Crashcollect-Signature-256 holds "sha256=" and the hex of HMAC-SHA-256 over the body. */
typedef struct ccol_webhook_options {
    size_t size;
    const char *url;     /* required: http or https */
    const char *secret;  /* default: not signed */
    const char *ca_file; /* PEM; only what it holds is trusted then; default: the system's CAs */
    const char *proxy;   /* a URL, or "off"; default: the environment (https_proxy, no_proxy, ...) */
    unsigned timeout_ms;
} ccol_webhook_options;
CCOL_API int ccol_publisher_new_webhook(ccol_publisher **out, const ccol_webhook_options *options, ccol_error *err);

/* A queue of Amazon SQS. At start the message "test" is sent, as Antenna does; consumers must ignore it. */
typedef struct ccol_sqs_options {
    size_t size;
    const char *queue;         /* required: its name, or its URL */
    const char *region;        /* default us-east-1 */
    const char *endpoint_url;  /* another place that speaks SQS's JSON; default: of the queue's URL, or of the region */
    const char *access_key_id; /* default: keys are looked for as AWS's tools do */
    const char *secret_access_key;
    const char *ca_file, *proxy;
    unsigned timeout_ms;
} ccol_sqs_options;
CCOL_API int ccol_publisher_new_sqs(ccol_publisher **out, const ccol_sqs_options *options, ccol_error *err);

/* A topic of Google Cloud Pub/Sub. At start the message "test" is sent, as Antenna does; consumers must ignore it. */
typedef struct ccol_pubsub_options {
    size_t size;
    const char *topic;         /* required: "projects/PROJECT/topics/TOPIC", or TOPIC */
    const char *project;       /* for the latter */
    const char *key_file;      /* of a service account, JSON; required but for an emulator */
    const char *emulator_host; /* HOST:PORT of an emulator, which is asked instead of Google, by http */
    const char *endpoint_url;  /* another place that speaks Pub/Sub's REST; default https://pubsub.googleapis.com */
    const char *ca_file, *proxy;
    unsigned timeout_ms;
} ccol_pubsub_options;
CCOL_API int ccol_publisher_new_pubsub(ccol_publisher **out, const ccol_pubsub_options *options, ccol_error *err);

/* A queue or exchange of an AMQP 0-9-1 broker such as RabbitMQ. Messages are persistent; each counts when the broker
 * has confirmed it and it reached a queue. CCOL_EREJECTED: the library was built without it; the text tells how to. */
typedef struct ccol_amqp_options {
    size_t size;
    const char *url;         /* required: amqp[s]://USER:PASSWORD@HOST[:PORT][/VHOST] */
    const char *queue;       /* by the default exchange; it must be there */
    const char *exchange;    /* or this exchange, which must be there, */
    const char *routing_key; /* with this key; default "" */
    const char *ca_file;     /* for amqps, PEM; default: Debian's ca-certificates */
    unsigned timeout_ms;     /* also of each step of connecting */
    unsigned heartbeat_s;    /* default 30 */
} ccol_amqp_options;
CCOL_API int ccol_publisher_new_amqp(ccol_publisher **out, const ccol_amqp_options *options, ccol_error *err);

CCOL_API ccol_publisher *ccol_publisher_ref(ccol_publisher *publisher);
CCOL_API void ccol_publisher_unref(ccol_publisher *publisher);
CCOL_API const char *ccol_publisher_name(const ccol_publisher *publisher);
CCOL_API int ccol_publisher_publish(ccol_publisher *publisher, const char *crash_id, ccol_error *err);
CCOL_API int ccol_publisher_verify(ccol_publisher *publisher, ccol_error *err);
CCOL_API int ccol_publisher_check(ccol_publisher *publisher, ccol_error *err);

CCOL_END
#endif
