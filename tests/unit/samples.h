/* SPDX-License-Identifier: MIT */
/* Files of tests/data, whole. */
#ifndef CCOL_TESTS_SAMPLES_H
#define CCOL_TESTS_SAMPLES_H

#include <fcntl.h>

#include "base/folder.h"
#include "check.h"

/* The caller frees text->data by ccol__buffer_fini. */
static inline void read_sample(struct buffer *text, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/log-samples/%s.txt", CCOL_TESTS_DATA, name);
    REQUIRE(ccol__file_read(AT_FDCWD, path, 1 << 20, text, NULL) == 0);
}

#endif
