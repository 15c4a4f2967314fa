/* SPDX-License-Identifier: MIT */
/* The places where AWS's tools look for keys, as far as they were configured when the process started. */
#ifndef CCOL_NET_AWS_SOURCES_H
#define CCOL_NET_AWS_SOURCES_H

#include "net/aws_keys.h"
#include "net/http_client.h"

/* What the environment says; each NULL where it is not set. TEXT(member, variable) */
#define AWS_ENVIRONMENT(TEXT)                                                                                          \
    TEXT(access_key_id, "AWS_ACCESS_KEY_ID")                                                                           \
    TEXT(secret, "AWS_SECRET_ACCESS_KEY")                                                                              \
    TEXT(session_token, "AWS_SESSION_TOKEN")                                                                           \
    TEXT(profile, "AWS_PROFILE")                                                                                       \
    TEXT(home, "HOME")                                                                                                 \
    TEXT(credentials_file, "AWS_SHARED_CREDENTIALS_FILE")                                                              \
    TEXT(config_file, "AWS_CONFIG_FILE")                                                                               \
    TEXT(role_arn, "AWS_ROLE_ARN")                                                                                     \
    TEXT(role_session_name, "AWS_ROLE_SESSION_NAME")                                                                   \
    TEXT(identity_file, "AWS_WEB_IDENTITY_TOKEN_FILE")                                                                 \
    TEXT(sts_endpoint, "AWS_ENDPOINT_URL_STS")                                                                         \
    TEXT(relative_uri, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")                                                       \
    TEXT(full_uri, "AWS_CONTAINER_CREDENTIALS_FULL_URI")                                                               \
    TEXT(authorization, "AWS_CONTAINER_AUTHORIZATION_TOKEN")                                                           \
    TEXT(authorization_file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")                                                 \
    TEXT(metadata_endpoint, "AWS_EC2_METADATA_SERVICE_ENDPOINT")                                                       \
    TEXT(metadata_mode, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")                                                      \
    TEXT(metadata_disabled, "AWS_EC2_METADATA_DISABLED")

struct aws_sources {
#define MEMBER(member, variable) char *member;
    AWS_ENVIRONMENT(MEMBER)
#undef MEMBER
    char region[64];                 /* of STS */
    struct http_client *web, *local; /* for STS, with the CA and proxy given; for what is near, without any proxy */
    struct sigv4 signer;
};

/* Reads the environment, once. */
int ccol__aws_sources_init(struct aws_sources *sources, const char *region, const struct http_client_options *http,
                           ccol_error *err);
void ccol__aws_sources_fini(struct aws_sources *sources);

/* Each: 0 with *out NULL: this source is not configured; 0 with keys; or a failure that ends the search. One thread at
 * a time. */
int ccol__aws_from_environment(struct aws_sources *sources, struct aws_keys **out, ccol_error *err);
int ccol__aws_from_profile(struct aws_sources *sources, struct aws_keys **out, ccol_error *err);
int ccol__aws_from_web_identity(struct aws_sources *sources, struct aws_keys **out, ccol_error *err);
int ccol__aws_from_container(struct aws_sources *sources, struct aws_keys **out, ccol_error *err);
int ccol__aws_from_instance(struct aws_sources *sources, struct aws_keys **out, ccol_error *err);

/* A role at STS. */
struct aws_role {
    const char *arn, *session_name;                /* the latter may be NULL */
    const char *identity_file;                     /* a web identity's token, read anew each time; or NULL: */
    const struct sigv4_keys *keys;                 /* who takes the role */
    const char *external_id, *duration_s, *region; /* may be NULL */
    const char *source;                            /* for texts */
};
int ccol__aws_assume_role(struct aws_sources *sources, const struct aws_role *role, struct aws_keys **out,
                          ccol_error *err);

/* Whether keys may be fetched from url: https, or http to loopback and the addresses of container agents. */
bool ccol__aws_container_url_allowed(const char *url);

/* "sts.eu-west-1.amazonaws.com" of a service in a region, in whichever partition that is. Returns out. */
const char *ccol__aws_host(char *out, size_t size, const char *service, const char *region);

#endif
