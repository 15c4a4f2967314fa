/* SPDX-License-Identifier: MIT */
/* Sends envelopes to one DSN, and keeps to the rate limits that its answers set. Any thread. */
#ifndef CCOL_NET_SENTRY_CLIENT_H
#define CCOL_NET_SENTRY_CLIENT_H

#include "net/http_client.h"
#include "net/sentry_envelope.h"
#include "net/sentry_form.h"
#include "net/sentry_limits.h"

#define SENTRY_SDK_NAME "crashcollect"

struct sentry_client_options {
    const char *dsn;
    struct http_client_options http;
    unsigned timeout_ms; /* of one envelope; default: the HTTP client's */
    bool no_gzip;
};

struct sentry_client;
/* CCOL_EFORMAT: the DSN; -errno: the CA file. */
int ccol__sentry_client_new(struct sentry_client **out, const struct sentry_client_options *options, ccol_error *err);
void ccol__sentry_client_free(struct sentry_client *client);

/* Sends a whole envelope unless one of its categories is being held back, which costs no request. 0: the server has
 * taken it. CCOL_ETOOLARGE: it is too large for the server; CCOL_EREJECTED: refused for good (key, project, form). All
 * else may pass: *err then tells by retry_after_s when, if the server said so. */
int ccol__sentry_client_send(struct sentry_client *client, struct envelope *envelope, unsigned categories,
                             ccol_error *err);
/* The same with a form for the endpoint of minidumps. */
int ccol__sentry_client_send_form(struct sentry_client *client, struct sentry_form *form, unsigned categories,
                                  ccol_error *err);
/* Seconds until the categories may be sent again, 0: now. */
unsigned ccol__sentry_client_wait_s(struct sentry_client *client, unsigned categories);
/* Asks the server for anything but an event, to see whether it is there. An answer of any kind that is not an outage
 * is well. */
int ccol__sentry_client_probe(struct sentry_client *client, ccol_error *err);
/* The public key of the DSN. */
const char *ccol__sentry_client_key(const struct sentry_client *client);
/* "https://host/42": the server and the project, without the key. */
const char *ccol__sentry_client_place(const struct sentry_client *client);
/* ccol__clock_monotonic_ms() of its last answer; 0: none yet. */
uint64_t ccol__sentry_client_answered_ms(struct sentry_client *client);

#endif
