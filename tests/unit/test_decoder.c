/* SPDX-License-Identifier: MIT */
/* Bodies compressed with brotli and zstd: whole, cut, damaged, too large, and what they may take of memory. */
#include <errno.h>

#include "base/gzip.h"
#include "check.h"

#if CCOL_HAVE_BROTLI
#include <brotli/encode.h>
#endif
#if CCOL_HAVE_ZSTD
#include <zstd.h>
#endif

#define MIB ((size_t)1 << 20)

struct bytes {
    uint8_t *data;
    size_t length, capacity;
};

static struct bytes make(size_t capacity)
{
    struct bytes bytes = {malloc(capacity ? capacity : 1), 0, capacity};
    REQUIRE(bytes.data);
    return bytes;
}

static int take(void *user, const void *data, size_t length)
{
    struct bytes *out = user;
    REQUIRE(length > 0 && length <= out->capacity - out->length);
    memcpy(out->data + out->length, data, length);
    out->length += length;
    return 0;
}

/* Text that compresses, but not to nothing. */
static void fill(struct bytes *text, size_t length)
{
    uint32_t state = 1;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525 + 1013904223;
        text->data[i] = (uint8_t)('a' + (state >> 24) % 20);
    }
    text->length = length;
}

static size_t compress_brotli(struct bytes *out, const struct bytes *text, int window)
{
    (void)window;
    (void)out;
    (void)text;
#if CCOL_HAVE_BROTLI
    size_t length = out->capacity - out->length;
    REQUIRE(BrotliEncoderCompress(3, window, BROTLI_MODE_GENERIC, text->length, text->data, &length,
                                  out->data + out->length));
    out->length += length;
#endif
    return out->length;
}

/* In one go its header would tell the size of the text; a stream does not. */
static size_t compress_zstd(struct bytes *out, const struct bytes *text, int window)
{
    (void)window;
    (void)out;
    (void)text;
#if CCOL_HAVE_ZSTD
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window);
    ZSTD_inBuffer in = {text->data, text->length, 0};
    ZSTD_outBuffer to = {out->data, out->capacity, out->length};
    ZSTD_compressStream2(context, &to, &in, ZSTD_e_flush);
    REQUIRE(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end) == 0);
    ZSTD_freeCCtx(context);
    out->length = to.pos;
#endif
    return out->length;
}

static size_t compress(struct bytes *out, enum inflate_form form, const struct bytes *text)
{
    return form == INFLATE_ZSTD ? compress_zstd(out, text, 20) : compress_brotli(out, text, 20);
}

static int inflate(struct bytes *out, enum inflate_form form, const struct bytes *in, size_t step, uint64_t most,
                   struct budget *budget)
{
    struct inflate *inflate;
    out->length = 0;
    int code = ccol__inflate_new(&inflate, form, most, budget, NULL);
    if (code) return code;
    for (size_t at = 0; !code && at < in->length; at += step) {
        size_t length = in->length - at < step ? in->length - at : step;
        uint8_t *piece = malloc(length); /* of its own, so that reading beyond it is seen */
        REQUIRE(piece);
        memcpy(piece, in->data + at, length);
        code = ccol__inflate_feed(inflate, piece, length, take, out);
        free(piece);
    }
    if (!code) code = ccol__inflate_finish(inflate);
    CHECK_INT(ccol__inflate_output(inflate), out->length);
    ccol__inflate_free(inflate);
    if (budget) CHECK_INT(atomic_load(&budget->used), 0);
    return code;
}

static enum inflate_form forms[2];
static size_t form_count;

static void what_this_build_knows(void)
{
    enum inflate_form form;
    struct inflate *made;
    CHECK(ccol__inflate_form_named(&form, "BR") && form == INFLATE_BROTLI);
    CHECK(ccol__inflate_form_named(&form, "zstd") && form == INFLATE_ZSTD);
    CHECK(!ccol__inflate_form_named(&form, "identity") && !ccol__inflate_form_named(&form, NULL));
    CHECK_INT(ccol__inflate_knows(INFLATE_BROTLI), CCOL_HAVE_BROTLI);
    CHECK_INT(ccol__inflate_knows(INFLATE_ZSTD), CCOL_HAVE_ZSTD);
    for (form = INFLATE_BROTLI; form <= INFLATE_ZSTD; form++) {
        if (ccol__inflate_knows(form)) forms[form_count++] = form;
        int code = ccol__inflate_new(&made, form, 1, NULL, NULL);
        CHECK_INT(code, ccol__inflate_knows(form) ? 0 : -ENOTSUP);
        ccol__inflate_free(made);
    }
}

