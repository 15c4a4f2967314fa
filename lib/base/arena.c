/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_BLOCK ((size_t)8 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t bytes; /* of the whole block, as charged */
};

#define ARENA_HEAD ((sizeof(struct arena_block) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN)

void ccol__arena_init(struct arena *arena, struct budget *budget)
{
    *arena = (struct arena){.budget = budget};
}

static bool add_block(struct arena *arena, size_t bytes)
{
    size_t size = ARENA_HEAD + bytes;
    if (size < ARENA_BLOCK) size = ARENA_BLOCK;
    if (!ccol__budget_take(arena->budget, size)) return false;
    struct arena_block *block = malloc(size);
    if (!block) {
        ccol__budget_give(arena->budget, size);
        return false;
    }
    block->next = arena->blocks;
    block->bytes = size;
    arena->blocks = block;
    arena->used = ARENA_HEAD;
    arena->capacity = size;
    return true;
}

void *ccol__arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    if (!bytes) bytes = 1;
    bytes = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (arena->capacity - arena->used < bytes && !add_block(arena, bytes)) return NULL;
    void *memory = (char *)arena->blocks + arena->used;
    arena->used += bytes;
    return memory;
}

char *ccol__arena_copy(struct arena *arena, const void *bytes, size_t length)
{
    if (length == SIZE_MAX) return NULL;
    char *copy = ccol__arena_alloc(arena, length + 1);
    if (!copy) return NULL;
    if (length) memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

void ccol__arena_wipe(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block; block = block->next)
        explicit_bzero((char *)block + ARENA_HEAD, block->bytes - ARENA_HEAD);
}

void ccol__arena_fini(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        ccol__budget_give(arena->budget, block->bytes);
        free(block);
    }
    ccol__arena_init(arena, arena->budget);
}
