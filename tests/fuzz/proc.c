/* SPDX-License-Identifier: MIT */
/* Texts of /proc, which an app has a say in: its name, its paths. */
#include <string.h>

#include "fuzz.h"
#include "keeper/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proc_stat stat;
    struct proc_map map;
    char out[64];
    bool is_v2;
    uint64_t value;
    char *text = malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    ccol__proc_stat_parse(text, &stat);
    ccol__proc_field(text, "Tgid", 10, &value);
    ccol__proc_catches(text, 11);
    ccol__facts_memory_cgroup(text, out, sizeof out, &is_v2);
    PROPERTY(memchr(out, '\0', sizeof out));
    const char *at = text, *before = text;
    while (ccol__proc_map_next(&at, &map)) {
        PROPERTY(at > before && at <= text + strlen(text));
        PROPERTY(map.path >= text && map.path + map.path_length <= at);
        before = at;
    }
    free(text);
    return 0;
}
