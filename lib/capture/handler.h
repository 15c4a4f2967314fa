/* SPDX-License-Identifier: MIT */
/* The handler for signals that end the process, and the stacks it runs on. */
#ifndef CCOL_CAPTURE_HANDLER_H
#define CCOL_CAPTURE_HANDLER_H

#include <crashcollect/api.h>

/* Installs it for all of them, chaining to what was there. 0 or -errno. Once per process. */
int ccol__handler_install(void);
/* What a later crash report says beside the signal. Returns what is kept of it, NULL for nothing. Any thread, any
 * signal handler. */
const char *ccol__handler_message(const char *text);

/* An alternate stack for the calling thread, unless it has one that is large enough; freed with the thread. 0 or
 * -errno. */
int ccol__altstack_ensure(void);

#endif
