/* SPDX-License-Identifier: MIT */
/* A snapshot of any bytes is refused or read without leaving them. */
#include <string.h>

#include "fuzz.h"
#include "keeper/snapshot.h"

static void touch(const char *bytes, size_t length)
{
    volatile char sum = 0;
    for (size_t i = 0; i < length; i++)
        sum = (char)(sum + bytes[i]);
}

static void read_all(const struct snapshot_view *view)
{
    char entry[512];
    for (uint32_t type = 0; type < 32; type++) {
        const struct snapshot_section *section = NULL;
        while ((section = ccol__snapshot_find(view, (enum snapshot_type)type, UINT32_MAX, section))) {
            touch(ccol__snapshot_bytes(view, section), (size_t)section->bytes);
            size_t count = ccol__snapshot_count(section);
            for (size_t i = 0; i <= count && i < 64; i++)
                ccol__snapshot_entry(view, section, i, entry, sizeof entry);
        }
    }
    for (uint32_t offset = 0; offset < 4096; offset += 7)
        touch(ccol__snapshot_string(view, offset), strlen(ccol__snapshot_string(view, offset)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot_view view;
    const char *cause = NULL;
    void *aligned = malloc(size ? size : 1); /* exactly as long, so that a sanitizer sees what is behind */
    if (!aligned) return 0;
    if (size) memcpy(aligned, data, size);
    if (ccol__snapshot_view_init(&view, aligned, size, &cause) == 0)
        read_all(&view);
    else
        PROPERTY(cause);
    free(aligned);
    return 0;
}
