/* SPDX-License-Identifier: MIT */
/* The tie between this process and the keeper that watches it: one per process, as handlers and the environment are. */
#ifndef CCOL_CAPTURE_WATCH_H
#define CCOL_CAPTURE_WATCH_H

#include <crashcollect/api.h>

#include "capture/notes.h"
#include "capture/wire.h"

/* Looks at the environment, once; later calls tell the same. false: nobody watches. */
bool ccol__watch_start(void);
/* Is that flag (CAPTURE_FLAG_*) set for this process? After ccol__watch_start. */
bool ccol__watch_has(char flag);
/* Does the keeper trace this process? It then sees all of what a handler would. */
bool ccol__watch_is_traced(void);
/* Tells the keeper of this process and its notes; `handler`: it is installed. Again after a fork, by itself. */
void ccol__watch_greet(bool handler);
/* Where notes go, NULL: nowhere. Any thread, any signal handler. */
struct notes *ccol__watch_notes(void);
/* Sends the message, with one end of a new socket, and waits for the keeper to let go of it, at most CAPTURE_WAIT_MS.
 * In signal handlers. */
void ccol__watch_hand_over(struct capture_crash *crash);
/* Fills what all messages begin with. */
void ccol__watch_fill_header(struct capture_header *header, enum capture_kind kind, uint32_t length);

#endif
