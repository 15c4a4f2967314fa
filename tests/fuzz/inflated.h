/* SPDX-License-Identifier: MIT */
/* What a body inflates to, in pieces of any size. */
#ifndef CCOL_TESTS_INFLATED_H
#define CCOL_TESTS_INFLATED_H

#include <errno.h>
#include <string.h>

#include "base/gzip.h"
#include "fuzz.h"

#define OUTPUT_MAX   ((size_t)150 * 1000) /* more than two windows */
#define BUDGET_LIMIT ((uint64_t)40 << 20)

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

/* The budget gets everything back. */
static inline int inflate_in_steps(struct output *output, enum inflate_form form, const uint8_t *data, size_t size,
                                   size_t step)
{
    struct inflate *inflate;
    struct budget budget = {.limit = BUDGET_LIMIT};
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

/* At once and in steps: the same must come out. `strict`: also the same verdict. */
static inline void inflate_both_ways(enum inflate_form form, const uint8_t *data, size_t size, size_t step, bool strict)
{
    struct output whole = {malloc(OUTPUT_MAX), 0}, pieces = {malloc(OUTPUT_MAX), 0};
    PROPERTY(whole.bytes && pieces.bytes);
    int expected = inflate_in_steps(&whole, form, data, size, size ? size : 1);
    int result = inflate_in_steps(&pieces, form, data, size, step);
    if (strict) PROPERTY((result == 0) == (expected == 0));
    if (result == 0 && expected == 0)
        PROPERTY(pieces.length == whole.length && memcmp(pieces.bytes, whole.bytes, whole.length) == 0);
    free(whole.bytes);
    free(pieces.bytes);
}

#endif
