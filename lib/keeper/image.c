/* SPDX-License-Identifier: MIT */
#include "keeper/image.h"

#include "keeper/tracee.h"

#include <elf.h>
#include <string.h>

#define SEGMENTS_MOST 64
#define DYNAMIC_MOST  128
#define CHAIN_MOST    4096

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* Addresses in the dynamic section are relocated by glibc, but not by every loader. */
static uint64_t address_of(const struct image *image, uint64_t value)
{
    return value < image->bias ? value + image->bias : value;
}

static void add_loaded(struct image *image, const Elf64_Phdr *segment)
{
    uint64_t start = image->bias + segment->p_vaddr, end = start + segment->p_memsz;
    if (start < image->low) image->low = start;
    if (end > image->high) image->high = end;
    if (!(segment->p_flags & PF_W) || image->data_count == IMAGE_DATA_MOST) return;
    image->data[image->data_count].address = start;
    image->data[image->data_count++].bytes = segment->p_filesz;
}

static void read_dynamic(struct image *image, const Elf64_Phdr *segment)
{
    Elf64_Dyn entries[DYNAMIC_MOST];
    size_t bytes = segment->p_memsz < sizeof entries ? (size_t)segment->p_memsz : sizeof entries;
    size_t count = ccol__tracee_read(image->pid, image->bias + segment->p_vaddr, entries, bytes) / sizeof entries[0];
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
        uint64_t value = address_of(image, entries[i].d_un.d_ptr);
        if (entries[i].d_tag == DT_SYMTAB) image->symbols = value;
        if (entries[i].d_tag == DT_STRTAB) image->names = value;
        if (entries[i].d_tag == DT_GNU_HASH) image->hash = value;
    }
}

bool ccol__image_open(struct image *image, pid_t pid, const struct snapshot_module *module)
{
    Elf64_Ehdr head;
    Elf64_Phdr segments[SEGMENTS_MOST];
    *image = (struct image){.pid = pid, .bias = module->bias, .low = UINT64_MAX};
    if (!ccol__tracee_read_all(pid, module->start, &head, sizeof head) || head.e_phnum > SEGMENTS_MOST ||
        !ccol__tracee_read_all(pid, module->start + head.e_phoff, segments, head.e_phnum * sizeof segments[0]))
        return false;
    for (size_t i = 0; i < head.e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) add_loaded(image, &segments[i]);
        if (segments[i].p_type == PT_DYNAMIC) read_dynamic(image, &segments[i]);
    }
    return true;
}

uint64_t ccol__image_symbol(const struct image *image, const char *name)
{
    uint32_t head[4], index, value, wanted = hash_of(name); /* buckets, first symbol, words of the filter, shift */
    if (!image->symbols || !image->names || !image->hash) return 0;
    if (!ccol__tracee_read_all(image->pid, image->hash, head, sizeof head) || head[0] == 0) return 0;
    uint64_t buckets = image->hash + sizeof head + (uint64_t)head[2] * 8;
    uint64_t chains = buckets + (uint64_t)head[0] * 4;
    if (!ccol__tracee_read_all(image->pid, buckets + (uint64_t)(wanted % head[0]) * 4, &index, sizeof index) ||
        index < head[1])
        return 0;
    for (unsigned i = 0; i < CHAIN_MOST; i++, index++) {
        Elf64_Sym symbol;
        char text[32];
        if (!ccol__tracee_read_all(image->pid, chains + (uint64_t)(index - head[1]) * 4, &value, sizeof value))
            return 0;
        if ((value | 1) == (wanted | 1) &&
            ccol__tracee_read_all(image->pid, image->symbols + (uint64_t)index * sizeof symbol, &symbol,
                                  sizeof symbol) &&
            ccol__tracee_read_text(image->pid, image->names + symbol.st_name, text, sizeof text) &&
            strcmp(text, name) == 0)
            return image->bias + symbol.st_value;
        if (value & 1) return 0;
    }
    return 0;
}

bool ccol__image_holds(const struct image *image, uint64_t address)
{
    return image->low <= address && address < image->high;
}
