/* SPDX-License-Identifier: MIT */
/* Files of profiles. */
#include <string.h>

#include "base/ini.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* not longer, so that a byte too far is seen */
    PROPERTY(text);
    if (size) memcpy(text, data, size);
    struct ini ini = {.at = text, .end = text + size};
    struct ini_property property;
    const char *before = text;
    while (ccol__ini_next(&ini, &property)) {
        PROPERTY(ini.at > before && ini.at <= ini.end);
        before = ini.at;
        PROPERTY(property.section >= text && property.section + property.section_length < property.key);
        PROPERTY(property.key_length > 0 && property.key + property.key_length < property.value + 1);
        PROPERTY(property.value + property.value_length <= ini.end);
        PROPERTY(!memchr(property.key, '\n', property.key_length));
        PROPERTY(!memchr(property.value, '\n', property.value_length));
    }
    PROPERTY(ini.at == ini.end);
    free(text);
    return 0;
}
