/* SPDX-License-Identifier: MIT */
/* Speed of what every byte of an upload goes through: boundary search, inflation, JSON. Prints GB/s; judges nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/gzip.h"
#include "base/json.h"
#include "report/boundary_search.h"

#define BODY_BYTES  ((size_t)407 * 1024)
#define PIECE_BYTES ((size_t)64 * 1024)
#define ROUNDS      200

static const char boundary[] = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
static uint32_t state = 1;

static uint32_t next_random(void)
{
    return (state = state * 1664525 + 1013904223) >> 8;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void repeat(char *data, const char *text, size_t length)
{
    for (size_t i = 0; i < BODY_BYTES; i++)
        data[i] = text[i % length];
}

static void fill(char *data, int kind)
{
    static char near_miss[sizeof boundary + 4];
    switch (kind) {
    case 0: /* mostly zeros, pointers and some text, as stacks are */
        memset(data, 0, BODY_BYTES);
        for (size_t i = 0; i + 8 <= BODY_BYTES; i += 16) {
            uint64_t pointer = UINT64_C(0x7F0000000000) | next_random() % 65536 * 4096U;
            memcpy(data + i, &pointer, sizeof pointer);
        }
        break;
    case 1:
        for (size_t i = 0; i < BODY_BYTES; i++)
            data[i] = (char)next_random();
        break;
    case 2:
        repeat(data, "\r\n", 2);
        break;
    case 3:
        repeat(data, "\r\n--", 4);
        break;
    default: /* all of a delimiter but its last byte */
        snprintf(near_miss, sizeof near_miss, "\r\n--%s", boundary);
        repeat(data, near_miss, 4 + sizeof boundary - 2);
        break;
    }
}

static void bench_search(char *data)
{
    static const char *const names[] = {"process memory", "random", "CR LF", "CR LF dashes", "near boundaries"};
    for (int kind = 0; kind < 5; kind++) {
        fill(data, kind);
        for (int portable = 0; portable < 2; portable++) {
            struct boundary_search search;
            size_t found = 0;
            ccol__boundary_init(&search, boundary, sizeof boundary - 1, portable);
            double start = now();
            for (int round = 0; round < ROUNDS; round++) {
                for (size_t at = 0; at < BODY_BYTES; at += PIECE_BYTES) {
                    size_t length = BODY_BYTES - at < PIECE_BYTES ? BODY_BYTES - at : PIECE_BYTES;
                    found += ccol__boundary_find(&search, data + at, length) < length;
                }
            }
            double gigabytes = (double)(BODY_BYTES * ROUNDS) * 1e-9;
            printf("search %-9s %-16s %6.2f GB/s%s\n", portable ? "portable" : "fast", names[kind],
                   gigabytes / (now() - start), found ? " (found one)" : "");
        }
    }
}

static int count_bytes(void *user, const void *data, size_t length)
{
    (void)data;
    *(size_t *)user += length;
    return 0;
}

static void bench_inflate(char *data)
{
    static unsigned char packed[2 * BODY_BYTES];
    z_stream stream = {
        .next_in = (Bytef *)data, .avail_in = BODY_BYTES, .next_out = packed, .avail_out = sizeof packed};
    fill(data, 0);
    if (deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
    deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    size_t output = 0;
    double start = now();
    for (int round = 0; round < ROUNDS; round++) {
        struct inflate *inflate;
        if (ccol__inflate_new(&inflate, INFLATE_GZIP, UINT64_MAX, NULL, NULL)) return;
        ccol__inflate_feed(inflate, packed, stream.total_out, count_bytes, &output);
        ccol__inflate_free(inflate);
    }
    printf("inflate process memory, %lu to %zu bytes: %.2f GB/s of output\n", stream.total_out, BODY_BYTES,
           (double)output * 1e-9 / (now() - start));
}

static void bench_write(const char *name, const char *data)
{
    struct buffer out;
    ccol__buffer_init(&out, 8 * BODY_BYTES, NULL);
    double start = now();
    for (int round = 0; round < ROUNDS; round++) {
        ccol__buffer_clear(&out);
        ccol__json_write_string(&out, data, BODY_BYTES);
    }
    printf("JSON string, %s: %.2f GB/s of input\n", name, (double)(BODY_BYTES * ROUNDS) * 1e-9 / (now() - start));
    ccol__buffer_fini(&out);
}

static void bench_parse(char *data)
{
    static const struct json_limits limits = {.depth = 100, .number_length = 100};
    size_t length = 0;
    data[length++] = '{';
    while (length < BODY_BYTES / 2)
        length += (size_t)snprintf(data + length, 128, "\"Annotation%zu\":\"a value of some length, \\\"quoted\\\"\",",
                                   length);
    data[length - 1] = '}';
    double start = now();
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        struct json *value;
        ccol__arena_init(&arena, NULL);
        if (ccol__json_parse(&arena, data, length, &limits, &value, NULL)) printf("not parsed\n");
        ccol__arena_fini(&arena);
    }
    printf("JSON object, parsed: %.2f GB/s\n", (double)(length * ROUNDS) * 1e-9 / (now() - start));
}

int main(void)
{
    char *data = malloc(BODY_BYTES);
    if (!data) return 1;
    bench_search(data);
    bench_inflate(data);
    repeat(data, "plain text ", 11);
    bench_write("plain", data);
    repeat(data, "{\"key\": \"v\"},\n", 14);
    bench_write("one quote in four characters", data);
    bench_parse(data);
    free(data);
    return 0;
}
