/* SPDX-License-Identifier: MIT */
/* Whom one collector tells of errors that nobody handles. */
#ifndef CCOL_BASE_INCIDENT_H
#define CCOL_BASE_INCIDENT_H

#include <crashcollect/incident.h>

struct incidents {
    ccol_incident_fn tell; /* NULL: nobody */
    void *user;
};

/* Formats the text and tells; all else of `about` but its size is the caller's. incidents may be NULL. */
void ccol__incident(const struct incidents *incidents, const ccol_incident *about, const char *format, ...)
    CCOL_PRINTF(3, 4);

#endif
