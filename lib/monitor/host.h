/* SPDX-License-Identifier: MIT */
/* What a report tells about the machine that the process ran on. */
#ifndef CCOL_MONITOR_HOST_H
#define CCOL_MONITOR_HOST_H

#include <crashcollect/error.h>

#include "base/buffer.h"

struct host {
    char name[256];
    char release[65];    /* of the kernel, "6.1.0-18-amd64" */
    char version[65];    /* "#1 SMP ..." */
    unsigned numbers[3]; /* the release as numbers */
    char pretty[128];    /* of the distribution, "" if it tells none */
    char distribution[64], distribution_version[64], codename[64];
    unsigned cpus;
    struct buffer cpu_info; /* /proc/cpuinfo of the first CPU */
};

/* Reads what there is; what is not stays empty. To be ended with _fini in any case. */
void ccol__host_read(struct host *host);
void ccol__host_fini(struct host *host);

#endif
