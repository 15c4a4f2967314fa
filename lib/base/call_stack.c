/* SPDX-License-Identifier: MIT */
#include "base/call_stack.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#define ROUND4(value) (((value) + 3u) & ~3u)

struct taking {
    struct call_stack *stack;
    uintptr_t from;
    bool begun;
};

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *user)
{
    struct taking *taking = user;
    uintptr_t address = _Unwind_GetIP(context);
    if (address == taking->from) taking->begun = true;
    if (!address || taking->stack->frame_count == CALL_STACK_FRAMES) return _URC_END_OF_STACK;
    if (taking->begun) taking->stack->frames[taking->stack->frame_count++] = address;
    return _URC_NO_REASON;
}

static void find_build_id(struct call_module *module, const char *note, size_t length)
{
    Elf64_Nhdr head;
    while (length >= sizeof head) {
        memcpy(&head, note, sizeof head);
        size_t name_end = sizeof head + ROUND4(head.n_namesz), end = name_end + ROUND4(head.n_descsz);
        if (end > length) return;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof "GNU" &&
            memcmp(note + sizeof head, "GNU", sizeof "GNU") == 0 && head.n_descsz <= sizeof module->build_id) {
            memcpy(module->build_id, note + name_end, head.n_descsz);
            module->build_id_bytes = head.n_descsz;
            return;
        }
        note += end;
        length -= end;
    }
}

static void set_path(struct call_module *module, const char *name)
{
    ssize_t length = -1;
    if (!*name) length = readlink("/proc/self/exe", module->path, sizeof module->path - 1);
    if (length < 0)
        snprintf(module->path, sizeof module->path, "%s", name);
    else
        module->path[length] = '\0';
}

static bool holds_a_frame(const struct call_stack *stack, const struct call_module *module)
{
    for (size_t i = 0; i < stack->frame_count; i++)
        if (stack->frames[i] >= module->start && stack->frames[i] < module->end) return true;
    return false;
}

static int take_module(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    struct call_stack *stack = user;
    struct call_module *module = &stack->modules[stack->module_count];
    *module = (struct call_module){.start = UINTPTR_MAX};
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD) continue;
        if (start < module->start) module->start = start & ~(uintptr_t)4095;
        if (start + segment->p_memsz > module->end) module->end = start + segment->p_memsz;
    }
    if (!holds_a_frame(stack, module)) return 0;
    for (size_t i = 0; i < info->dlpi_phnum && !module->build_id_bytes; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_NOTE)
            find_build_id(module, (const char *)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz);
    }
    set_path(module, info->dlpi_name);
    return ++stack->module_count == CALL_STACK_MODULES;
}

void ccol__call_stack_take(struct call_stack *out, const void *from)
{
    struct taking taking = {out, (uintptr_t)(from ? from : __builtin_return_address(0)), false};
    out->frame_count = out->module_count = 0;
    _Unwind_Backtrace(take_frame, &taking);
    if (out->frame_count) dl_iterate_phdr(take_module, out);
}

const struct call_module *ccol__call_stack_module(const struct call_stack *stack, uintptr_t address)
{
    for (size_t i = 0; i < stack->module_count; i++)
        if (address >= stack->modules[i].start && address < stack->modules[i].end) return &stack->modules[i];
    return NULL;
}
