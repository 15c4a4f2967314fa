/* SPDX-License-Identifier: MIT */
/* Events that are posted: by Ceph's radosgw, or by whatever forwards S3's. */
#ifndef PIGEON_WEBHOOK_H
#define PIGEON_WEBHOOK_H

#include "queues.h"

struct webhook;
/* Listens on the IPv4 address and port (0: any, told on stderr). An event is answered with 200 once all its ids are
 * published, with 400 if it is none, with 503 if it should be sent again. */
int webhook_start(struct webhook **out, const char *host, unsigned short port, struct queues *queues, unsigned attempts,
                  ccol_error *err);
void webhook_stop(struct webhook *webhook);

#endif
