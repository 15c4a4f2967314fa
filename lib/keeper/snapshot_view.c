/* SPDX-License-Identifier: MIT */
#include "keeper/snapshot.h"

#include <crashcollect/error.h>

#include <stdbool.h>
#include <string.h>

static bool is_inside(const struct snapshot_section *section, size_t length)
{
    return section->offset % 8 == 0 && section->offset <= length && section->bytes <= length - section->offset;
}

static const char *mistake(const struct snapshot_header *header, size_t length)
{
    if (length < sizeof *header) return "shorter than its header";
    if (memcmp(header->magic, SNAPSHOT_MAGIC, sizeof header->magic) != 0) return "no snapshot";
    if (header->version != SNAPSHOT_VERSION) return "of another version";
    if (header->header_bytes < sizeof *header || header->section_bytes != sizeof(struct snapshot_section))
        return "of another layout";
    if (header->total_bytes > length) return "cut short";
    if (header->section_count > SNAPSHOT_SECTIONS_MAX) return "too many sections";
    if (header->section_offset % 8 || header->section_offset > length ||
        header->section_count * sizeof(struct snapshot_section) > length - header->section_offset)
        return "the table of sections lies outside";
    return NULL;
}

int ccol__snapshot_view_init(struct snapshot_view *view, const void *bytes, size_t length, const char **cause)
{
    *view = (struct snapshot_view){.bytes = bytes, .length = length, .header = bytes};
    *cause = mistake(view->header, length);
    if (*cause) return CCOL_EFORMAT;
    view->sections = (const void *)(view->bytes + view->header->section_offset);
    for (uint32_t i = 0; i < view->header->section_count; i++) {
        if (is_inside(&view->sections[i], length)) continue;
        *cause = "a section lies outside";
        return CCOL_EFORMAT;
    }
    return 0;
}

const struct snapshot_section *ccol__snapshot_find(const struct snapshot_view *view, enum snapshot_type type,
                                                   uint32_t id, const struct snapshot_section *after)
{
    size_t i = after ? (size_t)(after - view->sections) + 1 : 0;
    for (; i < view->header->section_count; i++) {
        const struct snapshot_section *section = &view->sections[i];
        if (section->type == type && (id == UINT32_MAX || section->id == id)) return section;
    }
    return NULL;
}

const void *ccol__snapshot_bytes(const struct snapshot_view *view, const struct snapshot_section *section)
{
    return view->bytes + section->offset;
}

size_t ccol__snapshot_count(const struct snapshot_section *section)
{
    return section->stride ? (size_t)(section->bytes / section->stride) : 0;
}

void ccol__snapshot_entry(const struct snapshot_view *view, const struct snapshot_section *section, size_t index,
                          void *out, size_t size)
{
    size_t known = section->stride < size ? section->stride : size;
    memset(out, 0, size);
    if (index < ccol__snapshot_count(section))
        memcpy(out, view->bytes + section->offset + index * section->stride, known);
}

const char *ccol__snapshot_string(const struct snapshot_view *view, uint32_t offset)
{
    const struct snapshot_section *strings = ccol__snapshot_find(view, SNAPSHOT_STRINGS, UINT32_MAX, NULL);
    if (!strings || offset >= strings->bytes) return "";
    const char *text = view->bytes + strings->offset + offset;
    return memchr(text, '\0', (size_t)(strings->bytes - offset)) ? text : "";
}
