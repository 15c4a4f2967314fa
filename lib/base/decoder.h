/* SPDX-License-Identifier: MIT */
/* The bare decoders under gzip.h of what is not deflate: brotli and zstd, each of a library that a build may lack. What
 * they allocate depends on what clients send, so it is charged to a budget. */
#ifndef CCOL_BASE_DECODER_H
#define CCOL_BASE_DECODER_H

#include <stdint.h>

#include "base/budget.h"

enum decoder_result { DECODER_MORE, DECODER_END, DECODER_BAD, DECODER_NO_MEMORY };

struct decoder_ops {
    bool follows; /* after DECODER_END another stream may follow, to be fed to the same decoder */
    /* NULL: memory */
    void *(*open)(struct budget *budget);
    /* Decodes from *in (moved on) into out, until one of them or the stream is at its end; *made bytes came out.
     * DECODER_MORE with all of out used: there may be more without further input. */
    enum decoder_result (*run)(void *decoder, const uint8_t **in, size_t *in_length, uint8_t *out, size_t out_length,
                               size_t *made);
    void (*close)(void *decoder);
};

/* NULL: built without. */
const struct decoder_ops *ccol__decoder_brotli(void);
const struct decoder_ops *ccol__decoder_zstd(void);

#endif
