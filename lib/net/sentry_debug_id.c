/* SPDX-License-Identifier: MIT */
#include "net/sentry_debug_id.h"

#include <stdbool.h>
#include <stdio.h>

#define ID_BYTES 16

const char *ccol__sentry_debug_id(char out[SENTRY_DEBUG_ID_SIZE], const uint8_t *id, size_t length)
{
    static const unsigned char order[ID_BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    size_t used = 0;
    for (size_t i = 0; i < ID_BYTES; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        used += (size_t)snprintf(out + used, SENTRY_DEBUG_ID_SIZE - used, "%s%02x", dash ? "-" : "",
                                 order[i] < length ? id[order[i]] : 0);
    }
    return out;
}
