/* SPDX-License-Identifier: MIT */
#include "net/aws_sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy_variable(const char *variable, bool *failed)
{
    const char *value = getenv(variable);
    if (!value || !*value) return NULL;
    char *copy = strdup(value);
    *failed = *failed || !copy;
    return copy;
}

int ccol__aws_sources_init(struct aws_sources *sources, const char *region, const struct http_client_options *http,
                           ccol_error *err)
{
    bool failed = false;
    *sources = (struct aws_sources){0};
    ccol__sigv4_init(&sources->signer);
#define COPY(member, variable) sources->member = copy_variable(variable, &failed);
    AWS_ENVIRONMENT(COPY)
#undef COPY
    snprintf(sources->region, sizeof sources->region, "%s", region);
    const struct http_client_options local = {.proxy = "off", .idle_max = 1};
    struct http_client_options web = *http;
    web.idle_max = 1;
    int code = failed ? ccol_fail(err, -ENOMEM, "cannot read the environment") : 0;
    if (!code) code = ccol__http_client_new(&sources->web, &web, err);
    if (!code) code = ccol__http_client_new(&sources->local, &local, err);
    if (code) ccol__aws_sources_fini(sources);
    return code;
}

static void drop(char **text)
{
    if (*text) explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void ccol__aws_sources_fini(struct aws_sources *sources)
{
#define DROP(member, variable) drop(&sources->member);
    AWS_ENVIRONMENT(DROP)
#undef DROP
    ccol__http_client_free(sources->web);
    ccol__http_client_free(sources->local);
    ccol__sigv4_fini(&sources->signer);
}

int ccol__aws_from_environment(struct aws_sources *sources, struct aws_keys **out, ccol_error *err)
{
    *out = NULL;
    if (!sources->access_key_id && !sources->secret) return 0;
    if (!sources->access_key_id || !sources->secret)
        return ccol_fail(err, CCOL_EREMOTE, "%s is set, but %s is not",
                         sources->secret ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                         sources->secret ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    *out = ccol__aws_keys_new(sources->access_key_id, sources->secret, sources->session_token, 0, "the environment");
    return *out ? 0 : ccol_fail(err, -ENOMEM, "the environment's keys");
}

const char *ccol__aws_host(char *out, size_t size, const char *service, const char *region)
{
    const char *ending = strncmp(region, "cn-", 3) == 0 ? ".cn" : "";
    snprintf(out, size, "%s.%s.amazonaws.com%s", service, region, ending);
    return out;
}
