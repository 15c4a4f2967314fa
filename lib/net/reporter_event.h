/* SPDX-License-Identifier: MIT */
/* The Sentry event of an incident. */
#ifndef CCOL_NET_REPORTER_EVENT_H
#define CCOL_NET_REPORTER_EVENT_H

#include <crashcollect/incident.h>

#include "base/buffer.h"
#include "base/call_stack.h"

struct reporter_identity {
    const char *release, *environment, *server_name; /* NULL: left out */
};

/* Writes it under that id (32 hex digits). Of the request's headers only those come along that tell of no person; of
 * those that may, the name. The stack is where the incident was met. false: memory. */
bool ccol__reporter_event_write(struct buffer *out, const char *id, const ccol_incident *incident,
                                const struct reporter_identity *identity, const struct call_stack *stack,
                                uint64_t suppressed);

#endif
