/* SPDX-License-Identifier: MIT */
/* brotli and zstd, of which the first byte chooses one and the size of the pieces. A build without a library has
 * nothing to show for it. */
#include "inflated.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    enum inflate_form form = data[0] & 1 ? INFLATE_ZSTD : INFLATE_BROTLI;
    /* A whole frame of zstd is read without a window, so one with a window too large passes then. */
    bool strict = form == INFLATE_BROTLI;
    if (ccol__inflate_knows(form)) inflate_both_ways(form, data + 1, size - 1, data[0] / 2U + 1, strict);
    return 0;
}
