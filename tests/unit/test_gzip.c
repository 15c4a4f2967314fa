/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <zlib.h>

#include "base/gzip.h"

#define NO_LIMIT ((uint64_t)1 << 30)

struct bytes {
    uint8_t *data;
    size_t length, capacity;
};

static void add(struct bytes *bytes, const void *data, size_t length)
{
    if (length > bytes->capacity - bytes->length) {
        bytes->capacity = 2 * bytes->capacity + length + 64;
        bytes->data = realloc(bytes->data, bytes->capacity);
        REQUIRE(bytes->data);
    }
    if (length) memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

/* window_bits as zlib's: 15 zlib, 31 gzip. */
static void add_compressed(struct bytes *out, const void *data, size_t length, int level, int window_bits)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)length};
    REQUIRE(deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    uLong bound = deflateBound(&stream, length);
    uint8_t *room = malloc(bound);
    REQUIRE(room);
    stream.next_out = room;
    stream.avail_out = (uInt)bound;
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    add(out, room, stream.total_out);
    deflateEnd(&stream);
    free(room);
}

static int take(void *user, const void *data, size_t length)
{
    REQUIRE(length > 0);
    add(user, data, length);
    return 0;
}

static int inflate_in_steps(struct bytes *out, enum inflate_form form, const struct bytes *in, size_t step,
                            uint64_t max_output)
{
    struct inflate *inflate;
    int result = 0;
    out->length = 0;
    REQUIRE(ccol__inflate_new(&inflate, form, max_output, NULL, NULL) == 0);
    for (size_t at = 0; at < in->length && result == 0; at += step) {
        size_t length = in->length - at < step ? in->length - at : step;
        uint8_t *piece = malloc(length); /* of its own, so that reading beyond it is seen */
        REQUIRE(piece);
        memcpy(piece, in->data + at, length);
        result = ccol__inflate_feed(inflate, piece, length, take, out);
        free(piece);
    }
    if (result == 0) result = ccol__inflate_finish(inflate);
    CHECK_INT(ccol__inflate_finish(inflate), result);
    CHECK_INT(ccol__inflate_output(inflate), out->length);
    ccol__inflate_free(inflate);
    return result;
}

/* The result must be the same for all sizes of pieces. */
static int inflate_all(struct bytes *out, enum inflate_form form, const struct bytes *in)
{
    static const size_t steps[] = {1, 2, 3, 7, 53, 1000, 4093};
    int result = inflate_in_steps(out, form, in, SIZE_MAX / 2, NO_LIMIT);
    struct bytes again = {0};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (in->length / steps[i] > 4000) continue; /* thousands of tiny pieces are enough */
        CHECK_INT(inflate_in_steps(&again, form, in, steps[i], NO_LIMIT), result);
        if (result == 0)
            CHECK(again.length == out->length && (!out->length || memcmp(again.data, out->data, out->length) == 0));
    }
    free(again.data);
    return result;
}

static void fill(struct bytes *bytes, size_t length)
{
    uint32_t state = 1;
    bytes->length = 0;
    for (size_t i = 0; i < length; i++) {
        state = state * 1103515245 + 12345;
        uint8_t byte = i / 1000 % 2 ? (uint8_t)(state >> 24) : (uint8_t) "crash report "[i % 13];
        add(bytes, &byte, 1);
    }
}

static void round_trips(void)
{
    static const size_t sizes[] = {0, 1, 100, 65536, 65537, 100000};
    struct bytes text = {0}, in = {0}, out = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int level = 0; level <= 6; level += 6) {
            fill(&text, sizes[i]);
            for (int form = 0; form < 2; form++) {
                in.length = 0;
                add_compressed(&in, text.data, text.length, level, form == INFLATE_GZIP ? 31 : 15);
                CHECK_INT(inflate_all(&out, (enum inflate_form)form, &in), 0);
                CHECK(out.length == text.length && (!out.length || memcmp(out.data, text.data, out.length) == 0));
                add(&in, "trailing", 8);
                CHECK_INT(inflate_all(&out, (enum inflate_form)form, &in), 0);
                CHECK_INT(out.length, text.length);
            }
        }
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

static void members_follow_each_other(void)
{
    struct bytes in = {0}, out = {0};
    for (int i = 0; i < 40; i++)
        add_compressed(&in, "0123456789", (size_t)(i % 11), i % 10, 31);
    CHECK_INT(inflate_all(&out, INFLATE_GZIP, &in), 0);
    size_t expected = 0;
    for (size_t i = 0; i < 40; i++)
        expected += i % 11;
    CHECK_INT(out.length, expected);
    size_t whole = in.length;
    add(&in, "\x1F\x8B", 2); /* too little to be a member */
    CHECK_INT(inflate_all(&out, INFLATE_GZIP, &in), 0);
    add(&in, "\x08", 1);
    CHECK_INT(inflate_all(&out, INFLATE_GZIP, &in), CCOL_EFORMAT);
    in.length = whole;
    add(&in, "\x1F\x1F\x8B\x08 no member", 13);
    CHECK_INT(inflate_all(&out, INFLATE_GZIP, &in), 0);
    CHECK_INT(out.length, expected);
    free(in.data);
    free(out.data);
}

