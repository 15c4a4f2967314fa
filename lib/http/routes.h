/* SPDX-License-Identifier: MIT */
/* Which request is for whom. */
#ifndef CCOL_HTTP_ROUTES_H
#define CCOL_HTTP_ROUTES_H

#include <crashcollect/health.h>

enum route {
    ROUTE_SUBMIT,   /* POST that is an upload */
    ROUTE_ANSWERED, /* the reply is filled */
    ROUTE_FAILED    /* memory is out */
};

struct route_request {
    ccol_collector *collector;
    const char *method, *url, *authorization;
    const ccol_header *headers;
    size_t header_count;
};

/* The path of a request target: without scheme and host, and slashes at its front count as one. */
const char *ccol__route_path(const char *url);
enum route ccol__route(ccol_health *health, const struct route_request *request, ccol_reply *reply);

#endif
