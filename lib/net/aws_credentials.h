/* SPDX-License-Identifier: MIT */
/* Keys as AWS's tools find them: given ones, the environment, the shared files, a web identity, the container's agent,
 * the instance's metadata, in this order; renewed ahead of their expiry. Any thread. */
#ifndef CCOL_NET_AWS_CREDENTIALS_H
#define CCOL_NET_AWS_CREDENTIALS_H

#include "base/log.h"
#include "net/aws_keys.h"

/* Texts are copied. */
struct aws_credentials_options {
    const char *access_key_id, *secret, *session_token; /* given ones; NULL: look for them */
    const char *region;                                 /* required: of STS */
    struct http_client_options http;                    /* CA and proxy for STS */
    struct log log;
};

struct aws_credentials;
/* Reads the environment, but looks for no keys yet. -EINVAL: only one of id and secret is given. */
int ccol__aws_credentials_new(struct aws_credentials **out, const struct aws_credentials_options *options,
                              ccol_error *err);
/* Keys that are valid now; the caller unrefs them. The first caller whose keys come near their expiry renews them,
 * while the others go on with the old ones; may then block for some seconds. What fails is a transient code that tells
 * where keys were looked for. */
int ccol__aws_credentials_get(struct aws_credentials *credentials, struct aws_keys **out, ccol_error *err);
/* A server refused these: the next get looks for new ones, but not more than once in a few seconds. true: others may
 * come of it. */
bool ccol__aws_credentials_refused(struct aws_credentials *credentials, const struct aws_keys *keys);
/* After every get has returned. Wipes what it holds. */
void ccol__aws_credentials_free(struct aws_credentials *credentials);

#endif
