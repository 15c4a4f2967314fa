/* SPDX-License-Identifier: MIT */
#include "monitor/victim.h"

#include <string.h>

uint64_t ccol__victim_ip(const struct victim *victim, const struct victim_thread *thread)
{
    if (!(thread->seen.flags & SNAPSHOT_REGISTERS)) return 0;
    return thread->seen.registers[victim->machine == SNAPSHOT_X86_64 ? X86_64_RIP : AARCH64_PC];
}

uint64_t ccol__victim_sp(const struct victim *victim, const struct victim_thread *thread)
{
    if (!(thread->seen.flags & SNAPSHOT_REGISTERS)) return 0;
    return thread->seen.registers[victim->machine == SNAPSHOT_X86_64 ? X86_64_RSP : AARCH64_SP];
}

const struct victim_thread *ccol__victim_crashed(const struct victim *victim)
{
    for (size_t i = 0; victim->crashed_tid && i < victim->thread_count; i++) {
        if (victim->threads[i].seen.tid == victim->crashed_tid) return &victim->threads[i];
    }
    return NULL;
}

const struct victim_module *ccol__victim_module_at(const struct victim *victim, uint64_t address)
{
    for (size_t i = 0; i < victim->module_count; i++) {
        const struct victim_module *module = &victim->modules[i];
        if (address >= module->seen.start && address < module->seen.end) return module;
    }
    return NULL;
}

uint64_t ccol__victim_return_address(const struct victim *victim, uint64_t word)
{
    uint64_t address = word & victim->address_bits;
    if (victim->machine != SNAPSHOT_AARCH64 || address == word) return word;
    return ccol__victim_module_at(victim, address) ? address : word;
}

const struct victim_memory *ccol__victim_memory_at(const struct victim *victim, uint64_t address, uint64_t reach)
{
    size_t low = 0, high = victim->memories.count;
    while (low < high) { /* the first that ends above the address */
        size_t middle = low + (high - low) / 2;
        const struct victim_memory *memory = &victim->memories.list[middle];
        if (memory->address + memory->length > address)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == victim->memories.count) return NULL;
    const struct victim_memory *found = &victim->memories.list[low];
    return found->address <= address || found->address - address <= reach ? found : NULL;
}

bool ccol__victim_read(const struct victim *victim, uint64_t address, void *out, size_t length)
{
    const struct victim_memory *memory = ccol__victim_memory_at(victim, address, 0);
    if (!memory || memory->address > address) return false;
    uint64_t offset = address - memory->address;
    if (length > memory->length - offset) return false;
    memcpy(out, memory->bytes + offset, length);
    return true;
}
