/* SPDX-License-Identifier: MIT */
/* Which request is for whom. */
#ifndef CCOL_HTTP_ROUTES_H
#define CCOL_HTTP_ROUTES_H

#include <crashcollect/health.h>

enum route {
    ROUTE_SUBMIT,   /* POST /submit */
    ROUTE_ANSWERED, /* the reply is filled */
    ROUTE_FAILED    /* memory is out */
};

struct route_request {
    const char *method, *url, *authorization;
    const ccol_header *headers;
    size_t header_count;
};

enum route ccol__route(ccol_health *health, const struct route_request *request, ccol_reply *reply);

#endif
