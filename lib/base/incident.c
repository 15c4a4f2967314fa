/* SPDX-License-Identifier: MIT */
#include "base/incident.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_SIZE 512

void ccol__incident(const struct incidents *incidents, const ccol_incident *about, const char *format, ...)
{
    if (!incidents || !incidents->tell) return;
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ccol_incident incident = *about;
    incident.size = sizeof incident;
    incident.text = text;
    if (!incident.type) incident.type = ccol_error_name(incident.code);
    if (!incident.crash_id) incident.crash_id = "";
    incidents->tell(incidents->user, &incident);
}
