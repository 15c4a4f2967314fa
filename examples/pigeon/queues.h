/* SPDX-License-Identifier: MIT */
/* The queues that crash ids go to, each with the share of them that it gets. */
#ifndef PIGEON_QUEUES_H
#define PIGEON_QUEUES_H

#include <crashcollect/publish.h>

struct queues;

/* list: "NAME,15:NAME,...": every id, or about so many in a hundred. Connects when the first id comes. */
int queues_new(struct queues **out, const char *amqp_url, const char *list, ccol_error *err);
void queues_free(struct queues *queues);

/* Reads an event and publishes the ids it holds, each to every queue whose share it falls into; what fails is tried
 * again, `attempts` times a second apart. 0; -EINVAL: this is no event, and never will be; else what failed: then some
 * ids may have gone out, and go out again when the event comes again. One thread at a time. */
int queues_take_event(struct queues *queues, const char *text, size_t length, unsigned attempts, ccol_error *err);

#endif
