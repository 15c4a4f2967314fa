/* SPDX-License-Identifier: MIT */
/* Keys from what runs beside us: a container's agent, or the instance's metadata (IMDSv2 alone). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/folder.h"
#include "base/text.h"
#include "net/aws_sources.h"
#include "net/uri.h"

#define TOKEN_MAX     ((size_t)16 << 10)
#define ANSWER_MAX    ((size_t)64 << 10)
#define URL_MAX       ((size_t)4096)
#define CONNECT_MS    1000 /* they are a hop away, or not there at all */
#define TOTAL_MS      5000
#define TOKEN_TTL_S   "21600"
#define METADATA_V4   "http://169.254.169.254"
#define METADATA_V6   "http://[fd00:ec2::254]"
#define METADATA_PATH "/latest/meta-data/iam/security-credentials/"
#define CONTAINER     "the container's credentials"
#define INSTANCE      "the instance's metadata"

static bool is_loopback_or_agent(const char *host, size_t length)
{
    static const char *const agents[] = {"169.254.170.2", "169.254.170.23"};
    char text[64];
    struct in_addr v4;
    struct in6_addr v6, agent;
    if (length >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", (int)length, host);
    if (strcmp(text, "localhost") == 0) return true;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        bool known = strcmp(text, agents[0]) == 0 || strcmp(text, agents[1]) == 0;
        return known || (ntohl(v4.s_addr) >> 24) == 127;
    }
    size_t end = strlen(text);
    if (end < 3 || text[0] != '[' || text[end - 1] != ']') return false;
    text[end - 1] = '\0';
    if (inet_pton(AF_INET6, text + 1, &v6) != 1 || inet_pton(AF_INET6, "fd00:ec2::23", &agent) != 1) return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) || memcmp(&v6, &agent, sizeof v6) == 0;
}

bool ccol__aws_container_url_allowed(const char *url)
{
    struct uri uri;
    if (!ccol__http_url_valid(url) || !ccol__uri_split(url, &uri)) return false;
    if (ccol__text_equal_nocase(uri.scheme, uri.scheme_length, "https")) return true;
    size_t length = uri.host_length; /* without the port */
    const char *bracket = memrchr(uri.host, ']', length), *colon = memrchr(uri.host, ':', length);
    if (colon && (!bracket || colon > bracket)) length = (size_t)(colon - uri.host);
    return is_loopback_or_agent(uri.host, length);
}

static int get_keys(struct http_client *client, const char *url, const struct http_header *header, const char *source,
                    struct aws_keys **out, ccol_error *err)
{
    struct http_response response;
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .headers = header,
                                   .header_count = header ? 1 : 0,
                                   .connect_ms = CONNECT_MS,
                                   .total_ms = TOTAL_MS,
                                   .response_max = ANSWER_MAX};
    int code = ccol__http_client_perform(client, &request, &response, err);
    if (code) return code;
    if (response.status == 200)
        code = ccol__aws_keys_from_json(out, response.body.data, response.body.length, source, err);
    else
        code = ccol_fail(err, CCOL_EREMOTE, "%s: answered %d", source, response.status);
    ccol__buffer_wipe(&response.body);
    ccol__http_response_fini(&response);
    return code;
}

static size_t trimmed(const struct buffer *text)
{
    size_t length = text->length;
    while (length && strchr(" \t\r\n", text->data[length - 1]))
        length--;
    return length;
}

