/* SPDX-License-Identifier: MIT */
#include "base/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/decoder.h"
#include "base/deflate.h"
#include "base/text.h"

#define WINDOW_BYTES ((size_t)64 * 1024)
#define GZIP_HEADER  10
#define GZIP_TRAILER 8
#define GZIP_MAGIC   3 /* 1f 8b, and 8 for deflate */
#define ZLIB_HEADER  2
#define ZLIB_TRAILER 4

enum gzip_flag { FLAG_HEADER_CRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAG_RESERVED = 0xE0 };

/* The wrappers are read here and not by the decoder libraries, so that both builds judge them alike. */
enum stage {
    STAGE_HEADER,
    STAGE_EXTRA_LENGTH,
    STAGE_EXTRA,
    STAGE_NAME,
    STAGE_COMMENT,
    STAGE_HEADER_CRC,
    STAGE_BODY,
    STAGE_TRAILER,
    STAGE_OTHER,      /* brotli or zstd */
    STAGE_NEXT_OTHER, /* behind it */
    STAGE_NEXT,       /* behind a member: another one, or something else */
    STAGE_IGNORE      /* all there is was inflated */
};

struct inflate {
    enum inflate_form form;
    enum stage stage;
    int error; /* it sticks */
    uint64_t max_output, output, member_output;
    uint32_t check; /* CRC-32 or Adler-32 of the member so far */
    uint8_t field[GZIP_HEADER], flags;
    size_t field_length, skip;
    struct budget *budget;
    struct deflate *deflate;
    const struct decoder_ops *other; /* NULL: deflate does it */
    void *decoder;
    uint8_t window[WINDOW_BYTES];
};

/* Besides what other decoders charge themselves: two windows, and deflate's state. */
#define INFLATE_BYTES ((size_t)160 << 10)

struct input {
    const uint8_t *data;
    size_t length;
    inflate_sink sink;
    void *user;
};

static const struct decoder_ops *other_decoder(enum inflate_form form)
{
    if (form == INFLATE_BROTLI) return ccol__decoder_brotli();
    return form == INFLATE_ZSTD ? ccol__decoder_zstd() : NULL;
}

bool ccol__inflate_knows(enum inflate_form form)
{
    return form == INFLATE_GZIP || form == INFLATE_ZLIB || other_decoder(form);
}

bool ccol__inflate_form_named(enum inflate_form *out, const char *encoding)
{
    static const struct {
        const char *name;
        enum inflate_form form;
    } names[] = {{"gzip", INFLATE_GZIP},
                 {"x-gzip", INFLATE_GZIP},
                 {"deflate", INFLATE_ZLIB},
                 {"br", INFLATE_BROTLI},
                 {"zstd", INFLATE_ZSTD}};
    for (size_t i = 0; encoding && i < sizeof names / sizeof names[0]; i++) {
        if (!ccol__text_equal_nocase(encoding, strlen(encoding), names[i].name)) continue;
        *out = names[i].form;
        return true;
    }
    return false;
}

int ccol__inflate_new(struct inflate **out, enum inflate_form form, uint64_t max_output, struct budget *budget,
                      ccol_error *err)
{
    *out = NULL;
    if (!ccol__inflate_knows(form)) return ccol_fail(err, -ENOTSUP, "built without brotli or zstd");
    bool within = ccol__budget_take(budget, INFLATE_BYTES);
    struct inflate *inflate = within ? malloc(sizeof *inflate) : NULL;
    if (!inflate) {
        if (within) ccol__budget_give(budget, INFLATE_BYTES);
        return ccol_fail(err, -ENOMEM, "no memory to inflate a body");
    }
    memset(inflate, 0, offsetof(struct inflate, window));
    inflate->form = form;
    inflate->max_output = max_output;
    inflate->budget = budget;
    inflate->other = other_decoder(form);
    if (inflate->other) {
        inflate->stage = STAGE_OTHER;
        inflate->decoder = inflate->other->open(budget);
    } else {
        inflate->deflate = ccol__deflate_new();
    }
    *out = inflate;
    if (inflate->decoder || inflate->deflate) return 0;
    ccol__inflate_free(inflate);
    *out = NULL;
    return ccol_fail(err, -ENOMEM, "no memory to inflate a body");
}

static void input_skip(struct input *input, size_t bytes)
{
    input->data += bytes;
    input->length -= bytes;
}

/* Collects a field of `wanted` bytes over pieces; true once it is whole. */
static bool collect(struct inflate *inflate, struct input *input, size_t wanted)
{
    size_t missing = wanted - inflate->field_length, taken = input->length < missing ? input->length : missing;
    memcpy(inflate->field + inflate->field_length, input->data, taken);
    inflate->field_length += taken;
    input_skip(input, taken);
    if (inflate->field_length < wanted) return false;
    inflate->field_length = 0;
    return true;
}

