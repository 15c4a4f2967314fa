/* SPDX-License-Identifier: MIT */
/* What differs between processors in a minidump: a thread's context and the description of the CPU. */
#ifndef CCOL_MONITOR_MINIDUMP_CONTEXT_H
#define CCOL_MONITOR_MINIDUMP_CONTEXT_H

#include "monitor/host.h"
#include "monitor/minidump_parts.h"
#include "monitor/victim.h"

size_t ccol__minidump_context_bytes(enum snapshot_machine machine);
/* Writes the thread's context; a place of no bytes if its registers are not known. */
struct location ccol__minidump_put_context(struct buffer *out, enum snapshot_machine machine,
                                           const struct victim_thread *thread);
/* The first 8 and the last 24 bytes of the system info. */
void ccol__minidump_put_cpu(struct buffer *out, enum snapshot_machine machine, const struct host *host);
void ccol__minidump_put_cpu_features(struct buffer *out, enum snapshot_machine machine, const struct host *host);

#endif
