/* SPDX-License-Identifier: MIT */
#include "http/routes.h"

#include <string.h>

#include "collector/reply.h"

/* What the framework that clients and monitors know counts as a method; all else is "Invalid HTTP method". */
static const char *const methods[] = {
    "CONNECT",         "DELETE",    "GET",  "HEAD",  "OPTIONS", "PATCH",    "POST",   "PUT",       "TRACE",  "CHECKIN",
    "CHECKOUT",        "COPY",      "LOCK", "MKCOL", "MOVE",    "PROPFIND", "REPORT", "PROPPATCH", "UPDATE", "UNLOCK",
    "VERSION-CONTROL", "UNCHECKIN",
};

static bool is_method(const char *method)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(method, methods[i]) == 0) return true;
    return false;
}

static enum route answered(ccol_reply *reply, unsigned status, const char *text)
{
    return ccol__reply_text(reply, status, REPLY_JSON, text) ? ROUTE_ANSWERED : ROUTE_FAILED;
}

const char *ccol__route_path(const char *url)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) != 0) continue;
        const char *slash = strchr(url + length, '/');
        url = slash ? slash : "/";
    }
    while (url[0] == '/' && url[1] == '/')
        url++;
    return url;
}

static enum route route_submit(const char *method, ccol_reply *reply)
{
    if (strcmp(method, "POST") == 0) return ROUTE_SUBMIT;
    bool options = strcmp(method, "OPTIONS") == 0;
    enum route route = answered(reply, options ? 200 : 405, options ? "" : "{\"title\": \"405 Method Not Allowed\"}");
    reply->allow = options ? "POST" : "POST, OPTIONS";
    return route;
}

enum route ccol__route(ccol_health *health, const struct route_request *given, ccol_reply *reply)
{
    const char *path = ccol__route_path(given->url), *method = given->method;
    if (!is_method(method))
        return answered(reply, 400, "{\"title\": \"Bad request\", \"description\": \"Invalid HTTP method\"}");
    if (ccol_upload_takes(given->collector, path)) return route_submit(method, reply);

    ccol_health_request request = {.size = sizeof(request),
                                   .method = method,
                                   .path = path,
                                   .authorization = given->authorization,
                                   .headers = given->headers,
                                   .header_count = given->header_count};
    memset(reply, 0, sizeof(*reply));
    reply->size = sizeof(*reply);
    if (health && ccol_health_answer(health, &request, reply)) return reply->body ? ROUTE_ANSWERED : ROUTE_FAILED;
    return answered(reply, 404, "{\"title\": \"404 Not Found\"}");
}
