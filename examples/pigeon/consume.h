/* SPDX-License-Identifier: MIT */
/* Events that lie in an AMQP queue, where Ceph's radosgw, or a forwarder of S3's, puts them. */
#ifndef PIGEON_CONSUME_H
#define PIGEON_CONSUME_H

#include <signal.h>

#include "queues.h"

/* Takes events until *stop is set; an event leaves the queue once all its ids are published, or if it is none. Connects
 * again whenever the connection is lost. Returns when told to, or with what is wrong for good. */
int consume_run(const char *url, const char *queue, struct queues *queues, unsigned attempts,
                const volatile sig_atomic_t *stop, ccol_error *err);

#endif
