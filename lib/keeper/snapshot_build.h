/* SPDX-License-Identifier: MIT */
/* Puts a snapshot together in memory that is there from before: no call here allocates or opens anything. */
#ifndef CCOL_KEEPER_SNAPSHOT_BUILD_H
#define CCOL_KEEPER_SNAPSHOT_BUILD_H

#include <crashcollect/api.h>

#include "keeper/snapshot.h"

#define BUILD_ERRORS_BYTES  4096
#define BUILD_STRINGS_BYTES 65536

struct snapshot_build {
    char *memory; /* header, table, then the sections: what the file will hold */
    size_t capacity, used;
    size_t ready; /* bytes of the memory that were touched */
    size_t limit; /* of what may be used now: all, or what is ready */
    struct snapshot_section *sections;
    uint32_t count, sections_most;
    size_t errors_length, strings_length;
    char errors[BUILD_ERRORS_BYTES];
    char strings[BUILD_STRINGS_BYTES];
};

/* Maps capacity bytes for at most sections_most sections, and touches what a few threads need. 0 or -errno. */
int ccol__build_init(struct snapshot_build *build, size_t capacity, uint32_t sections_most);
void ccol__build_fini(struct snapshot_build *build);
/* Touches as much as a snapshot of so many threads needs. */
void ccol__build_make_ready(struct snapshot_build *build, size_t threads);
/* From now on only memory that is there already counts as room, or all. */
void ccol__build_limit(struct snapshot_build *build, bool ready_only);
/* Empties it. */
void ccol__build_start(struct snapshot_build *build);
/* Bytes that still fit (errors and strings set aside). */
size_t ccol__build_room(const struct snapshot_build *build);
/* Room for a section of at most `bytes` (8-aligned), or NULL when it does not fit. It counts after _keep. */
char *ccol__build_reserve(struct snapshot_build *build, size_t bytes);
/* The bytes written to the last reserved room become a section. */
void ccol__build_keep(struct snapshot_build *build, enum snapshot_type type, uint32_t id, uint64_t address,
                      size_t bytes, uint32_t stride);
/* Reserve, copy, keep. False, with an error noted, if it does not fit. */
bool ccol__build_add(struct snapshot_build *build, enum snapshot_type type, uint32_t id, const void *bytes,
                     size_t length, uint32_t stride);
/* Offset of a copy of the text in STRINGS; 0 when these are full. */
uint32_t ccol__build_string(struct snapshot_build *build, const char *text);
/* One line of what is missing and why. */
void ccol__build_error(struct snapshot_build *build, const char *format, ...) CCOL_PRINTF(2, 3);
/* Adds STRINGS and ERRORS and fills the header; the file is memory[0..result). */
size_t ccol__build_finish(struct snapshot_build *build, uint64_t sequence, int64_t now_us);

#endif
