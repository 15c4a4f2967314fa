/* SPDX-License-Identifier: MIT */
#include "base/decoder.h"

#include <stdlib.h>

#ifdef CCOL_HAVE_BROTLI

#include <brotli/decode.h>
#include <stdalign.h>

/* Its window is at most 16 MiB, by the format. */
struct brotli {
    BrotliDecoderState *state;
    struct budget *budget;
    bool refused;
};

/* Before each of its pieces of memory, so that as much is given back. */
union piece {
    size_t bytes;
    max_align_t alignment;
};

static void *take_memory(void *user, size_t bytes)
{
    struct brotli *brotli = user;
    bool taken = bytes <= SIZE_MAX / 2 && ccol__budget_take(brotli->budget, bytes);
    union piece *piece = taken ? malloc(sizeof *piece + bytes) : NULL;
    if (taken && !piece) ccol__budget_give(brotli->budget, bytes);
    brotli->refused = brotli->refused || !piece;
    if (!piece) return NULL;
    piece->bytes = bytes;
    return piece + 1;
}

static void give_memory(void *user, void *address)
{
    struct brotli *brotli = user;
    if (!address) return;
    union piece *piece = (union piece *)address - 1;
    ccol__budget_give(brotli->budget, piece->bytes);
    free(piece);
}

static void *brotli_open(struct budget *budget)
{
    struct brotli *brotli = calloc(1, sizeof *brotli);
    if (!brotli) return NULL;
    brotli->budget = budget;
    brotli->state = BrotliDecoderCreateInstance(take_memory, give_memory, brotli);
    if (brotli->state) return brotli;
    free(brotli);
    return NULL;
}

static enum decoder_result brotli_run(void *decoder, const uint8_t **in, size_t *in_length, uint8_t *out,
                                      size_t out_length, size_t *made)
{
    struct brotli *brotli = decoder;
    size_t room = out_length;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(brotli->state, in_length, in, &room, &out, NULL);
    *made = out_length - room;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) return DECODER_END;
    if (result != BROTLI_DECODER_RESULT_ERROR) return DECODER_MORE;
    return brotli->refused ? DECODER_NO_MEMORY : DECODER_BAD;
}

static void brotli_close(void *decoder)
{
    struct brotli *brotli = decoder;
    BrotliDecoderDestroyInstance(brotli->state);
    free(brotli);
}

const struct decoder_ops *ccol__decoder_brotli(void)
{
    static const struct decoder_ops ops = {false, brotli_open, brotli_run, brotli_close};
    return &ops;
}

#else

const struct decoder_ops *ccol__decoder_brotli(void)
{
    return NULL;
}

#endif

#ifdef CCOL_HAVE_ZSTD

#include <zstd.h>
#include <zstd_errors.h>

/* RFC 9659: a window of at most 8 MiB for what goes over HTTP. */
#define ZSTD_WINDOW_LOG 23

struct zstd {
    ZSTD_DStream *stream;
    struct budget *budget;
    size_t charged;
};

static void *zstd_open(struct budget *budget)
{
    struct zstd *zstd = calloc(1, sizeof *zstd);
    if (!zstd) return NULL;
    zstd->budget = budget;
    zstd->stream = ZSTD_createDStream();
    if (zstd->stream && !ZSTD_isError(ZSTD_DCtx_setParameter(zstd->stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
        return zstd;
    ZSTD_freeDStream(zstd->stream);
    free(zstd);
    return NULL;
}

/* The library tells what it holds only once it does: at most one window is there before the budget has its say. */
static bool charge(struct zstd *zstd)
{
    size_t holds = ZSTD_sizeof_DStream(zstd->stream);
    if (holds <= zstd->charged) return true;
    if (!ccol__budget_take(zstd->budget, holds - zstd->charged)) return false;
    zstd->charged = holds;
    return true;
}

static enum decoder_result zstd_run(void *decoder, const uint8_t **in, size_t *in_length, uint8_t *out,
                                    size_t out_length, size_t *made)
{
    struct zstd *zstd = decoder;
    ZSTD_inBuffer from = {*in, *in_length, 0};
    ZSTD_outBuffer to = {out, out_length, 0};
    size_t result;
    do {
        size_t before = from.pos + to.pos;
        result = ZSTD_decompressStream(zstd->stream, &to, &from);
        if (!charge(zstd)) return DECODER_NO_MEMORY;
        if (from.pos + to.pos == before) break;
    } while (result && !ZSTD_isError(result) && from.pos < from.size && to.pos < to.size);
    *in += from.pos;
    *in_length -= from.pos;
    *made = to.pos;
    if (!ZSTD_isError(result)) return result ? DECODER_MORE : DECODER_END;
    return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? DECODER_NO_MEMORY : DECODER_BAD;
}

static void zstd_close(void *decoder)
{
    struct zstd *zstd = decoder;
    ZSTD_freeDStream(zstd->stream);
    ccol__budget_give(zstd->budget, zstd->charged);
    free(zstd);
}

const struct decoder_ops *ccol__decoder_zstd(void)
{
    static const struct decoder_ops ops = {true, zstd_open, zstd_run, zstd_close};
    return &ops;
}

#else

const struct decoder_ops *ccol__decoder_zstd(void)
{
    return NULL;
}

#endif
