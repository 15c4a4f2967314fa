/* SPDX-License-Identifier: MIT */
/* Unwinding by guessing, for code without unwind tables at hand. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/unwind_private.h"

#define WORD       sizeof(uint64_t)
#define SCAN_WORDS 8192 /* of one stack */
#define SCAN_MOST  64   /* frames; each one may be a leftover of an earlier call */

/* Whether the address lies in a mapping that may be executed. Without maps, in any module. */
static bool is_code(const struct victim *victim, uint64_t address)
{
    const struct victim_text *maps = &victim->maps;
    if (!ccol__victim_module_at(victim, address)) return false;
    if (maps->length == 0) return true;
    for (const char *line = maps->data, *end = line + maps->length; line < end;) {
        const char *after = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((after ? after : end) - line);
        char text[64];
        uint64_t from, to;
        char permissions[5] = "";
        snprintf(text, sizeof text, "%.*s", (int)(length < sizeof text ? length : sizeof text - 1), line);
        if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, permissions) == 3 && address >= from &&
            address < to)
            return permissions[2] == 'x';
        line += length + 1;
    }
    return false;
}

static bool add_caller(struct unwinding *unwinding, struct frame_list *list, uint64_t address)
{
    struct frame frame = {.address = address,
                          .module = ccol__victim_module_at(unwinding->victim, address),
                          .function = "",
                          .file = "",
                          .trust = FRAME_SCAN};
    return ccol__frame_list_add(unwinding, list, &frame);
}

/* A chain of frame pointers, each above the one before. The number of frames found. */
static size_t follow_frame_pointers(struct unwinding *unwinding, const struct victim_thread *thread,
                                    struct frame_list *list)
{
    const struct victim *victim = unwinding->victim;
    uint64_t pointer = thread->seen.registers[victim->machine == SNAPSHOT_X86_64 ? X86_64_RBP : AARCH64_FP];
    uint64_t last = ccol__victim_sp(victim, thread), pair[2];
    size_t count = 0;
    while (pointer >= last && pointer % WORD == 0 && ccol__victim_read(victim, pointer, pair, sizeof pair)) {
        uint64_t address = ccol__victim_return_address(victim, pair[1]);
        if (!is_code(victim, address) || !add_caller(unwinding, list, address)) break;
        count++;
        last = pointer + 1;
        pointer = pair[0];
    }
    return count;
}

void ccol__unwind_scan(struct unwinding *unwinding, const struct victim_thread *thread, struct frame_list *list)
{
    const struct victim *victim = unwinding->victim;
    if (follow_frame_pointers(unwinding, thread, list) > 0) return;
    uint64_t sp = ccol__victim_sp(victim, thread) & ~(uint64_t)(WORD - 1), word;
    size_t found = 0;
    for (size_t i = 0; i < SCAN_WORDS && found < SCAN_MOST; i++) {
        if (!ccol__victim_read(victim, sp + i * WORD, &word, sizeof word)) return;
        if (ccol__unwinding_is_late(unwinding)) return;
        word = ccol__victim_return_address(victim, word);
        if (!is_code(victim, word)) continue;
        if (!add_caller(unwinding, list, word)) return;
        found++;
    }
}
