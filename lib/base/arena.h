/* SPDX-License-Identifier: MIT */
/* Memory that is freed all at once: the annotations of one report. Not thread-safe. */
#ifndef CCOL_BASE_ARENA_H
#define CCOL_BASE_ARENA_H

#include "base/budget.h"

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, capacity;      /* of the newest block */
    struct budget *budget;      /* charged per block; may be NULL */
};

void ccol__arena_init(struct arena *arena, struct budget *budget);
/* 16-byte aligned, not zeroed; NULL when memory or budget is out. */
void *ccol__arena_alloc(struct arena *arena, size_t bytes);
/* A NUL-terminated copy of length bytes. */
char *ccol__arena_copy(struct arena *arena, const void *bytes, size_t length);
/* Overwrites what it holds, for secrets; before fini. */
void ccol__arena_wipe(struct arena *arena);
void ccol__arena_fini(struct arena *arena);

#endif
