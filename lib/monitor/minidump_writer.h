/* SPDX-License-Identifier: MIT */
/* Writes a minidump of a victim: what Breakpad's and Sentry's readers want, with the ELF build ids that symbol servers
 * go by. Never the environment, and never the place at the top of the main stack where the kernel put it: that is cut
 * out of the snapshot already. */
#ifndef CCOL_MONITOR_MINIDUMP_WRITER_H
#define CCOL_MONITOR_MINIDUMP_WRITER_H

#include <crashcollect/error.h>

#include "base/buffer.h"
#include "monitor/host.h"
#include "monitor/victim.h"

/* 0 in any member means its default. */
struct minidump_options {
    size_t crashed_stack; /* bytes of the crashed thread's stack; default 64 KiB */
    size_t stack;         /* of every other; default 16 KiB */
    size_t crowded_stack; /* of every other when there are many threads; default 4 KiB */
    size_t crowd;         /* how many are many; default 20 */
    size_t threads_most;  /* threads that are written; default 512 */
    size_t bytes_most;    /* size of the whole dump; default 2 MiB, at least 64 KiB */
};

struct minidump_annotation {
    const char *name, *value;
};

struct minidump_input {
    const struct victim *victim;
    const struct host *host;
    const struct minidump_annotation *annotations; /* the readers show them beside the stacks */
    size_t annotation_count;
    const char *const *warnings; /* what the snapshot lacks; written as soft errors */
    size_t warning_count;
};

/* Writes into out, which is initialised here and is the caller's to end also on an error. What has no room is left out
 * and told in the dump's soft errors. CCOL_ETOOLARGE: not even the first parts have room; -ENOMEM. */
int ccol__minidump_write(struct buffer *out, const struct minidump_input *input, const struct minidump_options *options,
                         ccol_error *err);

#endif