static void begin_body(struct inflate *inflate)
{
    ccol__deflate_reset(inflate->deflate);
    inflate->stage = STAGE_BODY;
    inflate->member_output = 0;
    inflate->check = inflate->form == INFLATE_GZIP ? 0 : 1;
}

/* The optional fields of a gzip header come in the order of the stages. */
static void next_header_stage(struct inflate *inflate, enum stage stage)
{
    static const struct {
        enum stage stage;
        uint8_t flag;
    } optional[] = {{STAGE_EXTRA_LENGTH, FLAG_EXTRA},
                    {STAGE_NAME, FLAG_NAME},
                    {STAGE_COMMENT, FLAG_COMMENT},
                    {STAGE_HEADER_CRC, FLAG_HEADER_CRC}};
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (optional[i].stage <= stage || !(inflate->flags & optional[i].flag)) continue;
        inflate->stage = optional[i].stage;
        return;
    }
    begin_body(inflate);
}

static bool is_magic(const uint8_t *field, size_t length)
{
    return memcmp(field, "\x1F\x8B\x08", length < GZIP_MAGIC ? length : GZIP_MAGIC) == 0;
}

static int read_header(struct inflate *inflate, struct input *input)
{
    const uint8_t *field = inflate->field;
    if (inflate->form == INFLATE_ZLIB) {
        if (!collect(inflate, input, ZLIB_HEADER)) return 0;
        bool is_zlib = (field[0] & 15) == 8 && field[0] >> 4 <= 7 && (field[0] * 256 + field[1]) % 31 == 0;
        bool has_dictionary = field[1] & 0x20;
        if (!is_zlib || has_dictionary) return CCOL_EFORMAT;
        begin_body(inflate);
        return 0;
    }
    if (!collect(inflate, input, GZIP_HEADER)) return is_magic(field, inflate->field_length) ? 0 : CCOL_EFORMAT;
    if (!is_magic(field, GZIP_HEADER) || field[3] & FLAG_RESERVED) return CCOL_EFORMAT;
    inflate->flags = field[3];
    next_header_stage(inflate, STAGE_HEADER);
    return 0;
}

static int skip_extra(struct inflate *inflate, struct input *input)
{
    if (inflate->stage == STAGE_EXTRA_LENGTH) {
        if (!collect(inflate, input, 2)) return 0;
        inflate->skip = inflate->field[0] | (size_t)inflate->field[1] << 8;
        inflate->stage = STAGE_EXTRA;
    }
    size_t taken = input->length < inflate->skip ? input->length : inflate->skip;
    input_skip(input, taken);
    inflate->skip -= taken;
    if (!inflate->skip) next_header_stage(inflate, STAGE_EXTRA);
    return 0;
}

static int skip_text(struct inflate *inflate, struct input *input)
{
    const uint8_t *end = memchr(input->data, 0, input->length);
    input_skip(input, end ? (size_t)(end - input->data) + 1 : input->length);
    if (end) next_header_stage(inflate, inflate->stage);
    return 0;
}

/* Not compared: it guards nothing that is used. */
static int skip_header_crc(struct inflate *inflate, struct input *input)
{
    if (collect(inflate, input, 2)) begin_body(inflate);
    return 0;
}

static int deliver(struct inflate *inflate, struct input *input, size_t made)
{
    if (!made) return 0;
    if (made > inflate->max_output - inflate->output) return CCOL_ETOOLARGE;
    inflate->output += made;
    inflate->member_output += made;
    if (inflate->other) return input->sink(input->user, inflate->window, made); /* which checks its own sums */
    if (inflate->form == INFLATE_GZIP)
        inflate->check = ccol__deflate_crc32(inflate->check, inflate->window, made);
    else
        inflate->check = (uint32_t)adler32(inflate->check, inflate->window, (uInt)made);
    return input->sink(input->user, inflate->window, made);
}

static uint32_t little_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[3] | (uint32_t)bytes[2] << 8 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[0] << 24;
}

static int read_trailer(struct inflate *inflate, struct input *input)
{
    const uint8_t *field = inflate->field;
    if (inflate->form == INFLATE_ZLIB) {
        if (!collect(inflate, input, ZLIB_TRAILER)) return 0;
        inflate->stage = STAGE_IGNORE;
        return big_endian(field) == inflate->check ? 0 : CCOL_EFORMAT;
    }
    if (!collect(inflate, input, GZIP_TRAILER)) return 0;
    inflate->stage = STAGE_NEXT;
    bool is_whole =
        little_endian(field) == inflate->check && little_endian(field + 4) == (uint32_t)inflate->member_output;
    return is_whole ? 0 : CCOL_EFORMAT;
}