static void every_cut_is_seen(void)
{
    struct bytes text = {0}, in = {0}, out = {0};
    fill(&text, 3000);
    for (int form = 0; form < 2; form++) {
        in.length = 0;
        add_compressed(&in, text.data, text.length, 6, form == INFLATE_GZIP ? 31 : 15);
        size_t whole = in.length;
        for (in.length = 0; in.length < whole; in.length++) {
            CHECK_INT(inflate_in_steps(&out, (enum inflate_form)form, &in, SIZE_MAX / 2, NO_LIMIT), CCOL_EFORMAT);
            CHECK_INT(inflate_in_steps(&out, (enum inflate_form)form, &in, 1, NO_LIMIT), CCOL_EFORMAT);
        }
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

static void check_sums_are_checked(void)
{
    struct bytes in = {0}, out = {0};
    for (int form = 0; form < 2; form++) {
        in.length = 0;
        add_compressed(&in, "some text", 9, 6, form == INFLATE_GZIP ? 31 : 15);
        size_t trailer = form == INFLATE_GZIP ? 8 : 4;
        for (size_t i = in.length - trailer; i < in.length; i++) {
            in.data[i] ^= 1;
            CHECK_INT(inflate_all(&out, (enum inflate_form)form, &in), CCOL_EFORMAT);
            in.data[i] ^= 1;
        }
        CHECK_INT(inflate_all(&out, (enum inflate_form)form, &in), 0);
        CHECK_INT(inflate_all(&out, form == INFLATE_GZIP ? INFLATE_ZLIB : INFLATE_GZIP, &in), CCOL_EFORMAT);
    }
    free(in.data);
    free(out.data);
}

static void headers(void)
{
    struct bytes body = {0}, in = {0}, out = {0};
    add_compressed(&body, "some text", 9, 6, 31);
    add(&in,
        "\x1F\x8B\x08\x1E\0\0\0\0\0\3"
        "\3\0abc"
        "a name\0"
        "a comment\0"
        "hc",
        34);
    add(&in, body.data + 10, body.length - 10);
    CHECK_INT(inflate_all(&out, INFLATE_GZIP, &in), 0);
    CHECK_INT(out.length, 9);
    static const struct {
        const char *bytes;
        size_t length;
        enum inflate_form form;
    } rows[] = {
        {"", 0, INFLATE_GZIP},
        {"--BBB\r\n", 7, INFLATE_GZIP},
        {"\x1F\x8B\x07\0\0\0\0\0\0\3", 10, INFLATE_GZIP},     /* not deflate */
        {"\x1F\x8B\x08\x20\0\0\0\0\0\3", 10, INFLATE_GZIP},   /* a flag nobody knows */
        {"\x1F\x8B\x08\0\0\0\0\0\0\3\x07", 11, INFLATE_GZIP}, /* no such block type */
        {"", 0, INFLATE_ZLIB},
        {"\x78\x9D\3\0", 4, INFLATE_ZLIB},         /* header check */
        {"\x79\x9C\3\0", 4, INFLATE_ZLIB},         /* not deflate */
        {"\x88\x1C\3\0\0\0\0\1", 8, INFLATE_ZLIB}, /* window too large */
        {"\x78\xBB\0\0\0\1", 6, INFLATE_ZLIB},     /* wants a dictionary */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        in.length = 0;
        add(&in, rows[i].bytes, rows[i].length);
        CHECK_INT(inflate_all(&out, rows[i].form, &in), CCOL_EFORMAT);
    }
    free(body.data);
    free(in.data);
    free(out.data);
}

static void output_is_capped(void)
{
    static const size_t sizes[] = {1, 1000, 65536, 65537, 300000};
    struct bytes text = {0}, in = {0}, out = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fill(&text, sizes[i]);
        in.length = 0;
        add_compressed(&in, text.data, text.length, 6, 31);
        CHECK_INT(inflate_in_steps(&out, INFLATE_GZIP, &in, SIZE_MAX / 2, sizes[i]), 0);
        CHECK_INT(inflate_in_steps(&out, INFLATE_GZIP, &in, 7, sizes[i]), 0);
        CHECK_INT(inflate_in_steps(&out, INFLATE_GZIP, &in, SIZE_MAX / 2, sizes[i] - 1), CCOL_ETOOLARGE);
        CHECK_INT(inflate_in_steps(&out, INFLATE_GZIP, &in, 7, sizes[i] - 1), CCOL_ETOOLARGE);
        CHECK(out.length < sizes[i]);
        add_compressed(&in, "x", 1, 6, 31); /* over all members */
        CHECK_INT(inflate_in_steps(&out, INFLATE_GZIP, &in, 7, sizes[i]), CCOL_ETOOLARGE);
        CHECK_INT(inflate_in_steps(&out, INFLATE_GZIP, &in, 7, sizes[i] + 1), 0);
    }
    free(text.data);
    free(in.data);
    free(out.data);
}

static int refuse(void *user, const void *data, size_t length)
{
    (void)data;
    (void)length;
    return *(int *)user;
}

static void sink_ends_the_feed(void)
{
    struct bytes in = {0};
    struct inflate *inflate;
    int answer = -77;
    add_compressed(&in, "some text", 9, 6, 31);
    REQUIRE(ccol__inflate_new(&inflate, INFLATE_GZIP, NO_LIMIT, NULL, NULL) == 0);
    CHECK_INT(ccol__inflate_feed(inflate, in.data, in.length, refuse, &answer), -77);
    answer = 0;
    CHECK_INT(ccol__inflate_feed(inflate, in.data, in.length, refuse, &answer), -77);
    CHECK_INT(ccol__inflate_finish(inflate), -77);
    ccol__inflate_free(inflate);
    ccol__inflate_free(NULL);
    free(in.data);
}

int main(void)
{
    RUN(round_trips);
    RUN(members_follow_each_other);
    RUN(every_cut_is_seen);
    RUN(check_sums_are_checked);
    RUN(headers);
    RUN(output_is_capped);
    RUN(sink_ends_the_feed);
    return check_done();
}
