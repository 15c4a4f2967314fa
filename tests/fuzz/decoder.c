/* SPDX-License-Identifier: MIT */
/* brotli and zstd, of which the first byte chooses one and the size of the pieces. In pieces or at once, the same must
 * come out, and the budget gets everything back. A build without a library has nothing to show for it. */
#include <errno.h>
#include <string.h>

#include "base/gzip.h"
#include "fuzz.h"

#define OUTPUT_MAX ((size_t)150 * 1000) /* more than two windows */

struct output {
    uint8_t *bytes;
    size_t length;
};

static int take(void *user, const void *data, size_t length)
{
    struct output *output = user;
    PROPERTY(length > 0 && length <= OUTPUT_MAX - output->length);
    memcpy(output->bytes + output->length, data, length);
    output->length += length;
    return 0;
}

static int run(struct output *output, enum inflate_form form, const uint8_t *data, size_t size, size_t step)
{
    struct inflate *inflate;
    struct budget budget = {.limit = (uint64_t)40 << 20};
    int result = 0;
    output->length = 0;
    PROPERTY(ccol__inflate_new(&inflate, form, OUTPUT_MAX, &budget, NULL) == 0);
    for (size_t at = 0; at < size && result == 0; at += step)
        result = ccol__inflate_feed(inflate, data + at, size - at < step ? size - at : step, take, output);
    if (result == 0) result = ccol__inflate_finish(inflate);
    PROPERTY(result == 0 || result == CCOL_EFORMAT || result == CCOL_ETOOLARGE || result == -ENOMEM);
    PROPERTY(ccol__inflate_output(inflate) == output->length);
    ccol__inflate_free(inflate);
    PROPERTY(atomic_load(&budget.used) == 0);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    enum inflate_form form = data[0] & 1 ? INFLATE_ZSTD : INFLATE_BROTLI;
    size_t step = data[0] / 2U + 1;
    if (!ccol__inflate_knows(form)) return 0;
    struct output whole = {malloc(OUTPUT_MAX), 0}, pieces = {malloc(OUTPUT_MAX), 0};
    PROPERTY(whole.bytes && pieces.bytes);
    int expected = run(&whole, form, data + 1, size - 1, size);
    int result = run(&pieces, form, data + 1, size - 1, step);
    /* A whole frame of zstd is read without a window, so one with a window too large passes then. */
    if (form == INFLATE_BROTLI) PROPERTY((result == 0) == (expected == 0));
    if (result == 0 && expected == 0)
        PROPERTY(pieces.length == whole.length && memcmp(pieces.bytes, whole.bytes, whole.length) == 0);
    free(whole.bytes);
    free(pieces.bytes);
    return 0;
}