int ccol__aws_from_container(struct aws_sources *sources, struct aws_keys **out, ccol_error *err)
{
    char joined[URL_MAX];
    const char *url = joined;
    *out = NULL;
    if (!sources->relative_uri && !sources->full_uri) return 0;
    if (sources->relative_uri) {
        if (sources->relative_uri[0] != '/')
            return ccol_fail(err, CCOL_EREMOTE, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with /");
        snprintf(joined, sizeof joined, "http://169.254.170.2%s", sources->relative_uri);
    } else {
        url = sources->full_uri;
        if (!ccol__aws_container_url_allowed(url))
            return ccol_fail(err, CCOL_EREMOTE,
                             "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine or the "
                             "container's agent");
    }
    struct http_header header = {"Authorization", sources->authorization};
    struct buffer token = {0};
    if (sources->authorization_file) { /* read anew each time, as it is replaced from time to time */
        int code = ccol__file_read(AT_FDCWD, sources->authorization_file, TOKEN_MAX, &token, NULL);
        if (code) return ccol_fail(err, code, CONTAINER ": cannot read %s", sources->authorization_file);
        if (token.data) token.data[trimmed(&token)] = '\0';
        header.value = token.data ? token.data : "";
    }
    struct http_client *client = strncmp(url, "https", 5) == 0 ? sources->web : sources->local;
    int code = get_keys(client, url, header.value ? &header : NULL, CONTAINER, out, err);
    ccol__buffer_wipe(&token);
    return code;
}

/* A small text of the metadata service. */
static int ask(struct aws_sources *sources, const char *method, const char *url, const struct http_header *header,
               struct buffer *out, ccol_error *err)
{
    struct http_response response;
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = header,
                                   .header_count = 1,
                                   .connect_ms = CONNECT_MS,
                                   .total_ms = TOTAL_MS,
                                   .response_max = TOKEN_MAX};
    int code = ccol__http_client_perform(sources->local, &request, &response, err);
    if (code) return code;
    if (response.status != 200)
        code = ccol_fail(err, CCOL_EREMOTE, INSTANCE ": answered %d%s", response.status,
                         response.status == 404 ? ", so it has no role" : "");
    size_t length = code || !response.body.data ? 0 : strcspn(response.body.data, "\r\n");
    if (!code && !length) code = ccol_fail(err, CCOL_EREMOTE, INSTANCE ": an empty answer");
    if (!code) ccol__buffer_append(out, response.body.data, length);
    ccol__buffer_wipe(&response.body);
    ccol__http_response_fini(&response);
    return code;
}

static const char *metadata_endpoint(const struct aws_sources *sources)
{
    if (sources->metadata_endpoint) return sources->metadata_endpoint;
    bool v6 = sources->metadata_mode && ccol__text_equal_nocase("ipv6", 4, sources->metadata_mode);
    return v6 ? METADATA_V6 : METADATA_V4;
}

static int ask_instance(struct aws_sources *sources, const char *endpoint, struct buffer *token, struct buffer *role,
                        struct aws_keys **out, ccol_error *err)
{
    static const struct http_header life = {"X-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL_S};
    char url[URL_MAX];
    size_t length = strlen(endpoint);
    int root = (int)(length && endpoint[length - 1] == '/' ? length - 1 : length);
    snprintf(url, sizeof url, "%.*s/latest/api/token", root, endpoint);
    int code = ask(sources, "PUT", url, &life, token, err);
    if (code) return code;
    const struct http_header header = {"X-aws-ec2-metadata-token", token->data};
    snprintf(url, sizeof url, "%.*s" METADATA_PATH, root, endpoint);
    code = ask(sources, "GET", url, &header, role, err);
    if (code) return code;
    struct buffer name;
    ccol__buffer_init(&name, URL_MAX, NULL);
    ccol__uri_encode(&name, role->data, role->length, false);
    int used = snprintf(url, sizeof url, "%.*s" METADATA_PATH "%s", root, endpoint, name.data ? name.data : "");
    bool fits = !name.failed && used > 0 && (size_t)used < sizeof url;
    ccol__buffer_fini(&name);
    if (!fits) return ccol_fail(err, CCOL_EREMOTE, INSTANCE ": a role's name of %zu bytes", role->length);
    return get_keys(sources->local, url, &header, INSTANCE, out, err);
}

int ccol__aws_from_instance(struct aws_sources *sources, struct aws_keys **out, ccol_error *err)
{
    struct buffer token, role;
    *out = NULL;
    if (sources->metadata_disabled && ccol__text_equal_nocase("true", 4, sources->metadata_disabled)) return 0;
    const char *endpoint = metadata_endpoint(sources);
    if (!ccol__http_url_valid(endpoint))
        return ccol_fail(err, CCOL_EREMOTE, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no http URL");
    ccol__buffer_init(&token, TOKEN_MAX, NULL);
    ccol__buffer_init(&role, TOKEN_MAX, NULL);
    int code = ask_instance(sources, endpoint, &token, &role, out, err);
    ccol__buffer_wipe(&token);
    ccol__buffer_fini(&role);
    return code;
}