static void round_trips(void)
{
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 300000}, steps[] = {1, 7, 4093, SIZE_MAX / 2};
    struct bytes text = make(300000), in = make(400000), out = make(300000);
    struct budget budget = {.limit = 64 * MIB};
    for (size_t i = 0; i < 4 * form_count * (sizeof sizes / sizeof sizes[0]); i++) {
        enum inflate_form form = forms[i % form_count];
        size_t step = steps[i / form_count % 4];
        fill(&text, sizes[i / form_count / 4]);
        in.length = 0;
        compress(&in, form, &text);
        CHECK_INT(inflate(&out, form, &in, step, text.length, &budget), 0);
        CHECK(out.length == text.length && memcmp(out.data, text.data, text.length) == 0);
        if (text.length) CHECK_INT(inflate(&out, form, &in, step, text.length - 1, &budget), CCOL_ETOOLARGE);
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

static void every_cut_and_most_damage_is_seen(void)
{
    struct bytes text = make(3000), in = make(8000), out = make(100000);
    fill(&text, 3000);
    for (size_t i = 0; i < form_count; i++) {
        in.length = 0;
        size_t whole = compress(&in, forms[i], &text);
        for (in.length = 0; in.length < whole; in.length++) {
            CHECK_INT(inflate(&out, forms[i], &in, SIZE_MAX / 2, 100000, NULL), CCOL_EFORMAT);
            CHECK_INT(inflate(&out, forms[i], &in, 1, 100000, NULL), CCOL_EFORMAT);
        }
    }
    if (ccol__inflate_knows(INFLATE_ZSTD)) { /* brotli has no check sum */
        in.data[in.length - 1] ^= 1;
        CHECK_INT(inflate(&out, INFLATE_ZSTD, &in, 1, 100000, NULL), CCOL_EFORMAT);
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

static void what_follows(void)
{
    struct bytes text = make(100), in = make(1000), out = make(1000);
    fill(&text, 100);
    for (size_t i = 0; i < form_count; i++) {
        bool zstd = forms[i] == INFLATE_ZSTD;
        in.length = 0;
        compress(&in, forms[i], &text);
        compress(&in, forms[i], &text);
        CHECK_INT(inflate(&out, forms[i], &in, 3, 1000, NULL), 0);
        CHECK_INT(out.length, zstd ? 200 : 100); /* frames of zstd go on */
        memcpy(in.data + in.length, "trailing", 8);
        in.length += 8;
        CHECK_INT(inflate(&out, forms[i], &in, 3, 1000, NULL), zstd ? CCOL_EFORMAT : 0);
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

/* What a client may make the decoder take: the budget holds it, and a zstd window of more than 8 MiB is none. */
static void memory_is_charged(void)
{
    struct bytes text = make(20 * MIB), in = make(24 * MIB), out = make(20 * MIB);
    struct budget little = {.limit = MIB}, enough = {.limit = 40 * MIB};
    memset(text.data, 'a', 20 * MIB); /* a bomb */
    text.length = 20 * MIB;
    for (size_t i = 0; i < form_count; i++) {
        in.length = 0;
        if (forms[i] == INFLATE_ZSTD)
            compress_zstd(&in, &text, 23);
        else
            compress_brotli(&in, &text, 24);
        CHECK(in.length < 10000);
        CHECK_INT(inflate(&out, forms[i], &in, 100, 20 * MIB, &enough), 0);
        CHECK_INT(out.length, 20 * MIB);
        CHECK_INT(inflate(&out, forms[i], &in, 100, 20 * MIB, &little), -ENOMEM);
        CHECK_INT(inflate(&out, forms[i], &in, 100, 10 * MIB, &enough), CCOL_ETOOLARGE);
        CHECK(out.length <= 10 * MIB);
    }
    if (ccol__inflate_knows(INFLATE_ZSTD)) {
        in.length = 0;
        compress_zstd(&in, &text, 24);
        CHECK_INT(inflate(&out, INFLATE_ZSTD, &in, 100, 20 * MIB, &enough), CCOL_EFORMAT);
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

int main(void)
{
    RUN(what_this_build_knows);
    if (!form_count) return check_done();
    RUN(round_trips);
    RUN(every_cut_and_most_damage_is_seen);
    RUN(what_follows);
    RUN(memory_is_charged);
    return check_done();
}