/* What starts like a member is one and must be whole; anything else behind a member does no harm. */
static int read_next(struct inflate *inflate, struct input *input)
{
    size_t missing = GZIP_MAGIC - inflate->field_length, taken = input->length < missing ? input->length : missing;
    memcpy(inflate->field + inflate->field_length, input->data, taken);
    inflate->field_length += taken;
    input_skip(input, taken);
    if (!is_magic(inflate->field, inflate->field_length))
        inflate->stage = STAGE_IGNORE;
    else if (inflate->field_length == GZIP_MAGIC)
        inflate->stage = STAGE_HEADER; /* which goes on with the field as it is */
    return 0;
}

static int read_wrapper(struct inflate *inflate, struct input *input);

/* The decoder may have taken bytes behind its stream. */
static int end_body(struct inflate *inflate, struct input *input)
{
    uint8_t unused[8];
    struct input rest = {unused, ccol__deflate_unused(inflate->deflate, unused), input->sink, input->user};
    int result = 0;
    inflate->stage = STAGE_TRAILER;
    inflate->field_length = 0;
    while (rest.length && result == 0)
        result = read_wrapper(inflate, &rest);
    return result;
}

static int read_body(struct inflate *inflate, struct input *input)
{
    for (;;) {
        size_t made;
        enum deflate_result end =
            ccol__deflate_run(inflate->deflate, &input->data, &input->length, inflate->window, WINDOW_BYTES, &made);
        int result = deliver(inflate, input, made);
        if (result) return result;
        if (end == DEFLATE_BAD) return CCOL_EFORMAT;
        if (end == DEFLATE_END) return end_body(inflate, input);
        if (made < WINDOW_BYTES) return 0;
    }
}

static int read_other(struct inflate *inflate, struct input *input)
{
    inflate->stage = STAGE_OTHER;
    for (;;) {
        size_t made = 0;
        enum decoder_result end =
            inflate->other->run(inflate->decoder, &input->data, &input->length, inflate->window, WINDOW_BYTES, &made);
        int result = deliver(inflate, input, made);
        if (result) return result;
        if (end == DECODER_BAD) return CCOL_EFORMAT;
        if (end == DECODER_NO_MEMORY) return -ENOMEM;
        if (end == DECODER_END) break;
        if (made < WINDOW_BYTES) return 0;
    }
    inflate->stage = inflate->other->follows ? STAGE_NEXT_OTHER : STAGE_IGNORE;
    return 0;
}

static int ignore(struct inflate *inflate, struct input *input)
{
    (void)inflate;
    input_skip(input, input->length);
    return 0;
}

static int read_wrapper(struct inflate *inflate, struct input *input)
{
    static int (*const steps[])(struct inflate *, struct input *) = {
        [STAGE_HEADER] = read_header, [STAGE_EXTRA_LENGTH] = skip_extra, [STAGE_EXTRA] = skip_extra,
        [STAGE_NAME] = skip_text,     [STAGE_COMMENT] = skip_text,       [STAGE_HEADER_CRC] = skip_header_crc,
        [STAGE_BODY] = read_body,     [STAGE_TRAILER] = read_trailer,    [STAGE_NEXT] = read_next,
        [STAGE_IGNORE] = ignore,      [STAGE_OTHER] = read_other,        [STAGE_NEXT_OTHER] = read_other,
    };
    return steps[inflate->stage](inflate, input);
}

int ccol__inflate_feed(struct inflate *inflate, const void *data, size_t length, inflate_sink sink, void *user)
{
    struct input input = {data, length, sink, user};
    while (input.length && inflate->error == 0)
        inflate->error = read_wrapper(inflate, &input);
    return inflate->error;
}

int ccol__inflate_finish(struct inflate *inflate)
{
    bool at_end = inflate->stage == STAGE_NEXT || inflate->stage == STAGE_IGNORE || inflate->stage == STAGE_NEXT_OTHER;
    if (inflate->error == 0 && !at_end) inflate->error = CCOL_EFORMAT;
    return inflate->error;
}

uint64_t ccol__inflate_output(const struct inflate *inflate)
{
    return inflate->output;
}

void ccol__inflate_free(struct inflate *inflate)
{
    if (!inflate) return;
    if (inflate->decoder) inflate->other->close(inflate->decoder);
    ccol__deflate_free(inflate->deflate);
    ccol__budget_give(inflate->budget, INFLATE_BYTES);
    free(inflate);
}
