/* SPDX-License-Identifier: MIT */
/* The first byte chooses the form and the size of the pieces. In pieces or at once, the same must come out. */
#include "inflated.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    enum inflate_form form = data[0] & 1 ? INFLATE_ZLIB : INFLATE_GZIP;
    inflate_both_ways(form, data + 1, size - 1, data[0] / 2U + 1, true);
    return 0;
}
