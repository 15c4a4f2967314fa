/* SPDX-License-Identifier: MIT */
/* An ELF image in the memory of another process: where it lies and what it exports. Nothing there is trusted: counts
 * are bounded, and what an address without sense leads to cannot be read. */
#ifndef CCOL_KEEPER_IMAGE_H
#define CCOL_KEEPER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper/snapshot.h"

#define IMAGE_DATA_MOST 8

struct image {
    pid_t pid;
    uint64_t bias;
    uint64_t low, high; /* all of its segments, with what has no bytes in the file */
    struct {
        uint64_t address, bytes;
    } data[IMAGE_DATA_MOST]; /* what can be written, as far as it came from the file */
    size_t data_count;
    uint64_t symbols, names, hash; /* 0: it exports nothing that could be looked up */
};

/* Reads the headers of a module. False if they cannot be read. */
bool ccol__image_open(struct image *image, pid_t pid, const struct snapshot_module *module);
/* Address of an exported symbol, or 0. */
uint64_t ccol__image_symbol(const struct image *image, const char *name);
/* Does the address lie in it? */
bool ccol__image_holds(const struct image *image, uint64_t address);

#endif
